using System.Net.Security;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Broker.Api.Authentication.Certificates;

/// <summary>
/// The broker's certificate and the authorities of client certificates, from files that are compared every few seconds: a renewed
/// certificate is used from the next connection on, without a restart. Half-written files change nothing.
/// </summary>
internal sealed class LiveCertificates : IDisposable
{
    // A connection's certificate is looked at again this often, so that a claim on it costs no more.
    private static readonly TimeSpan LookedAtFor = TimeSpan.FromSeconds(10);

    private readonly TlsSettings settings;
    private readonly TimeProvider time;
    private readonly ConditionalWeakTable<X509Certificate2, Verdict> verdicts = [];
    private readonly ILogger<LiveCertificates> log;
    private readonly ITimer timer;
    private volatile Read current;

    /// <exception cref="CryptographicException">The files do not match.</exception>
    public LiveCertificates(TlsSettings settings, TimeProvider time, ILogger<LiveCertificates> log)
    {
        (this.settings, this.time, this.log) = (settings, time, log);
        current = ReadAll();
        timer = time.CreateTimer(_ => Look(), null, settings.LookEvery, settings.LookEvery);
    }

    /// <summary>The TLS options to use from now on.</summary>
    public void Apply(HttpsConnectionAdapterOptions https)
    {
        https.ServerCertificateSelector = (_, _) => current.Context.TargetCertificate;
        https.OnAuthenticate = (_, options) =>
        {
            options.ServerCertificateContext = current.Context;
            options.ServerCertificateSelectionCallback = null;
        };
        if (settings.ClientAuthorityFile is null) return;

        // Allowed, not required: most callers need only a token, and those that need both are asked for the certificate later.
        https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
        https.ClientCertificateValidation = (certificate, _, _) => IsByOurAuthorities(certificate);
    }

    /// <summary>
    /// Whether a client certificate is still by one of the authorities: one that was taken out is not believed on connections that it has opened before.
    /// </summary>
    public bool StillBelieves(X509Certificate2 certificate)
    {
        var now = current;
        if (verdicts.TryGetValue(certificate, out var known) && known.Under == now && known.At.Age(time) < LookedAtFor) return known.IsGood;
        var verdict = new Verdict(now, Moment.Now(time), IsByOurAuthorities(certificate));
        verdicts.AddOrUpdate(certificate, verdict);
        return verdict.IsGood;
    }

    /// <inheritdoc/>
    public void Dispose() => timer.Dispose();

    private bool IsByOurAuthorities(X509Certificate2 certificate)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(current.Authorities);
        // Certificates of workloads live for hours and have no revocation list.
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        // Whoever shows a certificate does not choose what the broker fetches.
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.2"));
        return chain.Build(certificate);
    }

    private void Look()
    {
        try
        {
            if (Fingerprint() == current.Fingerprint) return;
            current = ReadAll();
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // Catches everything, including a certificate whose key is not there yet (ArgumentException): an exception in a timer would end the process.
            log.CertificateNotRead(e);
        }
    }

    private Read ReadAll()
    {
        var fingerprint = Fingerprint();
        var own = X509Certificate2.CreateFromPemFile(settings.CertificateFile, settings.CertificateKeyFile);
        var chain = new X509Certificate2Collection();
        chain.ImportFromPemFile(settings.CertificateFile);
        var authorities = new X509Certificate2Collection();
        if (settings.ClientAuthorityFile is { } file) authorities.ImportFromPemFile(file);
        log.CertificateRead(own.Subject, own.NotAfter.ToUniversalTime());
        return new(SslStreamCertificateContext.Create(own, chain, offline: true), authorities, fingerprint);
    }

    // Compared by content: on a mounted Secret the file itself is a link that never changes.
    private string Fingerprint()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in new[] { settings.CertificateFile, settings.CertificateKeyFile, settings.ClientAuthorityFile }.OfType<string>())
            hash.AppendData(File.ReadAllBytes(file));
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private sealed record Verdict(Read Under, Moment At, bool IsGood);

    private sealed record Read(SslStreamCertificateContext Context, X509Certificate2Collection Authorities, string Fingerprint);
}
