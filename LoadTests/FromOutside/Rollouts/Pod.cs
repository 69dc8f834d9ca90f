using System.Data.Common;
using LoadTests.Servers.Engines;

namespace LoadTests.FromOutside.Rollouts;

/// <summary>One simulated pod: gets its login, really opens its connections, works, and leaves.</summary>
internal sealed class Pod
{
    /// <summary>The application name of the pods' connections, by which the watch tells them from others.</summary>
    public const string ApplicationName = "loadtests-pod";

    // A pod that is refused in turn by replica after replica gives up, however short the times it was told.
    private const int MostAsks = 200;

    private readonly int number;
    private readonly IDoor door;
    private readonly RolloutSettings settings;
    private readonly Engine engine;
    private readonly Tally tally;
    private readonly TimeProvider time;
    private readonly TaskCompletionSource firstAnswer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<bool> ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource leave = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private Pod(int number, IDoor door, RolloutSettings settings, Tally tally, TimeProvider time)
    {
        this.number = number;
        this.door = door;
        this.settings = settings;
        engine = settings.Engine;
        this.tally = tally;
        this.time = time;
    }

    /// <summary>Done when it knows for the first time: it works, or it was refused.</summary>
    public Task FirstAnswer => firstAnswer.Task;

    /// <summary>True when it is at work, false when it never will be.</summary>
    public Task<bool> Ready => ready.Task;

    /// <summary>Whether it has got to work; false as long as it is not known.</summary>
    public bool WasReady { get; private set; }

    /// <summary>Done when it has closed its connections and released its holder.</summary>
    public Task Gone { get; private set; } = Task.CompletedTask;

    public static Pod Start(int number, IDoor door, RolloutSettings settings, Tally tally, TimeProvider time, CancellationToken cancellation)
    {
        var pod = new Pod(number, door, settings, tally, time);
        pod.Gone = Task.Run(() => pod.LiveAsync(cancellation), CancellationToken.None);
        return pod;
    }

    /// <summary>Tells it to finish.</summary>
    public void Leave() => leave.TrySetResult();

    private async Task LiveAsync(CancellationToken cancellation)
    {
        try
        {
            if (await GetGrantAsync(cancellation) is not { } grant)
            {
                return;
            }

            var connections = await OpenAsync(grant, cancellation);
            try
            {
                if (connections.Count >= settings.MinConnections)
                {
                    tally.CountAtWork();
                    WasReady = true;
                    ready.TrySetResult(true);
                }
                else
                {
                    tally.CountLost("its connections were refused");
                    ready.TrySetResult(false);
                }

                firstAnswer.TrySetResult();
                grant = await WorkAsync(grant, connections, cancellation);
            }
            finally
            {
                // Closed before the holder is released: what is given back is free.
                await CloseAsync(connections, connections.Count);
            }

            await door.ReleaseAsync(number, grant, cancellation);
            tally.CountLeft();
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // The whole run ends.
        }
        catch (Exception failure)
        {
            tally.AddFault($"A pod failed: {failure.Message}");
        }
        finally
        {
            firstAnswer.TrySetResult();
            ready.TrySetResult(false);
        }
    }

    private async Task<Grant?> GetGrantAsync(CancellationToken cancellation)
    {
        var start = time.GetTimestamp();
        string? toldBefore = null;
        for (var ask = 0; ask < MostAsks; ask++)
        {
            var asked = time.GetTimestamp();
            switch (await door.AskAsync(number, ask, cancellation))
            {
                case Grant grant:
                    tally.CountGrant(time.GetElapsedTime(asked), ask);
                    return grant;
                case Refused refusal:
                    tally.CountRefusal(refusal, again: refusal.Code == toldBefore);
                    firstAnswer.TrySetResult();
                    toldBefore = refusal.Code;
                    if (!settings.Retry || (leave.Task.IsCompleted && settings.IsRollingUpdate)
                        || refusal.RetryAfter is not { } wait || time.GetElapsedTime(start) + wait > settings.Deadline)
                    {
                        tally.CountLost($"{refusal.Code}, to come back {(refusal.RetryAfter is { } after ? $"after {after.TotalSeconds:0.#} s" : "never")}: {refusal.Detail}");
                        return null;
                    }

                    await Task.Delay(wait, time, cancellation);
                    break;
            }
        }

        tally.CountLost($"refused {MostAsks} times, last {toldBefore}");
        return null;
    }

    /// <summary>Opens all connections at once, as a pool that is warmed, and runs a query through each.</summary>
    private async Task<List<DbConnection>> OpenAsync(Grant grant, CancellationToken cancellation)
    {
        var opened = await Task.WhenAll(Enumerable.Range(0, grant.Connections).Select(_ => TryOpenAsync(grant, cancellation)));
        return [.. opened.OfType<DbConnection>()];
    }

    private async Task<DbConnection?> TryOpenAsync(Grant grant, CancellationToken cancellation)
    {
        var connection = engine.Connect(grant.ConnectionString, ApplicationName);
        try
        {
            await connection.OpenAsync(cancellation);
            await using var query = connection.CreateCommand();
            query.CommandText = engine.WhoAmIQuery;
            if (await query.ExecuteScalarAsync(cancellation) is not string user || user != grant.Username)
                tally.AddFault("A pod is not the user it was given.");
            tally.CountOpened();
            return connection;
        }
        catch (DbException refused)
        {
            await connection.DisposeAsync();
            tally.CountConnectionRefused(engine.Refusal(refused) ?? refused.InnerException?.Message ?? refused.Message);
            return null;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Works until told to leave; renews when it is time, and follows a changed grant.</summary>
    private async Task<Grant> WorkAsync(Grant grant, List<DbConnection> connections, CancellationToken cancellation)
    {
        while (!leave.Task.IsCompleted)
        {
            using var stopTimer = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            var renew = Task.Delay(grant.RenewAfter ?? Timeout.InfiniteTimeSpan, time, stopTimer.Token);
            var first = await Task.WhenAny(renew, leave.Task);
            cancellation.ThrowIfCancellationRequested();
            await stopTimer.CancelAsync();
            if (first == leave.Task)
                break;
            switch (await door.RenewAsync(number, grant, cancellation))
            {
                case Grant renewed when renewed.Username != grant.Username:
                    await CloseAsync(connections, connections.Count);
                    grant = renewed;
                    connections.AddRange(await OpenAsync(grant, cancellation));
                    break;
                case Grant renewed:
                    await CloseAsync(connections, connections.Count - renewed.Connections);
                    grant = renewed;
                    break;
                case Refused { RetryAfter: { } wait } refusal:
                    tally.CountRefusal(refusal, again: false);
                    grant = grant with { RenewAfter = wait };
                    break;
                case Refused refusal:
                    tally.AddFault($"A pod could not renew: {refusal.Code}: {refusal.Detail}");
                    return grant;
            }
        }

        return grant;
    }

    private static async Task CloseAsync(List<DbConnection> connections, int count)
    {
        for (; count > 0; count--)
        {
            await connections[^1].DisposeAsync();
            connections.RemoveAt(connections.Count - 1);
        }
    }
}
