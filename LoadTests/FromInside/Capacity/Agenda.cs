namespace LoadTests.FromInside.Capacity;

/// <summary>Virtual time: events in their order. Events of one moment happen in the order in which they were added.</summary>
internal sealed class Agenda
{
    private readonly PriorityQueue<Action, (double At, long Number)> ahead = new();
    private long written;

    /// <summary>Seconds since the start.</summary>
    public double Now { get; private set; }

    /// <summary>Adds an event this many seconds from now.</summary>
    public void In(double seconds, Action what) => ahead.Enqueue(what, (Now + seconds, ++written));

    /// <summary>Runs the events until the end, or until none is left.</summary>
    public void Run(Func<bool> isOver)
    {
        while (!isOver() && ahead.TryDequeue(out var what, out var when))
        {
            Now = when.At;
            what();
        }
    }
}
