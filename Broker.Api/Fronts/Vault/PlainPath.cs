namespace Broker.Api.Fronts.Vault;

/// <summary>
/// A path as its client means it: an escaped slash is a slash, and several together are one. Vault answers the latter with a redirection, which
/// clients follow without their token, with another verb, or not at all. Whatever looks at a path looks at this.
/// </summary>
internal static class PlainPath
{
    private const string Escaped = "%2F";
    private const string Double = "//";

    public static string Of(string path)
    {
        // The server unescapes all but slashes.
        if (path.Contains('%', StringComparison.Ordinal)) path = path.Replace(Escaped, "/", StringComparison.OrdinalIgnoreCase);
        return path.Contains(Double, StringComparison.Ordinal) ? (path[0] == '/' ? "/" : "") + string.Join('/', path.Split('/', StringSplitOptions.RemoveEmptyEntries)) + (path[^1] == '/' ? "/" : "") : path;
    }
}
