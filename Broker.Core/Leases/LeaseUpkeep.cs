using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Ledger;
using Broker.Core.Words;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases;

/// <summary>
/// The duty <c>lease:ID</c>: looks at one lease and does what its state and the time ask for. Answers when to look again;
/// null when never.
/// </summary>
internal sealed class LeaseUpkeep(SharedLedger ledger, ICatalog catalog, Issuers issuers, BrokerMetrics metrics, TimeProvider time, ILogger<LeaseUpkeep> log)
{
    private static readonly TimeSpan ShortRetry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongRetry = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Forgettable = TimeSpan.FromMinutes(10);
    // Shorter than a duty is taken for, so that no two replicas ever do the same one.
    private static readonly TimeSpan CallDeadline = TimeSpan.FromSeconds(12);

    public async Task<TimeSpan?> LookAsync(Database database, string id, CancellationToken cancellation)
    {
        if (await ledger.LeaseAsync(database.Name, id, cancellation) is not { } lease)
        {
            await ledger.ForgetAsync(database.Name, id, cancellation);
            return null;
        }

        return lease.State switch
        {
            LeaseState.Issuing => await ReapAttemptAsync(lease, cancellation),
            LeaseState.Active => await KeepAsync(database, lease, cancellation),
            LeaseState.Retiring => await WindUpAsync(lease, cancellation),
            LeaseState.Expired or LeaseState.Unknown or LeaseState.Revoking => await RevokeAsync(database, lease, cancellation),
            _ => await ForgetAsync(lease, cancellation),
        };
    }

    // The replica that was issuing it is gone: if the issuer may have been asked, a user may exist (law L5).
    private async Task<TimeSpan?> ReapAttemptAsync(LeaseRecord lease, CancellationToken cancellation)
    {
        var to = lease.Begun ? LeaseState.Unknown : LeaseState.Failed;
        return await MoveAsync(lease, to, "nobody is issuing it any more", MoveCondition.Overdue, cancellation)
            ? TimeSpan.Zero
            : ShortRetry;
    }

    private async Task<TimeSpan?> KeepAsync(Database database, LeaseRecord lease, CancellationToken cancellation)
    {
        if (lease.ExpiresAt <= lease.ReadAt)
        {
            await MoveAsync(lease, LeaseState.Expired, "its end came", MoveCondition.Overdue, cancellation);
            return TimeSpan.Zero;
        }

        if (lease.Holders == 0 && lease.EmptySince + lease.IdleTtl <= lease.ReadAt
            && await MoveAsync(lease, LeaseState.Retiring, "nobody holds it", MoveCondition.Idle, cancellation))
            return TimeSpan.Zero;

        if (lease.RenewAt <= lease.ReadAt && lease.Renewable) return await RenewAsync(database, lease, cancellation);
        return Soonest(lease);
    }

    private async Task<TimeSpan?> RenewAsync(Database database, LeaseRecord lease, CancellationToken cancellation)
    {
        if (Find(lease) is not var (role, issuer)) return LongRetry;
        var flight = $"renew:{lease.Id}";
        if (!await ledger.TakeFlightAsync(database.Name, flight, database.Issuing, CallDeadline, cancellation)) return ShortRetry;
        try
        {
            using var deadline = Deadline(cancellation);
            var asked = time.GetTimestamp();
            var increment = IncrementOf(role, lease);
            var term = increment > TimeSpan.Zero
                ? await issuer.RenewAsync(new(role, database, lease.IssuerId), increment, lease.ReadAt, deadline.Token)
                : new LeaseTerm(lease.ExpiresAt!.Value - lease.ReadAt, Renewable: false);
            // When less came than it was issued with, its last end is near: no further renewal changes that.
            var renewable = term.Renewable && term.Duration >= lease.Life * 0.9;
            await ledger.RenewedAsync(
                database.Name, lease.Id, term.Duration, time.GetElapsedTime(asked), renewable, term.Duration / 3, cancellation);
            metrics.Renewed(database.Name, "renewed");
            log.Renewed(lease.Id, lease.Role, term.Duration);
            return term.Duration / 3;
        }
        catch (IssuerException e) when (e.Failure == IssuerFailure.LeaseUnknown)
        {
            // Its user is gone, or about to be: nobody new gets it, and who holds it is told at its next renewal.
            metrics.Renewed(database.Name, "lease-unknown");
            await MoveAsync(lease, LeaseState.Retiring, $"the issuer knows it no more: {e.Message}", MoveCondition.None, cancellation);
            return TimeSpan.Zero;
        }
        catch (Exception e) when (e is IssuerException or OperationCanceledException && !cancellation.IsCancellationRequested)
        {
            // A failed renewal never issues anything (law L12): it is tried again until the lease's end.
            metrics.Renewed(database.Name, "failed");
            var left = lease.ExpiresAt!.Value - lease.ReadAt;
            var retry = Clamp(left / 20, ShortRetry, LongRetry);
            log.RenewFailed(lease.Id, lease.Role, retry, e.Message);
            return retry;
        }
        finally
        {
            await ledger.LandAsync(database.Name, flight, CancellationToken.None);
        }
    }

    private async Task<TimeSpan?> WindUpAsync(LeaseRecord lease, CancellationToken cancellation)
    {
        if (lease.ExpiresAt <= lease.ReadAt)
        {
            await MoveAsync(lease, LeaseState.Expired, "its end came", MoveCondition.Overdue, cancellation);
            return TimeSpan.Zero;
        }

        if (lease.Holders == 0 && await MoveAsync(lease, LeaseState.Revoking, lease.Reason, MoveCondition.Idle, cancellation)) return TimeSpan.Zero;
        return Soonest(lease);
    }

    private async Task<TimeSpan?> RevokeAsync(Database database, LeaseRecord lease, CancellationToken cancellation)
    {
        if (Find(lease) is not var (role, issuer)) return LongRetry;
        var id = lease.IssuerId.Length > 0 ? lease.IssuerId : lease.Username;
        if (id.Length == 0)
        {
            // The issuer chose the name and its answer was lost: nothing tells this user from another's. It lives no longer
            // than the issuer lets it; until then the lease is shown as Unknown.
            if (lease.State == LeaseState.Unknown && lease.ReadAt - lease.CreatedAt < role.LeaseMaxTtl) return LongRetry;
            await MoveAsync(lease, LeaseState.Revoking, "its longest life is over", MoveCondition.None, cancellation);
            await MoveAsync(lease, LeaseState.Revoked, "its longest life is over", MoveCondition.None, cancellation);
            return Forgettable;
        }

        if (lease.State != LeaseState.Revoking) await MoveAsync(lease, LeaseState.Revoking, lease.Reason, MoveCondition.None, cancellation);
        var flight = $"revoke:{lease.Id}";
        if (!await ledger.TakeFlightAsync(database.Name, flight, database.Issuing, CallDeadline, cancellation)) return ShortRetry;
        try
        {
            using var deadline = Deadline(cancellation);
            await issuer.RevokeAsync(new(role, database, id), deadline.Token);
            await MoveAsync(lease, LeaseState.Revoked, lease.Reason, MoveCondition.None, cancellation);
            metrics.Revoked(database.Name, "revoked");
            log.Revoked(lease.Id, lease.Role, lease.Username);
            return Forgettable;
        }
        catch (Exception e) when (e is IssuerException or OperationCanceledException && !cancellation.IsCancellationRequested)
        {
            metrics.Revoked(database.Name, "failed");
            log.RevokeFailed(lease.Id, lease.Role, LongRetry, e.Message);
            return LongRetry;
        }
        finally
        {
            await ledger.LandAsync(database.Name, flight, CancellationToken.None);
        }
    }

    private async Task<TimeSpan?> ForgetAsync(LeaseRecord lease, CancellationToken cancellation)
    {
        await ledger.ForgetAsync(lease.Database, lease.Id, cancellation);
        return null;
    }

    private async Task<bool> MoveAsync(LeaseRecord lease, LeaseState to, string why, MoveCondition condition, CancellationToken cancellation)
    {
        var moved = await ledger.MoveAsync(lease.Database, lease.Id, to, why, condition, cancellation) == MoveAnswer.Moved;
        if (moved) log.Moved(lease.Id, lease.Role, to, why);
        return moved;
    }

    private (Role Role, IIssuer Issuer)? Find(LeaseRecord lease)
    {
        var current = catalog.Current;
        if (current.Roles.TryGetValue(lease.Role, out var role) && current.Issuers.TryGetValue(role.Issuer, out var definition))
            return (role, issuers[definition]);
        log.RoleGone(lease.Id, lease.Role, lease.Username);
        return null;
    }

    // A built-in lease may be renewed up to its longest life; what Vault allows, Vault knows itself.
    private static TimeSpan IncrementOf(Role role, LeaseRecord lease)
    {
        if (role.VaultPath is not null) return lease.Life;
        var left = lease.CreatedAt + role.LeaseMaxTtl - lease.ReadAt;
        return left < lease.Life ? left : lease.Life;
    }

    private static TimeSpan Soonest(LeaseRecord lease)
    {
        var next = lease.ExpiresAt ?? lease.ReadAt + LongRetry;
        if (lease.State == LeaseState.Active && lease.Renewable && lease.RenewAt < next) next = lease.RenewAt.Value;
        if (lease.State == LeaseState.Active && lease.Holders == 0 && lease.EmptySince + lease.IdleTtl < next) next = lease.EmptySince!.Value + lease.IdleTtl;
        var wait = next - lease.ReadAt;
        return wait > TimeSpan.Zero ? wait : ShortRetry;
    }

    private static CancellationTokenSource Deadline(CancellationToken cancellation)
    {
        var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(CallDeadline);
        return deadline;
    }

    private static TimeSpan Clamp(TimeSpan value, TimeSpan least, TimeSpan most) => value < least ? least : value > most ? most : value;
}
