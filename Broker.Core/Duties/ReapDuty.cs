using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Duties;

/// <summary>
/// The duty <c>reap:LEASE</c>: makes sure that no user is forgotten after a crash or a lost answer (law L5). It ends an attempt that nobody
/// continues, looks for what the attempt may have left, and removes the record of a lease that has been over for a while.
/// </summary>
internal sealed class ReapDuty(DutyTools tools, WaitingSettings waiting, ILogger<ReapDuty> log) : LeaseDuty(tools)
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(30);

    // The tolerated difference between the issuer's clock and the ledger's.
    private static readonly TimeSpan ClocksApart = TimeSpan.FromMinutes(1);

    public override string Kind => DutyKinds.Reap;

    protected override async Task<TimeSpan?> LookAsync(LeaseCall call, CancellationToken cancellation)
    {
        switch (call.Lease.State)
        {
            case LeaseState.Issuing:
                // If the issuer may have been asked, a user may exist.
                var to = call.Lease.Begun ? LeaseState.Unknown : LeaseState.Failed;
                return await MoveAsync(call.Lease, to, "nobody is issuing it any more", MoveHow.IfAbandoned, cancellation) && to == LeaseState.Unknown
                    ? TimeSpan.Zero
                    : Jitter.Spread(Soon);
            case LeaseState.Unknown:
                return await FindAsync(call, cancellation);
            default:
                return null;
        }
    }

    private async Task<TimeSpan?> FindAsync(LeaseCall call, CancellationToken cancellation)
    {
        var lease = call.Lease;
        if (lease.IssuerId.Length > 0 || lease.Username.Length > 0)
        {
            await MoveAsync(lease, LeaseState.Revoking, lease.Reason, MoveHow.Plainly, cancellation);
            return null;
        }

        // The issuer chose the name and its answer was lost. What it made is among its leases, if we may list them and if
        // nobody else has leases there.
        var asked = lease.CreatedAt + waiting.IssueDeadline + ClocksApart;
        if (lease.ReadAt < asked) return asked - lease.ReadAt;
        if (call.Role.VaultPathExclusive && await RevokeLostAsync(call, asked, cancellation) is { } found)
        {
            var why = found == 0 ? "the issuer has no lease from then: nothing was made" : $"found among the issuer's leases and revoked ({found})";
            await MoveAsync(lease, LeaseState.Revoking, why, MoveHow.Plainly, cancellation);
            await MoveAsync(lease, LeaseState.Revoked, why, MoveHow.Plainly, cancellation);
            return null;
        }

        // Its user cannot be told from others. It lives only as long as the issuer allows; until then the lease is shown as Unknown.
        if (lease.ReadAt - lease.CreatedAt < call.Role.LeaseMaxTtl) return Jitter.Spread(LookAgain);
        await MoveAsync(lease, LeaseState.Revoking, "its maximum lifetime is over", MoveHow.Plainly, cancellation);
        await MoveAsync(lease, LeaseState.Revoked, "its maximum lifetime is over", MoveHow.Plainly, cancellation);
        return null;
    }

    // Leases that the issuer made at the time of the attempt and that the ledger does not know: these are what was lost, as long
    // as no other answer is outstanding. Null when we may not list, or one is outstanding.
    private async Task<int?> RevokeLostAsync(LeaseCall call, DateTimeOffset until, CancellationToken cancellation)
    {
        var from = call.Lease.CreatedAt - ClocksApart;
        IReadOnlyList<string> listed;
        try
        {
            listed = await WithinDeadlineAsync(token => call.Issuer.ListAsync(call.Role, call.Database, token), cancellation);
        }
        catch (IssuerException e) when (e.Failure == IssuerFailure.Refused)
        {
            log.CannotList(call.Lease.Id, call.Role.Name, e.Message);
            return null;
        }

        // In this order, so that a lease issued after the listing is not mistaken for a lost one.
        var leases = await Ledger.Leases.AllAsync(call.Database.Name, cancellation);
        if (leases.Any(lease => lease.Role == call.Role.Name && lease is { State: LeaseState.Issuing, Begun: true })) return null;
        var known = leases.Select(lease => lease.IssuerId).ToHashSet(StringComparer.Ordinal);
        var found = 0;
        foreach (var id in listed.Where(id => !known.Contains(id)))
        {
            var lost = new IssuerLease(call.Role, call.Database, id);
            var term = await WithinDeadlineAsync(token => call.Issuer.LookUpAsync(lost, call.Lease.ReadAt, token), cancellation);
            if (term?.IssuedAt is not { } issued || issued < from || issued > until) continue;
            await WithinDeadlineAsync(
                async token =>
                {
                    await call.Issuer.RevokeAsync(lost, token);
                    return true;
                },
                cancellation);
            log.LostRevoked(call.Lease.Id, call.Role.Name, id);
            found++;
        }

        return found;
    }

    private async Task<bool> MoveAsync(LeaseRecord lease, LeaseState to, string why, MoveHow how, CancellationToken cancellation)
    {
        var moved = await Ledger.Leases.MoveAsync(lease.Database, lease.Id, to, why, cancellation, how) == MoveAnswer.Moved;
        if (moved) log.Moved(lease.Id, lease.Role, to, why);
        return moved;
    }
}
