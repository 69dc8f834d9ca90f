using Broker.Core.Catalog;

namespace Broker.Core.Ledger;

/// <summary>The slots for concurrent calls that change a database's users (law L12).</summary>
public sealed class FlightLedger(LedgerClient client)
{
    /// <summary>Takes one of the database's places. False: all are taken.</summary>
    public async ValueTask<bool> TakeFlightAsync(string database, string name, PaceSettings pace, TimeSpan atMost, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.TakeFlight, database, new(name, pace.InFlight, atMost), cancellation) == FlightAnswer.Ok;

    /// <summary>Gives the place back.</summary>
    public async ValueTask LandAsync(string database, string name, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.Land, database, new(name), cancellation);
}

/// <summary>A call that needs a place.</summary>
internal sealed record TakeFlightQuestion(string Name, int Most, TimeSpan TakenFor);

/// <summary>Whether there is one.</summary>
internal enum FlightAnswer
{
    /// <summary>It is the call's.</summary>
    Ok,

    /// <summary>All are taken.</summary>
    Busy,
}

/// <summary>A call that is over.</summary>
internal sealed record LandQuestion(string Name);
