using Broker.Core.Audit;
using Broker.Core.Identity;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Leases;

/// <summary>Records a desk's outcome in the audit before it leaves; if it cannot be recorded, it becomes a refusal (law L7).</summary>
internal sealed class DeskAudit(IAudit audit, TimeProvider time)
{
    public ValueTask<Outcome> WriteAsync(AuditAction action, Ask ask, Outcome outcome, CancellationToken cancellation) => WriteAsync(
        Of(action, ask.Caller, outcome.Refusal, ask.Origin, time) with
        {
            Role = ask.Role,
            Database = outcome.Grant?.Database,
            LeaseId = outcome.Grant?.Lease.Id,
            HolderId = outcome.Grant?.Holder.Id ?? ask.Holder,
            DatabaseUser = outcome.Grant?.Credentials.Login.Username,
            HeldUntil = outcome.Grant?.Holder.ExpiresAt,
            Connections = outcome.Grant?.Connections ?? ask.Connections,
            Detail = outcome.Grant is { } grant ? grant.FewerBecause : outcome.Refusal?.Detail,
        },
        outcome,
        cancellation);

    /// <summary>
    /// Carries out what changes something and cannot be taken back. That it is to be done is on record before, or nothing is done; what came of it is recorded
    /// after, and if that fails, the answer does not say.
    /// </summary>
    /// <param name="order">The record of it.</param>
    /// <param name="carryOut">Carries it out, and completes the record.</param>
    /// <param name="cancellation">Ends the waits for the audit.</param>
    public async ValueTask<Refusal?> CarryOutAsync(AuditRecord order, Func<AuditRecord, ValueTask<(AuditRecord Done, Refusal? Refusal)>> carryOut, CancellationToken cancellation)
    {
        if ((await WriteAsync(order with { Outcome = AuditOutcome.Ordered }, default, cancellation)).Refusal is { } unrecorded) return unrecorded;
        var (done, refusal) = (order, (Refusal?)null);
        try
        {
            (done, refusal) = await carryOut(order);
        }
        catch (LedgerException)
        {
            refusal = Refusals.LedgerUnavailable();
        }

        var told = await EndAsync(done, refusal, cancellation);
        return told?.Code == RefusalCode.AuditUnavailable ? Refusals.OutcomeUnrecorded() : told;
    }

    /// <summary>The same, where nothing is added to the record.</summary>
    public ValueTask<Refusal?> CarryOutAsync(AuditRecord order, Func<ValueTask<Refusal?>> carryOut, CancellationToken cancellation) =>
        CarryOutAsync(order, async done => (done, await carryOut()), cancellation);

    /// <summary>Records the end of an action; null: done.</summary>
    /// <returns>The refusal, another one if it could not be recorded, or null.</returns>
    public async ValueTask<Refusal?> EndAsync(AuditRecord action, Refusal? refusal, CancellationToken cancellation) =>
        (await WriteAsync(EndOf(action, refusal), new Outcome(null, refusal), cancellation)).Refusal;

    /// <summary>Writes one record; returns the outcome, or a refusal if it could not be recorded.</summary>
    public async ValueTask<Outcome> WriteAsync(AuditRecord record, Outcome outcome, CancellationToken cancellation)
    {
        try
        {
            return await audit.WriteAsync(record, cancellation) || outcome.Refusal is not { } refusal ? outcome : refusal with { IsCounted = true };
        }
        catch (TooManyRefusedException)
        {
            var refusal = Refusals.TooManyRefused();
            return await WriteAsync(EndOf(record, refusal), refusal, cancellation);
        }
        catch (AuditUnavailableException)
        {
            return Refusals.AuditUnavailable();
        }
    }

    /// <summary>The common part of every record of a caller's actions; the caller of this method adds the rest.</summary>
    public static AuditRecord Of(AuditAction action, Caller caller, Refusal? refusal, Origin origin, TimeProvider time) => new()
    {
        Time = time.GetUtcNow(),
        Action = action,
        Outcome = OutcomeOf(refusal),
        CallerIssuer = caller.Issuer,
        CallerSubject = caller.Subject,
        CallerPodUid = caller.PodUid,
        CallerSession = caller.Session,
        CallerProof = caller.ProofHash,
        Refusal = refusal?.Code,
        Detail = refusal?.Detail,
        TraceId = origin.TraceId,
        ClientAddress = origin.Address,
    };

    private AuditRecord EndOf(AuditRecord action, Refusal? refusal) => action with
    {
        Time = time.GetUtcNow(),
        Outcome = OutcomeOf(refusal),
        Refusal = refusal?.Code,
        Detail = refusal?.Detail ?? action.Detail,
    };

    public static AuditOutcome OutcomeOf(Refusal? refusal) => refusal?.Code switch
    {
        null => AuditOutcome.Granted,
        RefusalCode.IssuerUnavailable or RefusalCode.LedgerUnavailable or RefusalCode.DatabaseUnavailable or RefusalCode.LoginFailed => AuditOutcome.Failed,
        _ => AuditOutcome.Refused,
    };
}
