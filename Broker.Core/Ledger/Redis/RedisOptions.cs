using System.Net.Security;
using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Broker.Core.Ledger.Redis;

/// <summary>The client's settings: every wait is bounded, and whatever may change at run time is read again at each connect.</summary>
internal static partial class RedisOptions
{
    private const int LongestMilliseconds = 3000;

    // A replica that takes its primary's place announces it to nobody, and the client, which asks only once a minute, sends it nothing until then.
    private const int RolesAskedEverySeconds = 1;

    // The client would also send these commands, which the broker does not need, so that its user does not need the rights.
    private static readonly HashSet<string> NotNeeded = ["CONFIG"];

    public static ConfigurationOptions Of(LedgerSettings settings, ILogger log)
    {
        var text = settings.ConnectionString!.Reveal();
        var options = Parsed(text);
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
        // A connection string that names a server's commands knows which ones it has.
        if (options.ServiceName is null && !text.Contains(",$", StringComparison.Ordinal)) options.CommandMap = CommandMap.Create(NotNeeded, available: false);
        var unreadable = new UnreadableFiles(log);
        if (settings.PasswordFile is { } passwordFile)
        {
            options.Password = null;
            options.Defaults = new PasswordInFile(passwordFile, options.Defaults, unreadable);
        }

        RemoteCertificateValidationCallback? accepts = null;
        if (settings.CaFile is { } authorities)
        {
            accepts = new PrivateAuthority(authorities, reason => unreadable.Tell(authorities, reason)).Accepts;
            options.Ssl = true;
            options.CertificateValidation += accepts;
        }

        if (settings.CertificateFile is { } file)
        {
            var certificate = new ClientCertificate(file, settings.KeyFile!, unreadable);
            options.Ssl = true;
            options.SslClientAuthenticationOptions = host => certificate.For(host, options, accepts);
        }

        return options;
    }

    private static ConfigurationOptions Parsed(string text)
    {
        ConfigurationOptions options;
        try
        {
            options = RedisUrl.Is(text) ? RedisUrl.Parse(text) : ConfigurationOptions.Parse(text);
        }
        catch (FormatException e)
        {
            throw Wrong($"is not valid: {e.Message}.");
        }
        catch (ArgumentException e)
        {
            // The client's own messages repeat values, too.
            var option = Keyword().Match(e.Message) is { Success: true } named ? $"option '{named.Groups[1].Value}'" : "one of its options";
            throw Wrong($"cannot be read by StackExchange.Redis (host:port,option=value): {option} is not known, or has an invalid value.");
        }

        if (options.EndPoints.Count == 0) throw Wrong("names no server: write host:port first, several separated by commas.");
        if (options.Proxy != Proxy.None) throw Wrong($"names a proxy ({options.Proxy}), through which neither scripts nor signals can be relied on: name Redis' own servers, without 'proxy'.");
        if (!options.ChannelPrefix.IsNullOrEmpty) throw Wrong("has 'channelPrefix', but the signals that scripts send do not, so none would be received: use Broker:Ledger:Prefix.");
        return options;
    }

    private static InvalidDataException Wrong(string how) => new("Broker:Ledger:ConnectionString " + how);

    // An option's name, not the text behind a comma in a password.
    [GeneratedRegex("^Keyword '([A-Za-z]{2,30})'")]
    private static partial Regex Keyword();
}
