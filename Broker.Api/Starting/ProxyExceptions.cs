using System.Net;

namespace Broker.Api.Starting;

/// <summary>
/// <c>NO_PROXY</c> as cluster and company configurations write it: besides the names and suffixes that .NET knows, networks
/// (<c>10.0.0.0/8</c>, for hosts that are addresses), <c>*</c> for everything, <c>*.example.com</c>, and a domain for all names below it; commas or
/// spaces separate them.
/// </summary>
/// <param name="proxy">The proxy of the environment, as .NET reads it.</param>
/// <param name="exceptions">The value of <c>NO_PROXY</c>.</param>
internal sealed class ProxyExceptions(IWebProxy proxy, string exceptions) : IWebProxy
{
    private readonly string[] entries = exceptions.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);

    /// <inheritdoc/>
    public ICredentials? Credentials
    {
        get => proxy.Credentials;
        set => proxy.Credentials = value;
    }

    /// <summary>Makes it the default proxy of all clients, if the environment has exceptions.</summary>
    public static void Apply()
    {
        var exceptions = Environment.GetEnvironmentVariable("no_proxy") ?? Environment.GetEnvironmentVariable("NO_PROXY");
        if (!string.IsNullOrWhiteSpace(exceptions)) HttpClient.DefaultProxy = new ProxyExceptions(HttpClient.DefaultProxy, exceptions);
    }

    /// <inheritdoc/>
    public Uri? GetProxy(Uri destination) => IsBypassed(destination) ? null : proxy.GetProxy(destination);

    /// <inheritdoc/>
    public bool IsBypassed(Uri host) => Array.Exists(entries, entry => Excepts(entry, host)) || proxy.IsBypassed(host);

    private static bool Excepts(string entry, Uri host)
    {
        if (entry == "*") return true;
        if (IPAddress.TryParse(host.DnsSafeHost, out var address))
            return (IPNetwork.TryParse(entry, out var network) && network.Contains(address))
                || (IPEndPoint.TryParse(entry, out var one) && one.Address.Equals(address) && (one.Port == 0 || one.Port == host.Port));
        var name = entry.TrimStart('*').TrimStart('.');
        if (name.LastIndexOf(':') is var colon and > 0 && int.TryParse(name[(colon + 1)..], out var port))
        {
            if (port != host.Port) return false;
            name = name[..colon];
        }

        return name.Length > 0 && (host.DnsSafeHost.Equals(name, StringComparison.OrdinalIgnoreCase) || host.DnsSafeHost.EndsWith("." + name, StringComparison.OrdinalIgnoreCase));
    }
}
