
namespace Broker.Core.Model;

/// <summary>The closed list of refusals. One file of Broker.Api has the HTTP status of each.</summary>
public enum RefusalCode
{
    /// <summary>The request cannot be understood or asks for what a role does not allow.</summary>
    InvalidRequest,

    /// <summary>No token, or an invalid one.</summary>
    Unauthenticated,

    /// <summary>The caller may not have this role, or there is no such role: the answer is the same, so that nobody can probe.</summary>
    NotAllowed,

    /// <summary>No such holder, or not this caller's.</summary>
    HolderUnknown,

    /// <summary>The caller's holder already exists with fewer connections than this claim needs: another process of the pod uses it.</summary>
    HolderInUse,

    /// <summary>No such session, or not this caller's.</summary>
    SessionUnknown,

    /// <summary>The caller, its team or its address exceeds its limit.</summary>
    LimitExceeded,

    /// <summary>No such lease.</summary>
    LeaseUnknown,

    /// <summary>An operator paused or drains the role: it gives nothing to new callers. The detail has the operator's reason.</summary>
    RolePaused,

    /// <summary>Too few connections are free on the database.</summary>
    BudgetExhausted,

    /// <summary>A database user must be created, and the database's pace does not allow it yet.</summary>
    IssueThrottled,

    /// <summary>The issuer does not answer, or refuses.</summary>
    IssuerUnavailable,

    /// <summary>The ledger does not answer.</summary>
    LedgerUnavailable,

    /// <summary>The database does not answer, or its connections could not be counted recently.</summary>
    DatabaseUnavailable,

    /// <summary>The audit could not be written, so nothing is handed out.</summary>
    AuditUnavailable,

    /// <summary>A user was issued, but the database refused its login.</summary>
    LoginFailed,
}

/// <summary>An answer that is not a grant: why, what to do, and when to try again.</summary>
/// <param name="Code">From the closed list.</param>
/// <param name="Detail">One or two sentences for the caller: what is wrong and what to do next. Never a secret.</param>
/// <param name="RetryAfter">When trying again helps, counted from now; null if it does not help.</param>
/// <param name="Budget">For <see cref="RefusalCode.BudgetExhausted"/>: what is available.</param>
public sealed record Refusal(RefusalCode Code, string Detail, TimeSpan? RetryAfter = null, BudgetShortfall? Budget = null)
{
    /// <summary>Whether it is one of so many of its caller that the audit only counts it: then it is no line of the log either (law L15).</summary>
    public bool IsCounted { get; init; }
}

/// <summary>What a caller that cannot get enough connections could ask for.</summary>
/// <param name="Free">Connections free now.</param>
/// <param name="CouldAskFor">The most that a claim made now could be given; 0 when nothing is free or others are first in line.</param>
/// <param name="Capacity">All that the broker may promise on the database.</param>
public sealed record BudgetShortfall(int Free, int CouldAskFor, int Capacity);
