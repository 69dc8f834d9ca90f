using Broker.Core.Model;

namespace Broker.Core.Audit;

/// <summary>The kinds of actions.</summary>
public enum AuditAction
{
    /// <summary>A caller asked for a role's credentials.</summary>
    Claim,

    /// <summary>A holder was renewed.</summary>
    Renew,

    /// <summary>A holder left.</summary>
    Release,

    /// <summary>A database user was created.</summary>
    Issue,

    /// <summary>A lease was revoked: its database user dropped.</summary>
    Revoke,

    /// <summary>A role was given a new lease before its old one ended.</summary>
    Rotate,

    /// <summary>Budgets, leases or the page were read.</summary>
    Read,

    /// <summary>A pipeline exchanged its token for a session, prolonged it, or ended it.</summary>
    Session,

    /// <summary>An operator ended a holder.</summary>
    End,

    /// <summary>An operator set a database's ceiling.</summary>
    Ceiling,

    /// <summary>An operator paused, drained or resumed a role.</summary>
    Pause,

    /// <summary>An administrator asked why a caller may or may not have a role.</summary>
    Explain,

    /// <summary>A Vault client's request was passed to the upstream Vault.</summary>
    Pass,

    /// <summary>A caller was not proven, so its request went no further.</summary>
    Authenticate,
}

/// <summary>The outcome.</summary>
public enum AuditOutcome
{
    /// <summary>Done as asked.</summary>
    Granted,

    /// <summary>Not done, for one of the closed list of refusals.</summary>
    Refused,

    /// <summary>Not done, because something failed.</summary>
    Failed,

    /// <summary>
    /// To be done: on record before anything is changed. Another record with the same trace says what came of it; where there is none, it is not known.
    /// </summary>
    Ordered,
}

/// <summary>
/// What happened, to whom, and why: one line of the audit (law L7). It has no property that could hold a secret (law L6),
/// only words, names, numbers and a time; a test checks that. Long texts are cut when written: a detail or a reason that takes more than 1,024 bytes, a subject 512, a name 256.
/// </summary>
public sealed record AuditRecord
{
    /// <summary>When it happened; written in UTC.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>The action.</summary>
    public required AuditAction Action { get; init; }

    /// <summary>The outcome.</summary>
    public required AuditOutcome Outcome { get; init; }

    /// <summary>The key of the identity issuer that proved the caller; null when nobody was proven, or the broker itself acted.</summary>
    public string? CallerIssuer { get; init; }

    /// <summary>The caller's <c>sub</c>; null when nobody was proven, or the broker itself acted.</summary>
    public string? CallerSubject { get; init; }

    /// <summary>The UID of the caller's pod; null when its token names none.</summary>
    public string? CallerPodUid { get; init; }

    /// <summary>The id of the broker session the caller came by; null when it came by its own token.</summary>
    public string? CallerSession { get; init; }

    /// <summary>
    /// A keyed hash of the proof that the caller used or tried to use: equal proofs have equal hashes, and the hash is useless to
    /// whoever reads it (law L6).
    /// </summary>
    public string? CallerProof { get; init; }

    /// <summary>The requested role, as the caller wrote it; it need not exist.</summary>
    public string? Role { get; init; }

    /// <summary>The database concerned.</summary>
    public string? Database { get; init; }

    /// <summary>The lease concerned: the broker's id of it, not the issuer's.</summary>
    public string? LeaseId { get; init; }

    /// <summary>The holder concerned.</summary>
    public string? HolderId { get; init; }

    /// <summary>The name of the database user that was given out; null when none was.</summary>
    public string? DatabaseUser { get; init; }

    /// <summary>When the holder ends unless it renews; null when nothing was given out.</summary>
    public DateTimeOffset? HeldUntil { get; init; }

    /// <summary>How often it happened, for a record that sums up; null: once.</summary>
    public int? Times { get; init; }

    /// <summary>Connections granted, or requested when the outcome is not <see cref="AuditOutcome.Granted"/>; null where they do not apply.</summary>
    public int? Connections { get; init; }

    /// <summary>Why not; null when granted.</summary>
    public RefusalCode? Refusal { get; init; }

    /// <summary>The refusal's or failure's detail, or why a grant is smaller than requested, as the caller was told it.</summary>
    public string? Detail { get; init; }

    /// <summary>The operator's reason; null for everybody else.</summary>
    public string? Reason { get; init; }

    /// <summary>The trace this belongs to.</summary>
    public string? TraceId { get; init; }

    /// <summary>Where the request came from.</summary>
    public string? ClientAddress { get; init; }

    /// <summary>The answer's HTTP status; null when no request was answered.</summary>
    public int? HttpStatus { get; init; }
}
