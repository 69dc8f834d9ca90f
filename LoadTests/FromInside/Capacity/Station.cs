namespace LoadTests.FromInside.Capacity;

/// <summary>Where work is done, one piece after the other as it comes, by one or more at once: a replica's processors, a master's thread, a database that makes users.</summary>
/// <param name="name">What it is, for people.</param>
/// <param name="agenda">The time.</param>
/// <param name="servers">Pieces of work at once.</param>
/// <param name="wake">Seconds that work takes more that finds it at rest.</param>
/// <param name="beneath">The machine whose processors it shares with others; null: it has its own.</param>
internal sealed class Station(string name, Agenda agenda, int servers, double wake = 0, Station? beneath = null)
{
    /// <summary>Busy for so many seconds without a pause, a queue grows there. A burst's first moment is none.</summary>
    public const double Growing = 0.25;

    private const double Slice = 0.001; // shared processors are given for about so long at a time

    private readonly Queue<(double Service, double Came, Action Done)> waiting = new();
    private readonly List<double> waits = [];
    private int busy;
    private double full = double.NaN, restsFrom = -1;

    public string Name => name;

    /// <summary>Seconds of work that it has done.</summary>
    public double Worked { get; private set; }

    /// <summary>The most that waited at once.</summary>
    public int LongestQueue { get; private set; }

    /// <summary>Since when it was at its limit, at the first time that this lasted; null: it never was.</summary>
    public double? GrowsFrom { get; private set; }

    /// <summary>What part of its time it has worked.</summary>
    public double Utilisation => agenda.Now > 0 ? Worked / (agenda.Now * servers) : 0;

    /// <summary>How many seconds so many of a hundred waited at most.</summary>
    public double WaitAt(double percent) => Percentile.Of(waits, percent);

    /// <summary>All waits, in seconds.</summary>
    public IReadOnlyList<double> Waits => waits;

    /// <summary>Brings work of so many seconds; what follows when it is done.</summary>
    /// <returns>How many seconds it takes: more where it finds the station at rest.</returns>
    public double Do(double seconds, Action done)
    {
        // What follows at once from work that is done finds it awake.
        if (busy == 0 && restsFrom < agenda.Now) seconds += wake;
        waiting.Enqueue((seconds, agenda.Now, done));
        if (busy < servers) Begin();
        else LongestQueue = Math.Max(LongestQueue, waiting.Count);
        return seconds;
    }

    private void Begin()
    {
        var (seconds, came, done) = waiting.Dequeue();
        if (++busy == servers && double.IsNaN(full)) full = agenda.Now;
        if (beneath is null) agenda.In(seconds, End);
        else Share(seconds);

        void Share(double left) => beneath.Do(Math.Min(left, Slice), left > Slice ? () => Share(left - Slice) : End);

        void End()
        {
            Worked += seconds;
            // On shared processors it has waited for one of them too.
            waits.Add(Math.Max(0, agenda.Now - came - seconds));
            if (agenda.Now - full >= Growing) GrowsFrom ??= full;
            if (--busy == 0) restsFrom = agenda.Now;
            if (waiting.Count > 0) Begin();
            else full = double.NaN;
            done();
        }
    }
}
