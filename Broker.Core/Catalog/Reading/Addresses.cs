namespace Broker.Core.Catalog.Reading;

/// <summary>Reads addresses of servers that get secrets from the broker or vouch for callers.</summary>
internal static class Addresses
{
    /// <summary>An absolute http(s) address; plain http only to this machine, or when allowed. Null when it is invalid, which is noted without quoting it.</summary>
    public static Uri? ServerAddress(this SectionReader reader, string key, string mend, bool allowHttp = false, string httpMend = "")
    {
        var text = reader.RequiredText(key, mend);
        if (text.Length == 0) return null;
        if (!Uri.TryCreate(text, UriKind.Absolute, out var address) || address.Scheme is not ("http" or "https"))
        {
            reader.Error(key, "is not an http or https address.", mend);
            return null;
        }

        if (address.UserInfo.Length > 0 || address.Query.Length > 0 || address.Fragment.Length > 0)
        {
            reader.Error(key, "has more than scheme, host, port and path.", mend);
            return null;
        }

        if (address.Scheme == "http" && !address.IsLoopback && !allowHttp)
        {
            reader.Error(key, "is plain http to another machine: the traffic can be read and changed on the way.",
                $"Use https.{httpMend}");
            return null;
        }

        return address;
    }
}
