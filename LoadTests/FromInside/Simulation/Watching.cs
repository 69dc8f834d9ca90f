using Broker.Core.Leases;

namespace LoadTests.FromInside.Simulation;

/// <summary>A pod's end of a watch: what its replica says arrives in order, and a little later.</summary>
internal sealed class Watching(World world, Random random)
{
    private readonly Queue<(Grant Grant, TimeSpan Asked, Replica By)> heard = new();
    private TimeSpan last;

    /// <summary>The line is closed, by either end.</summary>
    public bool IsOver { get; private set; }

    /// <summary>Closes the replica's end.</summary>
    public Action Hang { get; set; } = static () => { };

    /// <summary>The replica says something.</summary>
    /// <param name="grant">What.</param>
    /// <param name="asked">It asked the ledger for it no sooner than then.</param>
    /// <param name="by">The replica.</param>
    public void Say(Grant grant, TimeSpan asked, Replica by) => Arrive(() => heard.Enqueue((grant, asked, by)));

    /// <summary>The replica closes the line, or is gone.</summary>
    public void End() => Arrive(() => IsOver = true);

    /// <summary>The pod closes it, and hears no more.</summary>
    public void Stop()
    {
        if (!IsOver) Hang();
        IsOver = true;
        heard.Clear();
    }

    /// <summary>The next that arrived.</summary>
    public bool TryHear(out (Grant Grant, TimeSpan Asked, Replica By) next) => heard.TryDequeue(out next);

    private void Arrive(Action what)
    {
        var at = world.Now + TimeSpan.FromMicroseconds(random.Next(100, 3_000));
        last = at > last ? at : last + TimeSpan.FromTicks(1);
        world.At(last, () =>
        {
            if (!IsOver) what();
        });
    }
}
