using System.Collections.Concurrent;
using HdrHistogram;

namespace LoadTests.FromOutside.Rollouts;

/// <summary>What has happened so far, counted by all pods at once.</summary>
internal sealed class Tally(TimeProvider time)
{
    private readonly Lock gate = new();
    private readonly LongHistogram credentials = new(TimeSpan.FromMinutes(10).Ticks / TimeSpan.TicksPerMicrosecond, 3);
    private readonly ConcurrentDictionary<string, int> refusals = new();
    private readonly ConcurrentDictionary<string, int> connectionFailures = new();
    private readonly ConcurrentDictionary<string, int> faults = new();
    private readonly ConcurrentDictionary<string, int> gaveUp = new();
    private readonly long start = time.GetTimestamp();
    private int granted, working, left, lost, opened, refused, cameBackInVain, mostReturns;
    private TimeSpan? lastFirstQuery, shortestRetryAfter, longestRetryAfter;

    public int Working => Volatile.Read(ref working);

    public int Left => Volatile.Read(ref left);

    public int Lost => Volatile.Read(ref lost);

    public int Granted => Volatile.Read(ref granted);

    public int ConnectionsOpened => Volatile.Read(ref opened);

    public int ConnectionsRefused => Volatile.Read(ref refused);

    /// <summary>How often a pod that came back when it was told to was refused for the same reason.</summary>
    public int CameBackInVain => Volatile.Read(ref cameBackInVain);

    /// <summary>The most times that one pod had to come back until it was served.</summary>
    public int MostReturns => Volatile.Read(ref mostReturns);

    public IReadOnlyDictionary<string, int> Refusals => refusals;

    /// <summary>Why connections were refused: the database's number and words, with how often.</summary>
    public IReadOnlyDictionary<string, int> ConnectionFailures => connectionFailures;

    /// <summary>Why pods gave up, the most frequent reasons first.</summary>
    public IReadOnlyList<string> GaveUp => [.. gaveUp.OrderByDescending(reason => reason.Value).Select(reason => $"{reason.Value} × {reason.Key}")];

    /// <summary>What must not happen and did.</summary>
    public IReadOnlyList<string> Faults => [.. faults.Select(fault => fault.Value == 1 ? fault.Key : $"{fault.Key} ({fault.Value} times)")];

    public TimeSpan Elapsed => time.GetElapsedTime(start);

    public TimeSpan? LastFirstQuery
    {
        get
        {
            lock (gate)
                return lastFirstQuery;
        }
    }

    /// <summary>The shortest and the longest time a refused pod was told to wait.</summary>
    public (TimeSpan Shortest, TimeSpan Longest)? RetryAfter
    {
        get
        {
            lock (gate)
                return shortestRetryAfter is { } shortest ? (shortest, longestRetryAfter!.Value) : null;
        }
    }

    /// <param name="took">How long the granted request took.</param>
    /// <param name="returns">How often the pod had come back for it.</param>
    public void CountGrant(TimeSpan took, int returns)
    {
        Interlocked.Increment(ref granted);
        lock (gate)
        {
            mostReturns = Math.Max(mostReturns, returns);
            credentials.RecordValue(Math.Max(1, (long)took.TotalMicroseconds));
        }
    }

    public void CountRefusal(Refused refusal, bool again)
    {
        refusals.AddOrUpdate(refusal.Code, 1, (_, count) => count + 1);
        if (again)
            Interlocked.Increment(ref cameBackInVain);
        if (refusal is not { RetryAfter: { } told, Code: not Refused.NoAnswer })
            return;
        lock (gate)
        {
            shortestRetryAfter = shortestRetryAfter is { } shortest && shortest < told ? shortest : told;
            longestRetryAfter = longestRetryAfter is { } longest && longest > told ? longest : told;
        }
    }

    public void CountOpened() => Interlocked.Increment(ref opened);

    public void CountConnectionRefused(string why)
    {
        Interlocked.Increment(ref refused);
        connectionFailures.AddOrUpdate(why, 1, (_, count) => count + 1);
    }

    public void CountAtWork()
    {
        Interlocked.Increment(ref working);
        lock (gate)
            lastFirstQuery = Elapsed;
    }

    public void CountLeft() => Interlocked.Increment(ref left);

    /// <param name="why">What the pod was told last.</param>
    public void CountLost(string why)
    {
        Interlocked.Increment(ref lost);
        gaveUp.AddOrUpdate(why, 1, (_, count) => count + 1);
    }

    public void AddFault(string fault) => faults.AddOrUpdate(fault, 1, (_, count) => count + 1);

    /// <summary>Time of the requests that were granted, at a percentile (0-100); null when there were none.</summary>
    public TimeSpan? CredentialsAt(double percentile)
    {
        lock (gate)
            return credentials.TotalCount == 0 ? null : TimeSpan.FromMicroseconds(credentials.GetValueAtPercentile(percentile));
    }
}
