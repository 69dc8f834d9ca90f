using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Broker.Core.Model;

/// <summary>
/// Trusts the certificates of one PEM file and no other authority. The file is read again when it changes, so that an
/// authority can be exchanged without a restart.
/// </summary>
/// <param name="file">The PEM file.</param>
/// <param name="unreadable">Called when the file could not be read; until it can be, nobody is trusted.</param>
internal sealed class PrivateAuthority(string file, Action<string> unreadable)
{
    private static readonly Oid ServerAuthentication = new("1.3.6.1.5.5.7.3.1");

    private Loaded? loaded;

    /// <summary>Judges a server's certificate; for <see cref="SslClientAuthenticationOptions"/>.</summary>
    public bool Accepts(object sender, X509Certificate? certificate, X509Chain? offered, SslPolicyErrors errors)
    {
        if (certificate is null || (errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != 0) return false;
        if (Roots() is not { } roots) return false;

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(roots);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck; // private authorities seldom publish revocations
        chain.ChainPolicy.ApplicationPolicy.Add(ServerAuthentication);
        foreach (var element in offered?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
            chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        return chain.Build((X509Certificate2)certificate);
    }

    private X509Certificate2Collection? Roots()
    {
        try
        {
            var changed = File.GetLastWriteTimeUtc(file);
            if (loaded is { } known && known.Changed == changed) return known.Roots;

            var roots = new X509Certificate2Collection();
            roots.ImportFromPemFile(file);
            if (roots.Count == 0) throw new CryptographicException("it holds no certificate");
            loaded = new Loaded(changed, roots);
            return roots;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            unreadable(e.Message);
            return null;
        }
    }

    private sealed record Loaded(DateTime Changed, X509Certificate2Collection Roots);
}
