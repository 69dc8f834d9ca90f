using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Broker.Core.Catalog;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Broker.Core.Ledger.Redis;

/// <summary>Where the keys are that seal secrets in Redis.</summary>
internal static class SealingKeys
{
    /// <summary>
    /// In a directory that the replicas share and Redis' thieves do not have; or in Redis itself, encrypted to a certificate
    /// whose private key they do not have, and authenticated by a key that is made of that private key.
    /// </summary>
    public static void KeepKeys(this IDataProtectionBuilder sealing, SealingSettings settings)
    {
        if (settings.Directory is { } directory)
        {
            sealing.PersistKeysToFileSystem(new DirectoryInfo(directory));
            return;
        }

        var certificate = X509Certificate2.CreateFromPemFile(settings.CertificateFile!, settings.CertificateKeyFile);
        sealing.ProtectKeysWithCertificate(certificate);
        sealing.Services.AddSingleton<IConfigureOptions<KeyManagementOptions>>(provider =>
        {
            var redis = provider.GetRequiredService<RedisConnection>();
            var log = provider.GetRequiredService<ILogger<RedisKeyRing>>();
            return new ConfigureOptions<KeyManagementOptions>(options =>
                options.XmlRepository = new RedisKeyRing(redis, RingKey(certificate), log));
        });
    }

    // Whoever can read the certificate can encrypt to it; only who has its private key can make this one.
    private static byte[] RingKey(X509Certificate2 certificate)
    {
        using var rsa = certificate.GetRSAPrivateKey() ?? throw new CryptographicException("The sealing certificate's key is no RSA key.");
        return HKDF.DeriveKey(HashAlgorithmName.SHA256, rsa.ExportRSAPrivateKey(), 32, info: "broker sealing-keys v1"u8.ToArray());
    }
}
