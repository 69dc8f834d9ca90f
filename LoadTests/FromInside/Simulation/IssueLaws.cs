using Broker.Core.Catalog;
using Broker.Core.Ledger;

namespace LoadTests.FromInside.Simulation;

/// <summary>The laws of issuing: one user per pool (L1), no faster than the database's pace, and never faster for a failure (L12).</summary>
internal sealed class IssueLaws(World world, Database database)
{
    // The floor under two issues for one pool after one that failed.
    private const long FloorMs = 1000;

    // Of the sums here, which are no whole numbers.
    private const double RoundingError = 1e-6;

    private readonly string flights = LedgerKeys.Of(World.AddressOf(database))[10]; // the server's

    private readonly Dictionary<string, (long At, string Lease)> lastBegun = new(StringComparer.Ordinal);
    private double spent;
    private long spentAt, spentAtLedgers;
    private long lastFence;

    private long Now => (ActorClock.Start + world.Now).ToUnixTimeMilliseconds(); // true time

    public void Decided(Decision decision, IReadOnlyList<string> arguments, string[] answer, LedgerView before, LedgerView after)
    {
        OnePerPool(after);
        if (decision == Decision.Claim)
        {
            foreach (var order in Decision.Claim.ReadAnswer(answer).Verdicts.OfType<ClaimAnswer.Issue>()) Elected(order.Fence);
        }
        else if (decision == Decision.Succeed && Decision.Succeed.ReadAnswer(answer) is SucceedAnswer.Issue order)
        {
            Elected(order.Fence);
        }
        else if (decision == Decision.Begin && Decision.Begin.ReadAnswer(answer) is BeginAnswer.Go go)
        {
            Begun(after.Leases[Decision.Begin.ReadAsked(arguments).Lease], before, go.Now.ToUnixTimeMilliseconds());
            TookOff();
        }
        else if (decision == Decision.TakeFlight && Decision.TakeFlight.ReadAnswer(answer) == FlightAnswer.Ok)
        {
            TookOff();
        }
    }

    // One that takes holders, and one that is to follow it.
    private void OnePerPool(LedgerView view)
    {
        foreach (var pool in view.Leases.Values.Where(lease => lease.State is "Issuing" or "Active" && lease.Max >= 100).GroupBy(lease => (lease.Pool, lease.State)))
        {
            if (pool.Count() > 1) world.Laws.Break("L1", $"pool {pool.Key.Pool} has {pool.Key.State} leases {string.Join(", ", pool.Select(lease => lease.Id))}");
        }
    }

    private void Elected(long fence)
    {
        if (fence <= lastFence) world.Laws.Break("L1", $"fencing number {fence} came after {lastFence}");
        lastFence = fence;
    }

    private void TookOff()
    {
        var (flying, most) = (world.Ledger.Keys.RankedAt(flights).Count, database.Issuing.InFlight);
        if (flying > most) world.Laws.Break("L12", $"{flying} are in flight at once; it may be {most}");
    }

    private void Begun(LeaseView lease, LedgerView before, long ledgers)
    {
        if (before.Leases[lease.Id].Begun) world.Laws.Break("L1", $"lease {lease.Id} was begun twice");
        var pace = database.Issuing;
        // A bucket of our own: it never holds more than the burst, and drains at the configured pace.
        // Its time is the ledger's (law L9): where that server's clock leaps, so does the pace (docs/failure.md).
        spent = Math.Max(0, spent - Math.Max(Now - spentAt, ledgers - spentAtLedgers) * pace.UsersPerSecond / 1000) + 1;
        (spentAt, spentAtLedgers) = (Now, ledgers);
        // The ledger's server and the model count whole milliseconds, each by its own clock: two moments may be one nearer to each other than they were.
        if (spent > pace.Burst + RoundingError + pace.UsersPerSecond / 1000) world.Laws.Break("L12", $"{spent:0.00} users are begun at once; the burst is {pace.Burst} at {pace.UsersPerSecond} a second");
        if (lastBegun.TryGetValue(lease.Pool, out var last) && lease.Max >= 100
            && before.Leases.GetValueOrDefault(last.Lease)?.State is null or "Unknown" or "Failed" && Now - last.At < FloorMs
            && !world.Laws.Losses.IsUnnoticed(world.Now - TimeSpan.FromMilliseconds(Now - last.At)))
            world.Laws.Break("L12", $"lease {lease.Id} is begun {Now - last.At} ms after {last.Lease}, which came to nothing");
        lastBegun[lease.Pool] = (Now, lease.Id);
    }
}
