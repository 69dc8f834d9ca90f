using System.Security.Cryptography.X509Certificates;
using Broker.Core.Catalog;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.DataProtection.KeyManagement;
using Microsoft.AspNetCore.DataProtection.StackExchangeRedis;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Broker.Core.Ledger.Redis;

/// <summary>Where the keys are that seal secrets in Redis.</summary>
internal static class SealingKeys
{
    private const string RedisKey = "broker:sealing-keys";

    /// <summary>
    /// In a directory that the replicas share and Redis' thieves do not have; or in Redis itself, encrypted to a certificate
    /// whose private key they do not have.
    /// </summary>
    public static void KeepKeys(this IDataProtectionBuilder sealing, SealingSettings settings)
    {
        if (settings.Directory is { } directory)
        {
            sealing.PersistKeysToFileSystem(new DirectoryInfo(directory));
            return;
        }

        sealing.ProtectKeysWithCertificate(X509Certificate2.CreateFromPemFile(settings.CertificateFile!, settings.CertificateKeyFile));
        sealing.Services.AddSingleton<IConfigureOptions<KeyManagementOptions>>(provider =>
        {
            var redis = provider.GetRequiredService<IConnectionMultiplexer>();
            return new ConfigureOptions<KeyManagementOptions>(options =>
                options.XmlRepository = new RedisXmlRepository(() => redis.GetDatabase(), RedisKey));
        });
    }
}
