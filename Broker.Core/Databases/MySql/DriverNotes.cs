using Broker.Core.Catalog;
using MySqlConnector;
using static Broker.Core.Databases.StringParts;

namespace Broker.Core.Databases.MySql;

/// <summary>Notes on what drivers' strings cannot express about how pods connect; each is null when it does not apply.</summary>
internal sealed class DriverNotes(PodView pods)
{
    public string? Lacks() => Notes(
        pods.LacksCertificate ? NoCertificate : null,
        pods.LacksAuthority ? NoAuthority : null,
        pods.LacksKey
            ? "The broker has the server's RSA key in a file (ServerRsaPublicKeyFile), which pods are not given: where the server uses caching_sha2_password or sha256_password, have pods use TLS, or name the file in code."
            : null);

    /// <summary>In addition to the notes for all: for drivers whose strings cannot express versions of TLS and ciphers.</summary>
    public string? NoVersions() => pods.TlsVersions.Count + (pods.CipherSuites is null ? 0 : 1) == 0
        ? null
        : $"A string cannot tell it which TLS versions and ciphers to use ({string.Join(", ", pods.TlsVersions.Select(version => "TLSv" + version).Append(pods.CipherSuites).Where(part => part is not null))}): it takes what the server offers.";

    public string? NoCiphers() => pods.CipherSuites is null ? null : $"It is not told the ciphers {pods.CipherSuites}: set them in code.";

    public string? NotPreferred() => pods.Ssl == PodSslMode.Prefer
        ? "It cannot prefer TLS, and connects without it; write SslMode=Required in the administrator's connection string, or Pods:SslMode, where the server has TLS."
        : null;

    public string? OneHost() => pods.Servers.Count > 1 ? "It takes only one host; give it the one that it should connect to." : null;

    public string? InOrder() => pods.Balance is MySqlLoadBalance.Random or MySqlLoadBalance.LeastConnections ? "It tries the hosts in order." : null;

    public string? Redirects() => pods.Redirection == MySqlServerRedirectionMode.Required ? "It does not follow the server's redirection." : null;
}
