using Broker.Core.Audit;
using Broker.Core.Identity;
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

    /// <summary>Writes one record; returns the outcome, or a refusal if it could not be recorded.</summary>
    public async ValueTask<Outcome> WriteAsync(AuditRecord record, Outcome outcome, CancellationToken cancellation)
    {
        try
        {
            await audit.WriteAsync(record, cancellation);
            return outcome;
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

    public static AuditOutcome OutcomeOf(Refusal? refusal) => refusal?.Code switch
    {
        null => AuditOutcome.Granted,
        RefusalCode.IssuerUnavailable or RefusalCode.LedgerUnavailable or RefusalCode.DatabaseUnavailable or RefusalCode.LoginFailed => AuditOutcome.Failed,
        _ => AuditOutcome.Refused,
    };
}
