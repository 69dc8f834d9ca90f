namespace LoadTests.FromOutside.Fuzz;

/// <summary>Texts that break careless programs, and the numbers at which counting goes wrong.</summary>
internal static class Dictionary
{
    public static readonly string[] Hostile =
    [
        "", " ", ".", "..", "../../etc/passwd", "..%2f..%2f", "%00", "%2e%2e/", "%", "%zz", "\u0000", "\u202e", "\ufeff", "ß", "𝕏", "null", "undefined", "NaN",
        "true", "-1", "0", "1e309", "99999999999999999999", "'; DROP ROLE x; --", "\"", "\\", "{{name}}", "${jndi:ldap://127.0.0.1/x}", "<script>alert(1)</script>",
        "a|b|c", "a:b", "*", "~broker", "~sessions", "~shares", "__proto__", "constructor", "orders-api.", ".orders-api", new('a', 300), new('%', 200), "a\tb", "a;b", "a,b",
    ];

    /// <summary>What stands between the quotes of a text of JSON and is none: half a letter, and what ends too soon.</summary>
    public static readonly string[] HalfLetters = ["\\ud800", "x\\udc00y", "\\ud800\\ud800", "\\u", "\\ud8"];

    public static readonly string[] Numbers =
        ["0", "1", "2", "5", "-1", "20", "21", "2147483647", "2147483648", "-2147483649", "1e3", "1.5", "1e400", "\"5\"", "null", "true", "[]", "{}", "00", "0x10"];

    public static readonly string[] Waits = ["wait=0", "wait=1", "wait=-1", "wait=", "wait=abc", "wait=0.5", "respond-async, wait=0", "wait=0; wait=1", ";;;", "return=minimal"];

    public static readonly string[] MediaTypes =
        ["application/json", "application/json; charset=utf-8", "application/json; charset=utf-16", "text/plain", "application/xml", "multipart/form-data; boundary=x", "*/*", "application/x-www-form-urlencoded", "json"];
}
