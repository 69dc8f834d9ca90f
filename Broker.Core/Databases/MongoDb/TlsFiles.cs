using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Broker.Core.Catalog;
using MongoDB.Driver;

namespace Broker.Core.Databases.MongoDb;

/// <summary>
/// <c>tlsCAFile</c>, <c>tlsCertificateKeyFile</c>, <c>tlsAllowInvalidCertificates</c> and <c>tlsAllowInvalidHostnames</c> of a URI, which
/// .NET's driver ignores. Files are the broker's own, and are read whenever a client is made.
/// </summary>
internal static class TlsFiles
{
    /// <summary>Makes the driver do what the URI says.</summary>
    /// <exception cref="DatabaseException">A file cannot be read.</exception>
    public static void Apply(Database database, MongoClientSettings settings, UriOptions options)
    {
        var (authority, certificate) = (options["tlsCAFile"], options["tlsCertificateKeyFile"]);
        var anyName = options.Ssl == PodSslMode.VerifyCA;
        if (!settings.UseTls && options.Ssl >= PodSslMode.Require) settings.UseTls = true; // a file alone means TLS
        if (options.Ssl == PodSslMode.Require) settings.AllowInsecureTls = true;
        if (!settings.UseTls || (authority is null && certificate is null && !anyName)) return;
        try
        {
            var tls = settings.SslSettings?.Clone() ?? new SslSettings();
            if (certificate is not null)
                tls.ClientCertificates = [Certificate(certificate, options["tlsCertificateKeyFilePassword"])];
            if ((authority is not null || anyName) && !settings.AllowInsecureTls)
            {
                var believed = new X509Certificate2Collection();
                if (authority is not null) believed.ImportFromPemFile(authority);
                tls.ServerCertificateValidationCallback = (_, shown, chain, errors) => IsBelieved(shown, chain, errors, authority is null ? null : believed, anyName, options.LooksUpRevocations);
            }

            settings.SslSettings = tls;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            throw MongoFailure.OfTlsFile(database, exception);
        }
    }

    /// <summary>Changes when a file changes, comes or goes; empty: there are none. A mounted secret changes by its link.</summary>
    public static string StateOf(UriOptions options) => string.Join(' ', new[] { options["tlsCAFile"], options["tlsCertificateKeyFile"] }.OfType<string>().Select(file =>
    {
        try
        {
            return (File.ResolveLinkTarget(file, returnFinalTarget: true) ?? new FileInfo(file)).LastWriteTimeUtc.Ticks.ToString(CultureInfo.InvariantCulture);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return "";
        }
    }));

    private static X509Certificate2 Certificate(string file, string? password) =>
        password is null ? X509Certificate2.CreateFromPemFile(file) : X509Certificate2.CreateFromEncryptedPemFile(file, password);

    private static bool IsBelieved(X509Certificate? shown, X509Chain? sent, SslPolicyErrors errors, X509Certificate2Collection? believed, bool anyName, bool looksUpRevocations)
    {
        if (anyName) errors &= ~SslPolicyErrors.RemoteCertificateNameMismatch;
        if (errors == SslPolicyErrors.None && believed is null) return true;
        if (shown is null || believed is null || (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != SslPolicyErrors.None) return false;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(believed);
        chain.ChainPolicy.RevocationMode = looksUpRevocations ? X509RevocationMode.Online : X509RevocationMode.NoCheck;
        if (sent is not null)
            foreach (var element in sent.ChainElements) chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        using var certificate = X509CertificateLoader.LoadCertificate(shown.GetRawCertData());
        return chain.Build(certificate);
    }
}
