using Broker.Core.Databases;
using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Leases.Logins;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Duties;

/// <summary>
/// The duty <c>verify:LEASE</c>: tries the lease's login at intervals (law L3). A login that the database
/// refuses twice in a row is replaced by another lease at once.
/// </summary>
internal sealed class VerifyDuty(
    DutyTools tools, DatabaseEngines engines, SealCheck seal, LeaseSuccessor successor, BrokerMetrics metrics, ILogger<VerifyDuty> log)
    : LeaseDuty(tools)
{
    public override string Kind => DutyKinds.Verify;

    protected override async Task<TimeSpan?> LookAsync(LeaseCall call, CancellationToken cancellation)
    {
        var lease = call.Lease;
        if (lease.State is not (LeaseState.Active or LeaseState.Retiring) || lease.SealedLogin.Length == 0) return null;

        // A lease that was restored after the ledger had lost it is tried once in any case: until then nobody new gets it.
        // So is that of a static user, whose password another attempt may have changed.
        if (call.Role.VerifyEvery == TimeSpan.Zero && lease.VerifiedAt is not null && call.Role.Static is null) return null;

        // Nobody holds it, and the database may sleep: it is tried when the next claim comes.
        if (lease.Holders == 0 && lease.VerifiedAt is not null && !call.Role.KeepReady && await Ledger.Leases.LapseAsync(lease.Database, lease.Id, cancellation)) return null;
        if (call.Login is not { } login)
        {
            // A replica that cannot decrypt what the others seal must not decide this.
            if (!await seal.PassesAsync(cancellation)) throw new DutyException("This replica's sealing keys differ from those of the others (Broker:Sealing).");
            await successor.ReplaceBrokenAsync(call, "its login cannot be decrypted", cancellation);
            return null;
        }

        try
        {
            await WithinDeadlineAsync(
                async token =>
                {
                    try
                    {
                        await TryAsync(call, login, token);
                    }
                    catch (DatabaseException e) when (e.Failure == DatabaseFailure.LoginRefused && call.Due.Failures > 0)
                    {
                        // What failed before may have been something else (a server that restarts), and this refusal the first.
                        await Task.Delay(Soon, Time, token);
                        await TryAsync(call, login, token);
                    }

                    return true;
                },
                cancellation);
        }
        catch (DatabaseException e) when (e.Failure == DatabaseFailure.LoginRefused && call.Due.Failures > 0)
        {
            metrics.Verified(lease.Database, "refused");
            log.LoginGone(lease.Id, lease.Role, lease.Username, e.Message);
            await successor.ReplaceBrokenAsync(call, $"the database refuses its login: {e.Message}", cancellation);
            return null;
        }
        catch (DatabaseException)
        {
            // A single refusal may be the database's own problem, and a database that is away says nothing about the login.
            metrics.Verified(lease.Database, "failed");
            throw;
        }

        metrics.Verified(lease.Database, "verified");
        if (!await Ledger.Leases.VerifiedAsync(lease.Database, lease.Id, cancellation, lease.ReadAt)) return null;
        return call.Role.VerifyEvery > TimeSpan.Zero ? Jitter.Within(call.Role.VerifyEvery) : null;
    }

    private async Task TryAsync(LeaseCall call, Login login, CancellationToken cancellation)
    {
        try
        {
            await engines[call.Database.Engine].TryLoginAsync(call.Database.SeenBy(call.Role), login, cancellation);
        }
        catch (DatabaseException e) when (e.Failure == DatabaseFailure.UserLimitReached)
        {
            // Its pods use all that they were granted; the server checked the password before it said so.
        }
    }
}
