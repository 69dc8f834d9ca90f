namespace LoadTests.FromInside.Capacity;

/// <summary>Processors that everything shares. A thread that has one keeps it for as long as it has work, but not beyond its slice while others wait; none has priority.</summary>
internal sealed class Machine(Agenda agenda, int processors)
{
    // A slice of Linux' scheduler is 1.4 ms on two processors, and it looks whether one is over every 4 ms.
    private const double Slice = 0.003;

    private readonly Queue<(MachineThread Thread, double Since)> ready = new();
    private int busy;

    public Tally Tally { get; } = new("the machine", agenda, processors);

    /// <summary>A thread has work, and no processor.</summary>
    public void Ready(MachineThread thread)
    {
        ready.Enqueue((thread, agenda.Now));
        if (busy < processors) Next();
        Tally.Stands(busy, ready.Count);
    }

    private void Next()
    {
        var (thread, since) = ready.Dequeue();
        busy++;
        Go(thread, agenda.Now, agenda.Now - since);
    }

    private void Go(MachineThread thread, double from, double waited)
    {
        // Bounded although nobody waits yet: work that comes meanwhile waits no longer than that.
        var piece = Math.Min(thread.Left, from + Slice - agenda.Now);
        agenda.In(piece, () =>
        {
            Tally.Did(piece, waited);
            thread.Left -= piece;
            var goesOn = thread.Left > 1e-12 || thread.Finish();
            if (goesOn && (ready.Count == 0 || agenda.Now - from < Slice - 1e-12))
            {
                Go(thread, ready.Count == 0 ? agenda.Now : from, 0);
                return;
            }

            busy--;
            if (goesOn) ready.Enqueue((thread, agenda.Now));
            if (ready.Count > 0) Next();
            Tally.Stands(busy, ready.Count);
        });
    }
}

/// <summary>One thread: the work in its hands, and where it gets the next.</summary>
/// <param name="finish">Ends the work in hand and takes the next, which sets <see cref="Left"/>; false: there is none.</param>
internal sealed class MachineThread(Func<MachineThread, bool> finish)
{
    /// <summary>Seconds left of the work in hand.</summary>
    public double Left { get; set; }

    public bool Finish() => finish(this);
}
