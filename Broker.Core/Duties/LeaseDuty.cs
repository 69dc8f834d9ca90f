using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Leases.Logins;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Duties;

/// <summary>A duty on one lease. Its subject is the lease's id.</summary>
internal abstract class LeaseDuty(DutyTools tools) : IDuty
{
    /// <summary>When to look again at something that somebody else is doing.</summary>
    protected static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    /// <summary>Shorter than the time for which a duty is taken, so that two replicas never do the same one.</summary>
    protected static readonly TimeSpan CallDeadline = TimeSpan.FromSeconds(12);

    public abstract string Kind { get; }

    protected SharedLedger Ledger => tools.Ledger;

    protected Jitter Jitter => tools.Jitter;

    protected TimeProvider Time => tools.Time;

    public virtual TimeSpan RetryAfter(int failures) => Retry.Doubling(failures, TimeSpan.FromSeconds(30));

    public async Task<TimeSpan?> DoAsync(DutyCall call, CancellationToken cancellation)
    {
        if (await Ledger.Leases.LeaseAsync(call.Database, call.Subject, cancellation) is not { } lease)
        {
            await Ledger.Leases.ForgetAsync(call.Database, call.Subject, cancellation);
            return null;
        }

        // Nothing is left to do for it, whatever has become of its role.
        if (lease.State is LeaseState.Revoked or LeaseState.Failed)
        {
            if (Kind == DutyKinds.Reap) await Ledger.Leases.ForgetAsync(call.Database, lease.Id, cancellation);
            return null;
        }

        if (!call.Catalog.Roles.TryGetValue(lease.Role, out var role) || role.Database != call.Database)
            throw new DutyException($"Lease {lease.Id} is of role '{lease.Role}', which is no longer configured. Restore the role until its leases have ended, or drop user '{lease.Username}' by hand.");
        var database = call.Catalog.Databases[call.Database];
        return await LookAsync(Believed(new(lease, role, database, tools.Issuers[call.Catalog.Issuers[role.Issuer]], call)), cancellation);
    }

    // The user and the issuer's id are trusted only as sealed. Before they are sealed, and when they cannot be decrypted,
    // only what the role's issuer could have made is accepted: otherwise whoever can write to the ledger could have any user dropped (law L14).
    private LeaseCall Believed(LeaseCall call)
    {
        var (lease, role) = (call.Lease, call.Role);
        if (tools.Sealer.TryOpen(lease, role.Name) is { } known)
            return call with { Lease = lease with { Username = known.Login.Username, IssuerId = known.IssuerId, Pool = known.Pool }, Login = known.Login };
        if (new Pool(lease.Pool).Role == role.Name)
        {
            if (call.Issuer.CouldHaveMade(role, call.Database, lease.Username, lease.IssuerId)) return call;

            // A user whose name comes from a custom template in Vault: the lease can be revoked, but its sessions cannot be told from others'.
            if (lease.IssuerId.Length > 0 && call.Issuer.CouldHaveMade(role, call.Database, "", lease.IssuerId)) return call with { Lease = lease with { Username = "" } };
        }

        throw new DutyException($"Lease {lease.Id} names user '{lease.Username}', id '{lease.IssuerId}' and pool '{lease.Pool}', which role '{role.Name}' could never have: somebody else wrote them into the ledger. The broker does nothing with them; look for the lease's user among the leftovers.");
    }

    protected abstract Task<TimeSpan?> LookAsync(LeaseCall call, CancellationToken cancellation);

    /// <summary>Runs a call that changes users, a few at a time per database (law L12). Null when all slots are taken.</summary>
    protected async Task<T?> InFlightAsync<T>(LeaseCall call, Func<CancellationToken, Task<T>> run, CancellationToken cancellation)
        where T : class
    {
        var flight = $"{Kind}:{call.Lease.Id}";
        if (!await Ledger.Flights.TakeFlightAsync(call.Database.Name, flight, call.Database.Issuing, CallDeadline, cancellation)) return null;
        try
        {
            return await WithinDeadlineAsync(run, cancellation);
        }
        finally
        {
            await Ledger.Flights.LandAsync(call.Database.Name, flight, CancellationToken.None);
        }
    }

    /// <summary>Runs a call within <see cref="CallDeadline"/>.</summary>
    protected async Task<T> WithinDeadlineAsync<T>(Func<CancellationToken, Task<T>> run, CancellationToken cancellation)
    {
        using var deadline = new CancellationTokenSource(CallDeadline, tools.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);
        try
        {
            return await run(either.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new DutyException($"No answer within {CallDeadline.TotalSeconds} seconds.");
        }
    }
}

/// <summary>What every duty on a lease needs.</summary>
internal sealed record DutyTools(SharedLedger Ledger, Issuers Issuers, LoginSealer Sealer, Jitter Jitter, TimeProvider Time);

/// <summary>A duty on one lease that is due, with everything needed to do it.</summary>
internal sealed record LeaseCall(LeaseRecord Lease, Role Role, Database Database, IIssuer Issuer, DutyCall Due)
{
    /// <summary>The lease's login; null when there is none yet, or it cannot be decrypted.</summary>
    public Login? Login { get; init; }

    public IssuerLease IssuerLease => new(Role, Database, Lease.IssuerId.Length > 0 ? Lease.IssuerId : Lease.Username);

    public IssuerDefinition IssuerDefinition => Due.Catalog.Issuers[Role.Issuer];
}
