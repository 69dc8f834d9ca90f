using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;

namespace Broker.Core.Ledger.Redis;

/// <summary>
/// Knows which primaries have replicas to wait for. Checked in the background every ten seconds: nothing waits for the check, and
/// nothing is sent where there is no replica.
/// </summary>
internal sealed class Acknowledgements(RedisConnection redis, ILogger log, IMeterFactory? meters, TimeProvider time, TimeSpan longest) : IAsyncDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<EndPoint, Acknowledged> primaries = new();
    private readonly Lazy<RedisConnection> beside = new(redis.Beside);
    private readonly Counter<long>? missed = meters is null ? null : CounterOf(meters.Create("Broker"));

    /// <summary>The counter of unacknowledged decisions; the same one for every caller.</summary>
    public static Counter<long> CounterOf(Meter meter) =>
        meter.CreateCounter<long>("broker.ledger.unacknowledged", "{decision}", "Costly decisions that no replica of Redis acknowledged in time.");

    /// <summary>The channel on which a decision on a key is acknowledged; null: its primary has no replica, or none that answers in time.</summary>
    public Acknowledged? Of(RedisKey key)
    {
        if (PrimaryOf(key) is not { } primary) return null;
        var acknowledged = primaries.GetOrAdd(primary.EndPoint, at => new(at, beside, log, missed, time, longest));
        if (acknowledged.IsDue(LookEvery)) _ = acknowledged.LookAsync(primary);
        return acknowledged.IsWaitedFor() ? acknowledged : null;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (beside.IsValueCreated) await beside.Value.DisposeAsync();
    }

    private IServer? PrimaryOf(RedisKey key)
    {
        var all = redis.Database.Multiplexer.GetServers();
        var primary = Array.Find(all, server => server is { IsConnected: true, IsReplica: false });
        if (primary?.ServerType != ServerType.Cluster) return primary;
        var at = primary.ClusterConfiguration?.GetBySlot(redis.Database.Multiplexer.HashSlot(key))?.EndPoint;
        return Array.Find(all, server => server.IsConnected && server.EndPoint.Equals(at));
    }
}

/// <summary>
/// A primary's decisions that wait for an acknowledgement. Redis holds up whatever follows a <c>WAIT</c> on its connection, so they have one
/// of their own, and decisions that come meanwhile share the next: decisions and their <c>WAIT</c> are sent together, which costs no round trip
/// (https://redis.io/docs/latest/commands/wait/).
/// </summary>
internal sealed class Acknowledged(EndPoint at, Lazy<RedisConnection> beside, ILogger log, Counter<long>? missed, TimeProvider time, TimeSpan longest)
{
    private static readonly TimeSpan NotAfterMiss = TimeSpan.FromSeconds(10);

    private readonly int milliseconds = (int)longest.TotalMilliseconds;
    private readonly Lock gate = new();
    private readonly TurnOnceIn look = new(time);
    private List<(Func<IDatabase, Action, Task<RedisResult>> Send, TaskCompletionSource<RedisResult> Answer)> waiting = [];
    private bool underWay, isSaid;
    private volatile bool hasReplica;
    private long missedAt;

    /// <summary>Whether there is a replica that answered in time when it was last asked, and a connection to ask it over.</summary>
    public bool IsWaitedFor()
    {
        var missed = Volatile.Read(ref missedAt);
        if (!hasReplica || (missed != 0 && time.GetElapsedTime(missed) < NotAfterMiss)) return false;
        // The decision itself goes over the other connection, which may be there.
        if (beside.Value.IsOpen) return true;
        Note("The connection for acknowledgements is not open.", 1);
        return false;
    }

    /// <summary>Whether it is time to look for replicas; true once.</summary>
    public bool IsDue(TimeSpan every) => look.IsMine(every);

    /// <summary>Looks for replicas.</summary>
    public async Task LookAsync(IServer primary)
    {
        try
        {
            var isThere = await primary.RoleAsync() is Role.Master { Replicas.Count: > 0 };
            if (isThere) _ = beside.Value; // connects now, so that it holds up nobody later
            hasReplica = isThere;
        }
        catch (Exception e) when (e is RedisException or RedisCommandException or TimeoutException or ObjectDisposedException)
        {
            // A replica that cannot ask has nothing to wait for; any other failure is reported by itself.
            hasReplica = false;
        }
    }

    /// <summary>Sends a decision and answers when a replica has it, or the longest wait is over.</summary>
    /// <param name="send">Sends it to a database; calls the action when it had to send it again.</param>
    public Task<RedisResult> RunAsync(Func<IDatabase, Action, Task<RedisResult>> send)
    {
        var answer = new TaskCompletionSource<RedisResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            waiting.Add((send, answer));
            if (underWay) return answer.Task;
            underWay = true;
        }

        _ = SendAllAsync();
        return answer.Task;
    }

    private async Task SendAllAsync()
    {
        while (true)
        {
            List<(Func<IDatabase, Action, Task<RedisResult>> Send, TaskCompletionSource<RedisResult> Answer)> batch;
            lock (gate)
            {
                if (waiting.Count == 0)
                {
                    underWay = false;
                    return;
                }

                (batch, waiting) = (waiting, []);
            }

            try
            {
                await SendAsync(batch);
            }
            catch (Exception e)
            {
                // The waiters must hear of any failure: it is rethrown to each of them.
                foreach (var (_, answer) in batch) answer.TrySetException(e);
            }
        }
    }

    private async Task SendAsync(List<(Func<IDatabase, Action, Task<RedisResult>> Send, TaskCompletionSource<RedisResult> Answer)> batch)
    {
        var database = beside.Value.Database;
        var isSentAgain = false;
        var sent = batch.ConvertAll(one => one.Send(database, () => isSentAgain = true));
        var waits = WaitAsync(database);
        await ((Task)Task.WhenAll(sent)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var whyNot = await waits;
        // A script that Redis did not have yet was sent behind that: once for each script and server.
        if (isSentAgain) whyNot = await WaitAsync(database);
        Note(whyNot, batch.Count);
        foreach (var (one, task) in batch.Zip(sent))
        {
            if (task.IsCompletedSuccessfully) one.Answer.SetResult(await task);
            else one.Answer.SetException(task.Exception?.InnerException ?? new TaskCanceledException(task));
        }
    }

    // Null: acknowledged; else why not. A connection that has followed a failover before the other may not know the former primary at all.
    private async Task<string?> WaitAsync(IDatabase database)
    {
        try
        {
            var acknowledged = (int)await database.Multiplexer.GetServer(at).ExecuteAsync("WAIT", 1, milliseconds);
            return acknowledged > 0 ? null : "Is its replica slow, or gone?";
        }
        catch (Exception e) when (e is RedisException or RedisCommandException or TimeoutException or ObjectDisposedException or ArgumentException)
        {
            return e.Message;
        }
    }

    // Logged once, until it works again.
    private void Note(string? whyNot, int decisions)
    {
        if (whyNot is null)
        {
            Volatile.Write(ref missedAt, 0);
            if (isSaid) log.Acknowledged(at.ToString()!);
            isSaid = false;
            return;
        }

        missed?.Add(decisions);
        Volatile.Write(ref missedAt, time.GetTimestamp());
        if (!isSaid) log.NotAcknowledged(at.ToString()!, milliseconds, whyNot);
        isSaid = true;
    }
}
