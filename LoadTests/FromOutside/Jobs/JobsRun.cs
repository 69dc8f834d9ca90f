using System.Collections.Concurrent;
using System.Data.Common;
using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Jobs;

/// <summary>What came of it.</summary>
/// <param name="Idle">The longest time in which connections were free while a job waited.</param>
/// <param name="Usual">The median time from an end to the next grant, the ends and the grants matched in their order.</param>
internal sealed record JobsResult(
    int Jobs, int Served, int MostOpen, int Refused, TimeSpan Idle, TimeSpan Usual, TimeSpan Took, IReadOnlyDictionary<string, int> Told, IReadOnlyList<string> Faults);

/// <summary>
/// Jobs on a real PostgreSQL: each asks once it is there, opens its connection, works, and goes without a word, as if it were killed: its
/// connection closes, its holder is never released, and no cluster tells the broker either.
/// </summary>
internal sealed class JobsRun
{
    /// <summary>How long connections may be free while a job waits.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly ConcurrentQueue<TimeSpan> granted = [];
    private readonly ConcurrentQueue<TimeSpan> ended = [];
    private readonly ConcurrentDictionary<string, int> told = [];
    private readonly ConcurrentQueue<string> faults = [];
    private readonly Stage stage;
    private readonly BrokerDoor door;
    private readonly TimeSpan lasts;
    private readonly TimeProvider time;
    private readonly long start;
    private readonly TaskCompletionSource over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TimeSpan idle;
    private int open;
    private int mostOpen;
    private int refused;

    private JobsRun(Stage stage, BrokerDoor door, TimeSpan lasts, TimeProvider time) =>
        (this.stage, this.door, this.lasts, this.time, start) = (stage, door, lasts, time, time.GetTimestamp());

    public static async Task<JobsResult> RunAsync(int jobs, TimeSpan lasts, int maxConnections, int ceilingPercent, int replicas, TimeProvider time, CancellationToken cancellation)
    {
        await using var stage = await Stage.SetAsync(
            new()
            {
                MaxConnections = maxConnections,
                Replicas = replicas,
                CeilingPercent = ceilingPercent,
                Connections = 1,
                Configure = (_, configuration) =>
                {
                    var role = configuration["Broker"]!["Roles"]![StageSettings.RoleName]!;
                    (role["ShortLivedPods"], role["HolderTtl"]) = (true, lasts.ToString("c"));
                },
            },
            cancellation);
        using var door = new BrokerDoor(
            [.. stage.Brokers.Select(broker => broker.Address)], stage.Identity, new() { Pods = jobs, Connections = 1, WaitSeconds = 30 });
        var run = new JobsRun(stage, door, lasts, time);
        var watching = run.WatchAsync(jobs, ceilingPercent, cancellation);
        await Task.WhenAll(Enumerable.Range(0, jobs).Select(job => Task.Run(() => run.JobAsync(job, cancellation), cancellation)));
        run.over.SetResult();
        await watching;
        return run.Sum(jobs);
    }

    // What there is room for changes: the brokers have connections of their own to it, more when there is much to do.
    private async Task WatchAsync(int jobs, int ceilingPercent, CancellationToken cancellation)
    {
        var server = stage.Database;
        await using var connection = stage.Engine.Connect(stage.Engine.ConnectionString(server, server.AdminUsername, server.AdminPassword), "loadtests-watch");
        await connection.OpenAsync(cancellation);
        await using var question = connection.CreateCommand();
        question.CommandText = $"""
            SELECT ((current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int) * {ceilingPercent} / 100 - count(*))::int
            FROM pg_stat_activity WHERE backend_type = 'client backend'
            """;
        var since = time.GetTimestamp();
        while (!over.Task.IsCompleted)
        {
            var free = (int)(await question.ExecuteScalarAsync(cancellation))!;
            // The first answers come after a user has been issued.
            if (free <= 0 || granted.Count >= jobs || ended.IsEmpty) since = time.GetTimestamp();
            else if (time.GetElapsedTime(since) is var now && now > idle) idle = now;
            await Task.WhenAny(over.Task, Task.Delay(TimeSpan.FromMilliseconds(250), time, cancellation));
        }
    }

    private async Task JobAsync(int job, CancellationToken cancellation)
    {
        for (var ask = 0; ; ask++)
        {
            switch (await door.AskAsync(job, ask, cancellation))
            {
                case Grant grant:
                    await WorkAsync(job, grant, cancellation);
                    return;
                case Refused { RetryAfter: { } wait } refusal:
                    told.AddOrUpdate(refusal.Code, 1, (_, times) => times + 1);
                    await Task.Delay(wait, time, cancellation);
                    break;
                case Refused refusal:
                    faults.Enqueue($"Job {job} is refused for good: {refusal.Code}: {refusal.Detail}");
                    return;
            }
        }
    }

    private async Task WorkAsync(int job, Grant grant, CancellationToken cancellation)
    {
        granted.Enqueue(time.GetElapsedTime(start));
        var until = Task.Delay(lasts, time, cancellation);
        await using (var connection = stage.Engine.Connect(grant.ConnectionString, NameIn(grant.ConnectionString)))
        {
            try
            {
                await connection.OpenAsync(cancellation);
                InterlockedMax(ref mostOpen, Interlocked.Increment(ref open));
                await until;
                await using var query = connection.CreateCommand();
                query.CommandText = stage.Engine.WhoAmIQuery;
                if (await query.ExecuteScalarAsync(cancellation) is not string user || user != grant.Username) faults.Enqueue($"Job {job} is not the user it was given.");
                Interlocked.Decrement(ref open);
            }
            catch (DbException refusal)
            {
                Interlocked.Increment(ref refused);
                faults.Enqueue($"Job {job}: {stage.Engine.Refusal(refusal) ?? refusal.Message}");
            }
        }

        await until;
        ended.Enqueue(time.GetElapsedTime(start));
    }

    // As the grant names its holder: of sessions without names nobody can tell whether they are of a job that works or of one that ended.
    private static string NameIn(string connectionString) =>
        new DbConnectionStringBuilder { ConnectionString = connectionString }.TryGetValue("Application Name", out var name) ? $"{name}" : Pod.ApplicationName;

    private JobsResult Sum(int jobs)
    {
        TimeSpan[] grants = [.. granted.Order()], ends = [.. ended.Order()];
        // The first find room; each further one takes the place of the next that ends.
        var room = ends.Length == 0 ? 0 : grants.Count(grant => grant < ends[0]);
        TimeSpan[] waits = [.. grants.Skip(room).Zip(ends, (grant, end) => grant - end).Order()];
        if (grants.Length < jobs) faults.Enqueue($"{jobs - grants.Length} jobs were not served.");
        if (idle > Patience) faults.Enqueue($"There was room for {idle.TotalSeconds:0.0} s while jobs waited.");
        return new(jobs, grants.Length, mostOpen, refused, idle, waits.Length == 0 ? TimeSpan.Zero : waits[waits.Length / 2], time.GetElapsedTime(start), told, [.. faults]);
    }

    private static void InterlockedMax(ref int most, int now)
    {
        for (var seen = Volatile.Read(ref most); now > seen && Interlocked.CompareExchange(ref most, now, seen) is var was && was != seen; seen = was)
        {
            // Another was quicker: look again.
        }
    }
}
