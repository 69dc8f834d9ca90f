namespace LoadTests.FromInside.Capacity;

/// <summary>Virtual time: what is to happen, in its order. What is to happen at one moment happens in the order in which it was written down.</summary>
internal sealed class Agenda
{
    private readonly PriorityQueue<Action, (double At, long Number)> ahead = new();
    private long written;

    /// <summary>Seconds since the start.</summary>
    public double Now { get; private set; }

    /// <summary>Writes down what is to happen so many seconds from now.</summary>
    public void In(double seconds, Action what) => ahead.Enqueue(what, (Now + seconds, ++written));

    /// <summary>Lets things happen until it is over, or nothing is left.</summary>
    public void Run(Func<bool> isOver)
    {
        while (!isOver() && ahead.TryDequeue(out var what, out var when))
        {
            Now = when.At;
            what();
        }
    }
}
