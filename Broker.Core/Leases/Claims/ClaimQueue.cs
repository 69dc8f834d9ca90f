using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Leases.Claims;

/// <summary>Batches the claims on one database on their way to the ledger.</summary>
internal sealed class ClaimQueue
{
    private readonly SharedTrips<Claim, ClaimAnswer> trips;

    public ClaimQueue(SharedLedger ledger, string database, Func<(PaceSettings Pace, int MostInLine)> terms, BrokerMetrics metrics) =>
        trips = new(async claims =>
        {
            var (pace, mostInLine) = terms();
            using var step = Tracing.Start("claims.decide")?.SetTag("broker.claims", claims.Count);
            var answers = await ledger.Claims.ClaimAsync(database, pace, mostInLine, claims, CancellationToken.None);
            metrics.ClaimBatch(database, claims.Count);
            return answers;
        });

    /// <summary>Makes a claim.</summary>
    /// <exception cref="LedgerException">The ledger did not answer; the claim may have been made, and may be repeated.</exception>
    public Task<ClaimAnswer> ClaimAsync(Claim claim) => trips.AskAsync(claim);
}
