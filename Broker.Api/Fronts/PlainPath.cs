namespace Broker.Api.Fronts;

/// <summary>
/// A path as its client means it: an escaped slash is a slash, and several in a row count as one. Vault answers the latter with a redirection, which
/// clients follow without their token, with another verb, or not at all. All code that reads a path reads this one.
/// </summary>
internal static class PlainPath
{
    private const string Escaped = "%2F";
    private const string Double = "//";

    public static string Of(string path)
    {
        // The server unescapes everything except slashes.
        if (path.Contains('%', StringComparison.Ordinal)) path = path.Replace(Escaped, "/", StringComparison.OrdinalIgnoreCase);
        return path.Contains(Double, StringComparison.Ordinal) ? (path[0] == '/' ? "/" : "") + string.Join('/', path.Split('/', StringSplitOptions.RemoveEmptyEntries)) + (path[^1] == '/' ? "/" : "") : path;
    }
}
