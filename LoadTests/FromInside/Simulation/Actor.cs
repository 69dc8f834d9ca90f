namespace LoadTests.FromInside.Simulation;

/// <summary>
/// A process of the simulation: whatever it awaits comes back to it through here. One that is frozen does nothing until it
/// thaws and then goes on with what it believed; one that is dead does nothing ever again.
/// </summary>
internal sealed class Actor(Timeline timeline, string name) : SynchronizationContext
{
    public string Name => name;

    public bool IsFrozen { get; private set; }

    public bool IsDead { get; private set; }

    /// <summary>How late its work runs at most; zero: at once.</summary>
    public TimeSpan SlowBy { get; set; }

    /// <summary>What came while it was frozen.</summary>
    public Queue<Action> Behind { get; } = new();

    public override void Post(SendOrPostCallback d, object? state) => timeline.Post(this, d, state);

    public override void Send(SendOrPostCallback d, object? state) => throw new NotSupportedException("Nothing blocks in the simulation.");

    public override SynchronizationContext CreateCopy() => this;

    public void Post(Action work) => timeline.Post(this, static work => ((Action)work!)(), work);

    public void Freeze() => IsFrozen = true;

    public void Thaw()
    {
        IsFrozen = false;
        while (Behind.TryDequeue(out var work)) Post(work);
    }

    public void Die()
    {
        IsDead = true;
        Behind.Clear();
    }
}
