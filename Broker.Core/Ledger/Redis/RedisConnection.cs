using Broker.Core.Catalog;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using StackExchange.Redis;

namespace Broker.Core.Ledger.Redis;

/// <summary>
/// The broker's connection to Redis: standalone, replicated behind Sentinel, or Cluster. It does not wait for Redis:
/// decisions fail at once while Redis is away (callers are told to try again, nothing piles up), and work again when it is back.
/// </summary>
public sealed class RedisConnection : IAsyncDisposable
{
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(500);

    private readonly ConfigurationOptions options;
    private readonly CancellationTokenSource life = new();
    private readonly Lock gate = new();
    private readonly List<(RedisChannel Channel, Action<RedisChannel, RedisValue> Heard)> subscriptions = [];
    private readonly Task connecting;
    private volatile ConnectionMultiplexer? connected;
    private volatile string why = "not connected yet";
    private int hasEnded;

    private RedisConnection(ConfigurationOptions options, string prefix)
    {
        (this.options, Prefix) = (options, prefix);
        connecting = TryConnect() ? Task.CompletedTask : ConnectAsync();
    }

    /// <summary>The prefix of all keys and channels.</summary>
    public string Prefix { get; }

    /// <summary>The list of the sealing keys; null: they are not in Redis.</summary>
    internal string? SealingKeys { get; set; }

    /// <summary>The server may now be another one, which has users of its own: a connection has come back, or the servers' roles have changed.</summary>
    internal event Action? Changed;

    /// <summary>The broker's user in Redis.</summary>
    internal string User => options.User ?? "default";

    /// <summary>Sends commands.</summary>
    /// <exception cref="LedgerException">It was never reached.</exception>
    public IDatabase Database => connected?.GetDatabase() ?? throw new LedgerException($"Redis has not been reached yet: {why}");

    /// <summary>Whether it was reached, and any server of it is connected now.</summary>
    internal bool IsOpen => connected is { IsConnected: true };

    /// <summary>Another connection to the same, for commands that hold up those behind them.</summary>
    internal RedisConnection Beside() => new(options.Clone(), Prefix);

    /// <summary>Connects as configured.</summary>
    public static RedisConnection Open(LedgerSettings settings, ILogger<RedisConnection>? log = null) =>
        new(RedisOptions.Of(settings, log ?? NullLogger<RedisConnection>.Instance), settings.Prefix);

    /// <summary>Connects by a connection string alone.</summary>
    /// <param name="connectionString">In StackExchange.Redis' format; a password in it stays in memory only.</param>
    public static RedisConnection Open(string connectionString) => Open(new LedgerSettings { Kind = LedgerKind.Redis, ConnectionString = new(connectionString) });

    /// <summary>Hears a channel, as soon as Redis is there. Dispose it to stop.</summary>
    public IDisposable Subscribe(RedisChannel channel, Action<RedisChannel, RedisValue> heard)
    {
        lock (gate)
        {
            subscriptions.Add((channel, heard));
            connected?.GetSubscriber().Subscribe(channel, heard, CommandFlags.FireAndForget);
        }

        return new Listening(() =>
        {
            lock (gate)
            {
                subscriptions.Remove((channel, heard));
                connected?.GetSubscriber().Unsubscribe(channel, heard, CommandFlags.FireAndForget);
            }
        });
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        // The ledger that uses it ends it, and so does the code that made both.
        if (Interlocked.Exchange(ref hasEnded, 1) != 0) return;
        await life.CancelAsync();
        await connecting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (connected is { } open) await open.DisposeAsync();
        life.Dispose();
    }

    // The client itself waits for a server that is away; a Sentinel has to have named the primary once.
    private async Task ConnectAsync()
    {
        await Task.Yield();
        do await Task.Delay(Again, TimeProvider.System, life.Token);
        while (!TryConnect());
    }

    // Any cause that keeps it from connecting (an invalid name, an unusable certificate) may be mended while it tries again.
    private bool TryConnect()
    {
        try
        {
            var open = ConnectionMultiplexer.Connect(options);
            open.ConnectionRestored += (_, _) => Changed?.Invoke();
            open.ConfigurationChanged += (_, _) => Changed?.Invoke();
            lock (gate)
            {
                connected = open;
                foreach (var (channel, heard) in subscriptions) open.GetSubscriber().Subscribe(channel, heard, CommandFlags.FireAndForget);
            }

            return true;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            why = e.Message;
            return false;
        }
    }
}
