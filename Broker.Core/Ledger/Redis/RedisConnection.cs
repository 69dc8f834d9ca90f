using StackExchange.Redis;

namespace Broker.Core.Ledger.Redis;

/// <summary>How the broker connects to Redis.</summary>
public static class RedisConnection
{
    /// <summary>
    /// Connects without waiting for Redis to be there: decisions fail at once while it is away (a caller is told to come back,
    /// nothing piles up), and work again when it is back.
    /// </summary>
    /// <param name="connectionString">In StackExchange.Redis' format; a password in it stays in memory only.</param>
    public static IConnectionMultiplexer Open(string connectionString)
    {
        var options = ConfigurationOptions.Parse(connectionString);
        options.AbortOnConnectFail = false;
        options.BacklogPolicy = BacklogPolicy.FailFast;
        options.ConnectTimeout = Math.Min(options.ConnectTimeout, 3000);
        options.AsyncTimeout = Math.Min(options.AsyncTimeout, 3000);
        options.SyncTimeout = Math.Min(options.SyncTimeout, 3000);
        options.ReconnectRetryPolicy = new LinearRetry(500);
        options.ClientName ??= "broker";
        return ConnectionMultiplexer.Connect(options);
    }
}
