using System.Globalization;
using Broker.Core.Ledger;

namespace LoadTests.FromInside.Simulation;

/// <summary>One replica's connection to the ledger: decisions arrive in the order in which they were sent.</summary>
internal sealed class LedgerLink(LedgerServer server, Timeline timeline, Actor replica, Random random) : ILedgerStore
{
    // The client's own timeout, as in Ledger/Redis/RedisConnection.cs.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);
    private TimeSpan lastArrival;
    private int voices;

    /// <summary>Nothing gets through.</summary>
    public bool IsCut { get; set; }

    /// <summary>The same in each run of a seed: a hostile writer chooses among what is written by its name.</summary>
    public string NewVoice() => string.Create(CultureInfo.InvariantCulture, $"{replica.Name}-{++voices}");

    public ValueTask<string[]> DecideAsync(Decision decision, string database, IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        if (IsCut || server.IsDown) return ValueTask.FromException<string[]>(new LedgerException("No connection to the ledger."));
        var arrival = timeline.Now + Latency();
        if (arrival < lastArrival) arrival = lastArrival;
        if (arrival < server.StalledUntil) arrival = server.StalledUntil;
        lastArrival = arrival;
        var fate = new Fate(arrival - timeline.Now, Latency(), random.NextDouble() >= server.LosesRequests, random.NextDouble() >= server.LosesAnswers);
        return new(server.Wire.CallAsync(
            () => server.IsDown ? throw new LedgerException("The ledger went away.") : server.Decide(decision, database, arguments),
            fate,
            Patience,
            static () => new LedgerException("The ledger did not answer in time."),
            cancellation));
    }

    public IDisposable Listen(string database, Action<string> heard) => server.Listen(database, subject =>
    {
        if (IsCut || server.LosesSignals) return;
        timeline.At(server.Self, timeline.Now + Latency(), () => replica.Post(() => heard(subject)));
    });

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private TimeSpan Latency() => TimeSpan.FromMicroseconds(random.Next(20) == 0 ? random.Next(1_000, 50_000) : random.Next(200, 1_500));
}
