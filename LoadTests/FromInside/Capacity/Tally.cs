namespace LoadTests.FromInside.Capacity;

/// <summary>What is known of a place where work waits: how much it did, how long that waited, and since when a queue grew.</summary>
/// <param name="name">What it is, for people.</param>
/// <param name="agenda">The time.</param>
/// <param name="servers">Pieces of work at once.</param>
internal sealed class Tally(string name, Agenda agenda, int servers)
{
    /// <summary>A queue grows where a station is busy for this many seconds without a pause. A burst's first moment does not count.</summary>
    public const double Growing = 0.25;

    private readonly List<double> waits = [];
    private double full = double.NaN;

    public string Name => name;

    /// <summary>Seconds of work that were done.</summary>
    public double Worked { get; private set; }

    /// <summary>The most that waited at once.</summary>
    public int LongestQueue { get; private set; }

    /// <summary>The start of the first lasting period at its limit; null: there was none.</summary>
    public double? GrowsFrom { get; private set; }

    /// <summary>What part of its time it has worked.</summary>
    public double Utilisation => agenda.Now > 0 ? Worked / (agenda.Now * servers) : 0;

    /// <summary>All waits, in seconds.</summary>
    public IReadOnlyList<double> Waits => waits;

    /// <summary>Takes down how many are at work and how many wait now.</summary>
    public void Stands(int busy, int waiting)
    {
        LongestQueue = Math.Max(LongestQueue, waiting);
        if (busy < servers) full = double.NaN;
        else if (double.IsNaN(full)) full = agenda.Now;
        else if (agenda.Now - full >= Growing) GrowsFrom ??= full;
    }

    /// <summary>Work was done that had waited for so long.</summary>
    public void Did(double seconds, double waited)
    {
        Worked += seconds;
        waits.Add(Math.Max(0, waited));
    }
}
