namespace LoadTests.FromInside.Capacity;

/// <summary>Where work is done, one piece after the other as it comes, by one or more at once: a replica's processors, a master's thread, a database that makes users.</summary>
/// <param name="name">What it is, for people.</param>
/// <param name="agenda">The time.</param>
/// <param name="servers">Pieces of work at once.</param>
/// <param name="wake">Extra seconds of work that finds the station at rest.</param>
/// <param name="beneath">The machine whose processors it shares with others; null: it has its own.</param>
internal sealed class Station(string name, Agenda agenda, int servers, double wake = 0, Machine? beneath = null)
{
    private readonly Queue<(double Seconds, double Came, Action Done)> waiting = new();
    private int busy;

    public Tally Tally { get; } = new(name, agenda, servers);

    /// <summary>Adds work of this many seconds, and what follows it.</summary>
    /// <returns>How many seconds it takes: more where it finds the station at rest.</returns>
    public double Do(double seconds, Action done)
    {
        if (busy == 0) seconds += wake;
        waiting.Enqueue((seconds, agenda.Now, done));
        if (busy < servers)
        {
            busy++;
            Begin();
        }

        Tally.Stands(busy, waiting.Count);
        return seconds;
    }

    private void Begin()
    {
        var work = waiting.Dequeue();
        if (beneath is null)
        {
            agenda.In(work.Seconds, () =>
            {
                End(work);
                if (waiting.Count > 0) Begin();
                else Rest();
            });
            return;
        }

        beneath.Ready(new(thread =>
        {
            End(work);
            if (waiting.Count == 0)
            {
                Rest();
                return false;
            }

            work = waiting.Dequeue();
            thread.Left = work.Seconds;
            return true;
        })
        { Left = work.Seconds });
    }

    // What follows at once from work that is done finds the station awake.
    private void End((double Seconds, double Came, Action Done) work)
    {
        // On shared processors it has waited for one of them too.
        Tally.Did(work.Seconds, agenda.Now - work.Came - work.Seconds);
        work.Done();
    }

    private void Rest()
    {
        busy--;
        Tally.Stands(busy, waiting.Count);
    }
}
