using System.Globalization;
using System.Net;
using StackExchange.Redis;

namespace Broker.Core.Ledger.Redis;

/// <summary>
/// Addresses as managed services print them: <c>rediss://user:password@host:port/0</c>, with TLS, and <c>redis://</c> without
/// (https://www.iana.org/assignments/uri-schemes/prov/redis). Everything else needs the client's own options.
/// </summary>
internal static class RedisUrl
{
    private const int UsualPort = 6379;

    /// <summary>Whether a connection string is one.</summary>
    public static bool Is(string text) => text.IndexOf("://", StringComparison.Ordinal) is > 0 and var at && text[..at].Trim().All(char.IsAsciiLetter);

    /// <summary>Its options.</summary>
    /// <exception cref="FormatException">It is not a valid address; the message does not contain its content.</exception>
    public static ConfigurationOptions Parse(string text)
    {
        if (text.Contains(',', StringComparison.Ordinal)) throw new FormatException("an address with a scheme names one server, and takes no options after a comma (write a comma in the password as %2C)");
        if (!Uri.TryCreate(text.Trim(), UriKind.Absolute, out var url) || url.Host.Length == 0) throw new FormatException("it is not an address of the form rediss://user:password@host:port/0");
        var tls = url.Scheme switch
        {
            "redis" or "valkey" => false,
            "rediss" or "valkeys" => true,
            _ => throw new FormatException("its scheme is not redis, rediss, valkey or valkeys"),
        };
        if (url.Query.Length > 1 || url.Fragment.Length > 1) throw new FormatException("it has a query, but options are not read from a query");
        var options = new ConfigurationOptions { Ssl = tls, DefaultDatabase = Database(url.AbsolutePath.Trim('/')) };
        var port = url.Port < 0 ? UsualPort : url.Port;
        options.EndPoints.Add(IPAddress.TryParse(url.DnsSafeHost, out var address) ? new IPEndPoint(address, port) : new DnsEndPoint(url.DnsSafeHost, port));
        if (url.UserInfo.Length == 0) return options;
        var (user, password) = url.UserInfo.Split(':', 2) is [var name, var secret] ? (name, secret) : (url.UserInfo, null);
        if (user.Length > 0) options.User = Uri.UnescapeDataString(user);
        if (password is not null) options.Password = Uri.UnescapeDataString(password);
        return options;
    }

    private static int? Database(string path) =>
        path.Length == 0 ? null
        : int.TryParse(path, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
        : throw new FormatException("what follows its host is not a database number");
}
