using System.Collections.Concurrent;
using StackExchange.Redis;

namespace Broker.Core.Ledger.Redis;

/// <summary>
/// What Redis lets the broker's user do. A script that is refused half way leaves its first half behind, so everything that scripts do is
/// tried on a database's keys before its first decision, and again after Redis has refused something or another server may answer.
/// </summary>
internal sealed class RedisAbilities
{
    private static readonly string Script = Decision.Read("abilities.lua");
    private static readonly byte[] Hash = RedisScripts.HashOf(Script);
    private static readonly string RingScript = Decision.Read("ring_abilities.lua");
    private static readonly TimeSpan Again = TimeSpan.FromSeconds(1);

    // By the location of a database's records; the results for subscribing and the sealing keys have no such names.
    private const string Signals = "", SealingKeys = "*";
    private readonly ConcurrentDictionary<string, Trial> trials = new(StringComparer.Ordinal);
    private readonly RedisConnection redis;
    private readonly TimeProvider time;

    public RedisAbilities(RedisConnection redis, TimeProvider time)
    {
        (this.redis, this.time) = (redis, time);
        redis.Changed += Doubt;
    }

    /// <summary>The locations of all records that were asked for.</summary>
    public IEnumerable<string> Tried => trials.Keys.Where(static address => address is not (Signals or SealingKeys));

    /// <summary>Why no decision may be taken there, in words; null: all of it is allowed.</summary>
    /// <exception cref="RedisException">Redis does not answer.</exception>
    public async ValueTask<string?> WhyNotAsync(string address)
    {
        // Scripts survive refused signals: a decision stands, and is not undone because nobody could be told.
        return Describe((await TryAsync(address)).Where(static refused => refused.Command != "PUBLISH"));
    }

    /// <summary>The same for several, for subscribing, and for the sealing keys if they are in Redis.</summary>
    public async ValueTask<string?> WhyNotAsync(IEnumerable<string> addresses)
    {
        List<Refused> refused = [];
        foreach (var address in addresses.Append(Signals).Concat(redis.SealingKeys is null ? [] : [SealingKeys])) refused.AddRange(await TryAsync(address));
        return Describe(refused);
    }

    /// <summary>Whether it was tried and nothing was refused.</summary>
    public bool IsAllowed(string address) => trials.TryGetValue(address, out var trial) && trial.IsPassed;

    /// <summary>The results no longer hold: everything is tried again.</summary>
    public void Doubt()
    {
        foreach (var (address, trial) in trials) trials.TryUpdate(address, new(), trial);
    }

    /// <summary>In words, the right that Redis refused when the client connected; null: none, or Redis did not name it.</summary>
    public string? WhyNotConnected(Exception failure) => Refused.WhileConnecting(failure.Message) is { } refused ? Describe([refused]) : null;

    private string? Describe(IEnumerable<Refused> refused) => Refused.Describe(refused, redis.User, redis.Prefix);

    private async ValueTask<IReadOnlyList<Refused>> TryAsync(string address)
    {
        var trial = trials.GetOrAdd(address, static _ => new());
        if (trial.Refused is { } known && (known.Count == 0 || time.GetElapsedTime(trial.At) < Again)) return known;
        var refused = await (address == Signals ? TrySignalsAsync() : address == SealingKeys ? TryRingAsync(redis.SealingKeys!) : TryKeysAsync(address));
        if (refused is null) return [];
        // A try that began before a doubt says nothing after it.
        trials.TryUpdate(address, new(refused, time.GetTimestamp()), trial);
        return refused;
    }

    private async Task<IReadOnlyList<Refused>?> TryKeysAsync(string address)
    {
        var keys = LedgerKeys.Of(address, redis.Prefix);
        RedisKey[] first = [keys[0]];
        RedisValue[] words = [LedgerKeys.Channel(address, redis.Prefix), redis.Database.Database, .. keys.Skip(1).Select(static key => (RedisValue)key)];
        var (tried, command) = (Array.Empty<string>(), "EVAL");
        try
        {
            // Without Redis' script cache, as after a restart of it; then with it.
            tried = ((string?[]?)await redis.Database.ScriptEvaluateAsync(Script, first, words, CommandFlags.DemandMaster | CommandFlags.NoScriptCache) ?? []) as string[] ?? [];
            command = "EVALSHA";
            await redis.Database.ScriptEvaluateAsync(Hash, first, [], CommandFlags.DemandMaster);
        }
        catch (RedisServerException e) when (e.Message.StartsWith("NOSCRIPT", StringComparison.Ordinal))
        {
            // The script cache was emptied just now: it may be used.
        }
        catch (RedisServerException e) when (Refused.IsIn(e.Message))
        {
            tried = [.. tried, command, keys[0], e.Message];
        }

        return Of(tried);
    }

    // Keys are made only after months: a missing right would be noticed only then.
    private async Task<IReadOnlyList<Refused>?> TryRingAsync(string list)
    {
        try
        {
            return Of((string?[]?)await redis.Database.ScriptEvaluateAsync(RingScript, [(RedisKey)list], [], CommandFlags.DemandMaster | CommandFlags.NoScriptCache));
        }
        catch (RedisServerException e) when (Refused.IsIn(e.Message))
        {
            return [new("EVAL", list, e.Message)];
        }
    }

    private static IReadOnlyList<Refused> Of(string?[]? tried) =>
        [.. (tried ?? []).Chunk(3).Select(static words => new Refused(words[0]!, words[1]!, words[2]!)).Where(static refused => Refused.IsIn(refused.Words))];

    // Null: the connection for signals, which is another one, is missing. A subscriber that hears nothing notices by itself.
    private async Task<IReadOnlyList<Refused>?> TrySignalsAsync()
    {
        var subscriber = redis.Database.Multiplexer.GetSubscriber();
        var channel = RedisChannel.Literal(LedgerKeys.Channel("~abilities", redis.Prefix));
        var command = "SUBSCRIBE";
        try
        {
            await subscriber.SubscribeAsync(channel, static (_, _) => { });
            command = "UNSUBSCRIBE";
            await subscriber.UnsubscribeAsync(channel);
            return [];
        }
        catch (RedisServerException e) when (Refused.IsIn(e.Message))
        {
            return [new(command, channel.ToString(), e.Message)];
        }
        catch (RedisConnectionException)
        {
            return null;
        }
    }

    // Refused is null: not tried yet.
    private sealed class Trial(IReadOnlyList<Refused>? refused = null, long at = 0)
    {
        public IReadOnlyList<Refused>? Refused => refused;

        public long At => at;

        public bool IsPassed => refused is { Count: 0 };
    }
}
