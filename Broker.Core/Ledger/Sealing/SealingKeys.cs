using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Broker.Core.Catalog;
using Broker.Core.Ledger.OnDisk;
using Broker.Core.Ledger.Redis;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Broker.Core.Ledger.Sealing;

/// <summary>The place of the keys that seal secrets in a ledger outside of the process.</summary>
internal static class SealingKeys
{
    /// <summary>
    /// In a directory that somebody who steals the ledger does not have; or beside the ledger itself, encrypted to a certificate whose private key
    /// that person does not have, and authenticated by a key derived from that private key.
    /// </summary>
    public static void KeepKeys(this IDataProtectionBuilder sealing, SealingSettings settings, LedgerSettings ledger)
    {
        if (settings.Directory is { } directory)
        {
            sealing.Services.Configure<KeyManagementOptions>(options => options.XmlRepository = new DirectoryKeyRing(directory));
            return;
        }

        var certificate = Certificate(settings);
        var code = RingKey(certificate);
        sealing.ProtectKeysWithCertificate(certificate);
        sealing.Services.AddSingleton<CodedKeyRing>(provider => ledger.Kind == LedgerKind.Redis
            ? new RedisKeyRing(provider.GetRequiredService<RedisConnection>(), code, provider.GetRequiredService<ILogger<RedisKeyRing>>(), provider.GetService<TimeProvider>() ?? TimeProvider.System)
            : new FileKeyRing(ledger.Path!, code, provider.GetRequiredService<ILogger<FileKeyRing>>()));
        sealing.Services.AddSingleton<IConfigureOptions<KeyManagementOptions>>(provider => new ConfigureOptions<KeyManagementOptions>(
            options => options.XmlRepository = new RenewedCertificate(provider.GetRequiredService<CodedKeyRing>(), certificate)));
    }

    private static X509Certificate2 Certificate(SealingSettings settings)
    {
        try
        {
            return X509Certificate2.CreateFromPemFile(settings.CertificateFile!, settings.CertificateKeyFile);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new InvalidDataException($"Broker:Sealing:CertificateKeyFile is not the RSA key, in PEM, of the certificate in CertificateFile: {e.Message}", e);
        }
    }

    // Whoever can read the certificate can encrypt to it; only the owner of its private key can derive this key.
    private static byte[] RingKey(X509Certificate2 certificate)
    {
        using var rsa = certificate.GetRSAPrivateKey() ?? throw new InvalidDataException("Broker:Sealing:CertificateFile has no RSA key: make one with openssl req -x509 -newkey rsa:3072 -nodes.");
        return HKDF.DeriveKey(HashAlgorithmName.SHA256, rsa.ExportRSAPrivateKey(), 32, info: "broker sealing-keys v1"u8.ToArray());
    }
}
