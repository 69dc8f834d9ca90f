using Broker.Core.Databases;
using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Duties;

/// <summary>
/// The duty <c>revoke:LEASE</c>: the user of a lease that is over is dropped. What the database refuses is tried a few times,
/// then shown as <see cref="LeaseState.RevokeFailed"/> with its own words, and tried on more rarely, for ever.
/// </summary>
internal sealed class RevokeDuty(DutyTools tools, DatabaseEngines engines, BrokerMetrics metrics, ILogger<RevokeDuty> log)
    : LeaseDuty(tools)
{
    private const int Tries = 6;
    private static readonly TimeSpan BetweenTries = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AfterFailing = TimeSpan.FromMinutes(30);

    public override string Kind => "revoke";

    public override TimeSpan RetryAfter(int failures) => failures < Tries ? Retry.Doubling(failures, BetweenTries) : AfterFailing;

    protected override async Task<TimeSpan?> LookAsync(LeaseCall call, CancellationToken cancellation)
    {
        var lease = call.Lease;
        if (lease.State is not (LeaseState.Revoking or LeaseState.Expired or LeaseState.RevokeFailed)) return null;
        if (lease.State != LeaseState.Revoking) await Ledger.MoveAsync(lease.Database, lease.Id, LeaseState.Revoking, lease.Reason, cancellation);
        try
        {
            if (await InFlightAsync(call, token => DropAsync(call, token), cancellation) is not { } why) return Jitter.Spread(Soon);
            await Ledger.MoveAsync(lease.Database, lease.Id, LeaseState.Revoked, why, cancellation);
            metrics.Revoked(lease.Database, "revoked");
            log.Revoked(lease.Id, lease.Role, lease.Username);
            return null;
        }
        catch (Exception e) when (e is IssuerException or DutyException)
        {
            metrics.Revoked(lease.Database, "failed");
            log.RevokeFailed(lease.Id, lease.Role, lease.Username, e.Message);
            if (call.Due.Failures + 1 >= Tries)
                await Ledger.MoveAsync(lease.Database, lease.Id, LeaseState.RevokeFailed, $"{e.Message} {Advice(lease)}", cancellation);
            throw;
        }
    }

    // What to note as the lease's reason: why it is over, and what of it could not be done.
    private async Task<string> DropAsync(LeaseCall call, CancellationToken cancellation)
    {
        var lease = call.Lease;
        var why = lease.Reason;
        if (lease.Username.Length > 0 && (lease.Shut || call.Role.EndSessions))
        {
            // Before it is dropped: afterwards nothing tells whose the sessions were.
            try
            {
                await engines[call.Database.Engine].ShutOutAsync(call.Database, lease.Username, cancellation);
            }
            catch (DatabaseException e)
            {
                // A login that lives on is worse than a session that does: the user is dropped all the same.
                log.SessionsNotEnded(lease.Id, lease.Role, lease.Username, e.Message);
                why += $" (its sessions could not be ended: {e.Message})";
            }
        }

        await call.Issuer.RevokeAsync(call.IssuerLease, cancellation);
        return why;
    }

    private static string Advice(LeaseRecord lease) =>
        $"The broker goes on trying. Mend what the database names (give what user '{lease.Username}' owns to another, take its rights away), or drop the user by hand.";
}
