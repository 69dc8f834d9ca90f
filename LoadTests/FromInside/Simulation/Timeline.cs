namespace LoadTests.FromInside.Simulation;

/// <summary>
/// The simulation's time and everything that is to happen in it, on one thread. What is ready runs in an order that the seed
/// chooses; time passes only when nothing is ready, to the next alarm.
/// </summary>
internal sealed class Timeline(Random random)
{
    private readonly PriorityQueue<Alarm, (long Due, long Order)> alarms = new();
    private readonly List<(Actor Owner, SendOrPostCallback Work, object? State)> ready = [];
    private readonly int thread = Environment.CurrentManagedThreadId;
    private long order;

    /// <summary>Time since the simulation's start.</summary>
    public TimeSpan Now { get; private set; }

    /// <summary>Work that was posted by another thread: something of the core does not run on the scheduler it was called from.</summary>
    public string? Escaped { get; private set; }

    /// <summary>Pieces of work run so far.</summary>
    public int Ran { get; private set; }

    /// <summary>Makes work ready to run.</summary>
    public void Post(Actor owner, SendOrPostCallback work, object? state)
    {
        if (Environment.CurrentManagedThreadId != thread)
        {
            Escaped ??= $"work was posted by another thread:{Environment.NewLine}{Environment.StackTrace}";
            return;
        }

        if (owner.IsDead) return;
        if (owner.SlowBy > TimeSpan.Zero) At(owner, Now + owner.SlowBy * random.NextDouble(), () => work(state));
        else ready.Add((owner, work, state));
    }

    /// <summary>Has something happen at a time.</summary>
    public Alarm At(Actor owner, TimeSpan due, Action ring)
    {
        var alarm = new Alarm(owner, due < Now ? Now : due, ring);
        // Alarms of one moment ring in an order that the seed chooses.
        alarms.Enqueue(alarm, (alarm.Due.Ticks, ((long)random.Next() << 31) + order++));
        return alarm;
    }

    /// <summary>Runs one piece of work, or lets time pass to the next alarm. False: nothing happens up to that time any more, which is now.</summary>
    public bool Step(TimeSpan until)
    {
        if (ready.Count > 0)
        {
            var at = ready.Count == 1 ? 0 : random.Next(ready.Count);
            var (owner, work, state) = ready[at];
            ready[at] = ready[^1];
            ready.RemoveAt(ready.Count - 1);
            Run(owner, () => work(state));
            return true;
        }

        while (alarms.TryPeek(out var next, out _) && next.Due <= until)
        {
            alarms.Dequeue();
            if (next.IsOff) continue;
            Now = next.Due;
            Run(next.Owner, next.Ring);
            return true;
        }

        Now = until;
        return false;
    }

    private void Run(Actor owner, Action work)
    {
        if (owner.IsDead) return;
        if (owner.IsFrozen)
        {
            owner.Behind.Enqueue(work);
            return;
        }

        Ran++;
        SynchronizationContext.SetSynchronizationContext(owner);
        try
        {
            work();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(null);
        }
    }
}

/// <summary>Something that is to happen at a time.</summary>
internal sealed class Alarm(Actor owner, TimeSpan due, Action ring)
{
    public Actor Owner => owner;

    public TimeSpan Due => due;

    public Action Ring => ring;

    public bool IsOff { get; private set; }

    public void TurnOff() => IsOff = true;
}
