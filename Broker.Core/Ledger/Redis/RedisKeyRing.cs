using Broker.Core.Ledger.Sealing;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Broker.Core.Ledger.Redis;

/// <summary>The sealing keys in Redis, which may lose them: a replica that finds none makes some only when no other could have put them back.</summary>
internal sealed class RedisKeyRing : CodedKeyRing
{
    private readonly RedisConnection redis;
    private readonly string name;

    /// <param name="redis">The connection.</param>
    /// <param name="code">The key of the codes; never in Redis.</param>
    /// <param name="log">Names invalid elements.</param>
    /// <param name="time">Measures how long an empty Redis is not believed to be new.</param>
    public RedisKeyRing(RedisConnection redis, byte[] code, ILogger<RedisKeyRing> log, TimeProvider time)
        : base(redis.Prefix + ":sealing-keys in Redis", code, log, DutyLedger.Settling, time)
    {
        this.redis = redis;
        redis.SealingKeys = name = redis.Prefix + ":sealing-keys";
    }

    protected override IEnumerable<string> Read() => Guarded(database => database.ListRange(name, flags: CommandFlags.DemandMaster)).Select(static text => text.ToString());

    protected override void Append(string text) => Guarded(database => database.ListRightPush(name, text));

    private T Guarded<T>(Func<IDatabase, T> call)
    {
        try
        {
            return call(redis.Database);
        }
        catch (Exception e) when (e is RedisException or TimeoutException or ObjectDisposedException)
        {
            throw new LedgerException($"Redis does not return the sealing keys ({name}): {e.Message}", e);
        }
    }
}
