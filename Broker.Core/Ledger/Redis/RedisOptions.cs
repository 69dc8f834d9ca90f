using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;
using StackExchange.Redis.Configuration;

namespace Broker.Core.Ledger.Redis;

/// <summary>How the client is set up: bounds on every wait, and what may change under way is read again at each connect.</summary>
internal static class RedisOptions
{
    private const int LongestMilliseconds = 3000;

    // A replica that takes its primary's place announces it to nobody, and the client, which asks by itself once a minute, sends it nothing until then.
    private const int RolesAskedEverySeconds = 1;

    // What the client would ask for besides, and the broker does not need: who has no right to it need not have it.
    private static readonly HashSet<string> NotNeeded = ["CONFIG"];

    public static ConfigurationOptions Of(LedgerSettings settings, ILogger log)
    {
        var options = Parsed(settings.ConnectionString!.Reveal());
        options.AbortOnConnectFail = false;
        options.BacklogPolicy = BacklogPolicy.FailFast;
        options.ConnectTimeout = Math.Min(options.ConnectTimeout, LongestMilliseconds);
        options.AsyncTimeout = Math.Min(options.AsyncTimeout, LongestMilliseconds);
        options.SyncTimeout = Math.Min(options.SyncTimeout, LongestMilliseconds);
        options.ReconnectRetryPolicy = new LinearRetry(500);
        options.ConfigCheckSeconds = Math.Min(options.ConfigCheckSeconds, RolesAskedEverySeconds);
        options.ClientName ??= "broker";
        options.SetClientLibrary = false;
        options.TieBreaker = "";
        options.ConfigurationChannel = "";
        if (options.Proxy == Proxy.None && options.ServiceName is null) options.CommandMap = CommandMap.Create(NotNeeded, available: false);
        if (settings.PasswordFile is { } passwordFile)
        {
            options.Password = null;
            options.Defaults = new PasswordInFile(passwordFile, log);
        }

        if (settings.CaFile is { } authorities)
        {
            options.Ssl = true;
            options.CertificateValidation += new PrivateAuthority(authorities, reason => log.RedisFileUnreadable(authorities, reason)).Accepts;
        }

        if (settings.CertificateFile is { } certificate)
        {
            options.Ssl = true;
            options.CertificateSelection += (_, _, _, _, _) => Load(certificate, settings.KeyFile!, log)!;
        }

        return options;
    }

    // What the client says of it names the option, and no value.
    private static ConfigurationOptions Parsed(string text)
    {
        try
        {
            return ConfigurationOptions.Parse(text);
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"Broker:Ledger:ConnectionString is not as StackExchange.Redis reads it (host:port,option=value): {e.Message}");
        }
    }

    private static X509Certificate2? Load(string certificate, string key, ILogger log)
    {
        try
        {
            return X509Certificate2.CreateFromPemFile(certificate, key);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException)
        {
            // Also a key that does not fit, while the two are renewed one after the other. Redis refuses who comes without one, and it is read again at the next connect.
            log.RedisFileUnreadable(certificate, e.Message);
            return null;
        }
    }

    // The client asks for the password at each connect.
    private sealed class PasswordInFile(string file, ILogger log) : DefaultOptionsProvider
    {
        public override string? Password
        {
            get
            {
                try
                {
                    return File.ReadAllText(file).Trim();
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    log.RedisFileUnreadable(file, e.Message);
                    return null;
                }
            }
        }
    }
}
