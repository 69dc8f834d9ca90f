using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;

namespace Broker.Core.Ledger.Redis;

/// <summary>
/// The ledger of several replicas: Redis 6 or newer, standalone, replicated or Cluster. Every decision is one script call
/// (<c>EVALSHA</c>; a lost script cache heals by itself). docs/redis.md lists the rights that its user needs.
/// </summary>
/// <param name="redis">The connection.</param>
/// <param name="log">Logs that no replica of Redis acknowledges.</param>
/// <param name="meters">Counts that.</param>
/// <param name="time">Measures the pause after a replica that did not answer.</param>
/// <param name="acknowledgedWithin">The longest that a costly decision waits for a replica of Redis; whole milliseconds, default 100.</param>
public sealed class RedisLedgerStore(
    RedisConnection redis, ILogger<RedisLedgerStore>? log = null, IMeterFactory? meters = null, TimeProvider? time = null, TimeSpan? acknowledgedWithin = null) : ILedgerStore
{
    private readonly Acknowledgements acknowledgements = new(
        redis, log ?? NullLogger<RedisLedgerStore>.Instance, meters, time ?? TimeProvider.System, acknowledgedWithin ?? TimeSpan.FromMilliseconds(100));

    private readonly RedisAbilities abilities = new(redis, time ?? TimeProvider.System);
    private readonly RedisServers servers = new(redis);
    private readonly ConcurrentDictionary<Decision, byte[]> hashes = new();
    private readonly ConcurrentDictionary<string, (RedisKey[] Keys, RedisValue Channel)> names = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public async ValueTask<string[]> DecideAsync(
        Decision decision, string database, IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        var (keys, channel) = names.GetOrAdd(
            database, name => (Array.ConvertAll(LedgerKeys.Of(name, redis.Prefix), key => (RedisKey)key), LedgerKeys.Channel(name, redis.Prefix)));
        var values = new RedisValue[arguments.Count + 1];
        values[0] = channel;
        for (var i = 0; i < arguments.Count; i++) values[i + 1] = arguments[i];
        try
        {
            if (!abilities.IsAllowed(database) && await abilities.WhyNotAsync(database).AsTask().WaitAsync(cancellation) is { } whyNot)
                throw new ForbiddenDecisionException($"The decision '{decision}' was not taken: {whyNot}");
            var answer = await (decision.IsCostly && acknowledgements.Of(keys[0]) is { } acknowledged
                ? acknowledged.RunAsync((database, sentAgain) => EvaluateAsync(database, decision, keys, values, sentAgain))
                : EvaluateAsync(redis.Database, decision, keys, values)).WaitAsync(cancellation);
            return ((string?[]?)answer ?? []) as string[] ?? [];
        }
        catch (RedisServerException e) when (e.Message.Contains(BrokenBooksException.Sign, StringComparison.Ordinal))
        {
            throw new BrokenBooksException($"The decision '{decision}' was not taken: {e.Message}", e);
        }
        catch (RedisServerException e) when (Refused.IsIn(e.Message) || Refused.IsReadOnlyIn(e.Message))
        {
            abilities.Doubt();
            throw new ForbiddenDecisionException($"Redis did not take the decision '{decision}': {e.Message}", e);
        }
        catch (Exception e) when (e is RedisException or TimeoutException or ObjectDisposedException)
        {
            throw new LedgerException($"Redis did not take the decision '{decision}': {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<(string? WhyNot, string? Note)> LookAsync(IReadOnlyList<string> databases, CancellationToken cancellation)
    {
        try
        {
            var (whyNot, note) = await servers.LookAsync().WaitAsync(cancellation);
            return (whyNot ?? await abilities.WhyNotAsync(databases.Union(abilities.Tried, StringComparer.Ordinal)).AsTask().WaitAsync(cancellation), note);
        }
        catch (RedisConnectionException e) when (abilities.WhyNotConnected(e) is { } whyNot)
        {
            return (whyNot, null);
        }
        catch (Exception e) when (e is RedisException or TimeoutException or ObjectDisposedException)
        {
            throw new LedgerException($"Redis did not report what the broker may do there: {e.Message}", e);
        }
    }

    /// <inheritdoc/>
    public IDisposable Listen(string database, Action<string> heard)
    {
        var channel = RedisChannel.Literal(LedgerKeys.Channel(database, redis.Prefix));
        void OnMessage(RedisChannel from, RedisValue subject) => heard(subject.ToString());
        return redis.Subscribe(channel, OnMessage);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await acknowledgements.DisposeAsync();
        await redis.DisposeAsync();
    }

    // From the primary alone: a replica would answer read-only scripts, with the data it has heard of. By the script's hash: given its text,
    // the client would hash twenty thousand characters at every call to look it up.
    private async Task<RedisResult> EvaluateAsync(IDatabase database, Decision decision, RedisKey[] keys, RedisValue[] values, Action? sentAgain = null)
    {
        var hash = hashes.GetOrAdd(decision, static decision => RedisScripts.HashOf(decision.Script));
        try
        {
            return await database.ScriptEvaluateAsync(hash, keys, values, CommandFlags.DemandMaster);
        }
        catch (RedisServerException e) when (e.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal))
        {
            sentAgain?.Invoke();
            return await database.ScriptEvaluateAsync(decision.Script, keys, values, CommandFlags.DemandMaster);
        }
    }
}
