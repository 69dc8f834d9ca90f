using Broker.Core.Model;

namespace Broker.Api.Fronts.Native.Problems;

/// <summary>How HTTP expresses each refusal: the single place where codes become statuses.</summary>
public static class RefusalStatus
{
    /// <summary>Whether something failed, rather than the caller doing something wrong.</summary>
    public static bool IsOurs(RefusalCode code) => code is RefusalCode.IssuerUnavailable or RefusalCode.LedgerUnavailable or RefusalCode.DatabaseUnavailable
        or RefusalCode.AuditUnavailable or RefusalCode.LoginFailed;

    /// <summary>The code as the API writes it, the HTTP status, and the problem's title.</summary>
    public static (string Code, int Status, string Title) Of(RefusalCode code) => code switch
    {
        RefusalCode.InvalidRequest => ("invalid-request", 400, "The request cannot be understood"),
        RefusalCode.Unauthenticated => ("unauthenticated", 401, "No proven caller"),
        RefusalCode.NotAllowed => ("not-allowed", 403, "Not allowed"),
        RefusalCode.HolderUnknown => ("holder-unknown", 404, "No such holder"),
        RefusalCode.HolderInUse => ("holder-in-use", 409, "The pod's grant is in use"),
        RefusalCode.LeaseUnknown => ("lease-unknown", 404, "No such lease"),
        RefusalCode.SessionUnknown => ("session-unknown", 404, "No such session"),
        RefusalCode.LimitExceeded => ("limit-exceeded", 429, "Over the limit"),
        RefusalCode.RolePaused => ("role-paused", 503, "An operator paused or drained the role"),
        RefusalCode.BudgetExhausted => ("budget-exhausted", 503, "Too few connections are free"),
        RefusalCode.IssueThrottled => ("issue-throttled", 429, "The creation of database users is throttled"),
        RefusalCode.IssuerUnavailable => ("issuer-unavailable", 503, "The issuer is not available"),
        RefusalCode.LedgerUnavailable => ("ledger-unavailable", 503, "The ledger is not available"),
        RefusalCode.DatabaseUnavailable => ("database-unavailable", 503, "The database is not available"),
        RefusalCode.AuditUnavailable => ("audit-unavailable", 503, "The audit is not available"),
        RefusalCode.LoginFailed => ("login-failed", 502, "The database refused the login"),
        _ => throw new ArgumentOutOfRangeException(nameof(code), code, "A refusal without a status."),
    };
}
