using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using StackExchange.Redis;

namespace Broker.Core.Ledger.Redis;

/// <summary>
/// The certificate that the broker shows to Redis, with the intermediate authorities in the file up to the one that Redis trusts.
/// Read again at each connect.
/// </summary>
internal sealed class ClientCertificate(string file, string keyFile, UnreadableFiles unreadable)
{
    /// <summary>How TLS begins with a server: as the options say, with the certificate.</summary>
    public SslClientAuthenticationOptions For(string host, ConfigurationOptions options, RemoteCertificateValidationCallback? accepts) => new()
    {
        TargetHost = host,
        EnabledSslProtocols = options.SslProtocols ?? default,
        CertificateRevocationCheckMode = options.CheckCertificateRevocation ? X509RevocationMode.Online : X509RevocationMode.NoCheck,
        RemoteCertificateValidationCallback = accepts,
        ClientCertificateContext = Load(),
    };

    private SslStreamCertificateContext? Load()
    {
        try
        {
            var certificate = X509Certificate2.CreateFromPemFile(file, keyFile);
            var all = new X509Certificate2Collection();
            all.ImportFromPemFile(file);
            return SslStreamCertificateContext.Create(certificate, all, offline: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            // Even a key that does not match, while the two files are renewed one after the other. Redis refuses a client without a certificate, and it is read again at the next connect.
            unreadable.Tell(file, e.Message);
            return null;
        }
    }
}
