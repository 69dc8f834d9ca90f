using System.Collections.Immutable;

namespace LoadTests.FromOutside.Chaos;

/// <summary>
/// What Kubernetes' Service does: pods are led to the replicas that are ready. One that something happens to is taken out when its
/// readiness probe would have failed twice; what was sent to it meanwhile is kept apart, so that it is not counted as a fault.
/// </summary>
internal sealed class Service(IReadOnlyList<Uri> all, TimeProvider time)
{
    private static readonly TimeSpan Noticed = TimeSpan.FromSeconds(1);

    private readonly Lock gate = new();
    private readonly List<Lameness> lame = [];

    /// <summary>The replicas in service; all of them when none is.</summary>
    public IReadOnlyList<Uri> Serving
    {
        get
        {
            var now = time.GetTimestamp();
            lock (gate)
            {
                var serving = all.Where(replica => !lame.Exists(one => one.Replica == replica && one.Until is null && time.GetElapsedTime(one.From, now) > Noticed)).ToImmutableArray();
                return serving.Length > 0 ? serving : [.. all];
            }
        }
    }

    /// <summary>Something happens to a replica, from now until what is answered is disposed of.</summary>
    public IDisposable Lame(Uri replica)
    {
        var one = new Lameness(replica, time.GetTimestamp());
        lock (gate)
            lame.Add(one);
        return new Ending(() =>
        {
            lock (gate)
                one.Until = time.GetTimestamp();
        });
    }

    /// <summary>Whether something had happened to the replica at any moment of a call.</summary>
    public bool WasLame(Call call)
    {
        lock (gate)
            return lame.Exists(one => one.Replica.Authority == call.Replica.Authority && one.From <= call.Answered && (one.Until ?? long.MaxValue) >= call.Asked);
    }

    private sealed record Lameness(Uri Replica, long From)
    {
        public long? Until { get; set; }
    }
}

/// <summary>Ends something when it is disposed of.</summary>
internal sealed class Ending(Action end) : IDisposable
{
    public void Dispose() => end();
}
