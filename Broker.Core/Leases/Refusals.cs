using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Leases;

/// <summary>The refusals of claims: why, and what the caller can do.</summary>
internal static class Refusals
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Later = TimeSpan.FromSeconds(5);

    // Orders last for minutes; a caller that comes back after this long is late by no more than that.
    private static readonly TimeSpan PausedRetry = TimeSpan.FromSeconds(15);

    // However far away the next reservation's end is: holders leave before it, and a database that was short at one count may have
    // room at the next.
    private static readonly TimeSpan LongestBudgetRetry = TimeSpan.FromSeconds(10);

    // Connections without a holder are open: they close at any time, and the next count finds them free.
    private static readonly TimeSpan UntilSeenClosed = TimeSpan.FromSeconds(4);

    public static Refusal NotAllowed(string role) => new(
        RefusalCode.NotAllowed,
        $"This caller may not have role '{role}', or there is no such role. Ask whoever runs the broker for an Allow rule that matches your token's claims.");

    public static Refusal Invalid(string what) => new(RefusalCode.InvalidRequest, what);

    public static Refusal HolderUnknown() => new(
        RefusalCode.HolderUnknown,
        "You have no such holder: it has ended or was released. Claim again with POST /api/v1/roles/{role}/credentials.");

    public static Refusal PodGone() => new(
        RefusalCode.Unauthenticated, "The cluster says that the pod of this token is gone, so it is granted nothing more. A new pod has its own token.");

    /// <summary>An init container, a sidecar and the app are one pod, and so one holder unless they name themselves.</summary>
    public static Refusal HolderInUse(string holder, int had, int least, TimeSpan endsIn) => new(
        RefusalCode.HolderInUse,
        Say($"This pod's grant is in use with {had} connections, and you need at least {least}. Processes of one pod are told apart by the name that they send, e.g. {{\"holder\": \"app\"}}: send your own, or have the other process release its grant when it is done (DELETE /api/v1/holders/{holder})."),
        endsIn < LongestBudgetRetry ? (endsIn > Soon ? endsIn : Soon) : LongestBudgetRetry);

    public static Refusal LeaseUnknown(string lease) => new(
        RefusalCode.LeaseUnknown, $"There is no lease '{lease}'. GET /api/v1/leases lists all leases.");

    public static Refusal LeaseIssuing(string lease) => new(
        RefusalCode.LeaseUnknown, $"Lease '{lease}' is still being issued and cannot be revoked yet. Try again in a moment.", Soon);

    public static Refusal LedgerUnavailable() => new(
        RefusalCode.LedgerUnavailable, "The broker's ledger does not answer, so nothing can be promised. Try again shortly. Holders may keep using their leases.", Soon);

    public static Refusal LeftoverUnknown(string database, string username) => new(
        RefusalCode.LeaseUnknown, $"Database '{database}' has no leftover '{username}': it is gone, or a lease knows it. GET /api/v1/leftovers lists all leftovers.");

    public static Refusal LeftoverOfAnother(string database, string username, string mark) => new(
        RefusalCode.LeaseUnknown,
        $"User '{username}' of database '{database}' bears the mark '{mark}' of another broker on its server, which may be using it: it is not a leftover of this broker. If that broker is gone for good, or its ledger was lost, write the mark into Broker:Ledger:FormerMarks.");

    public static Refusal LeftoverMayBeAnothers(string database, string username, string why) => new(
        RefusalCode.LeaseUnknown,
        $"User '{username}' of database '{database}' was named by Vault, and it cannot be determined whether another broker or application is using it: {why}. Revoke its lease in Vault, or drop the user in the database when you are sure.");

    /// <summary>An operator's order; without a reason if none is known.</summary>
    public static Refusal RolePaused(string role, RoleState state, string? reason) => new(
        RefusalCode.RolePaused,
        (state == RoleState.Draining
            ? $"Role '{role}' is being drained by an operator: no new holder gets it, and each holder keeps its connections until its time ends, which is not extended."
            : $"Role '{role}' is paused by an operator: no new holder gets it; holders keep it and renew it as usual.")
        + (reason is null ? "" : $" Reason given: {reason}"),
        PausedRetry);

    public static Refusal DatabaseUnavailable(string why) => new(RefusalCode.DatabaseUnavailable, why, Later);

    public static Refusal IssuerUnavailable(string why) => new(RefusalCode.IssuerUnavailable, why, Later);

    public static Refusal AuditUnavailable() => new(
        RefusalCode.AuditUnavailable, "The broker cannot write its audit, and it grants nothing that is not recorded. Try again shortly.", Later);

    /// <summary>An order that was recorded before it was carried out, while its end cannot be recorded.</summary>
    public static Refusal OutcomeUnrecorded() => new(
        RefusalCode.AuditUnavailable, "Your order is on record, but what came of it could not be recorded: it may have been carried out. Look before you give it again.", Later);

    /// <summary>An order of a caller that was refused so often that its orders would fill the audit.</summary>
    public static Refusal TooManyRefused() => new(
        RefusalCode.LimitExceeded, "You have been refused so often within this minute that nothing is carried out for you until it is over.", TimeSpan.FromMinutes(1));

    /// <summary>The refusal for a claim's last answer, when there is no waiting (or no more waiting) for a better one.</summary>
    public static Refusal For(ClaimAnswer answer, Claim claim, Database database) => answer switch
    {
        ClaimAnswer.Exhausted e => Exhausted(e, claim),
        ClaimAnswer.InLine line when claim.Least > line.Capacity => TakenByOthers(claim, new(line.Free, 0, line.Capacity)),
        ClaimAnswer.InLine line => new(
            RefusalCode.BudgetExhausted,
            Say($"{line.Free} connections are free on database '{database.Name}', but {line.Place - 1} callers are ahead of you in line for them. Try again later, or wait longer with 'Prefer: wait=N'."),
            Soon,
            new(line.Free, 0, line.Capacity)),
        ClaimAnswer.LineFull full => new(
            RefusalCode.BudgetExhausted, $"The line for connections of database '{database.Name}' is full. Try again later.", Later, new(full.Free, 0, full.Capacity)),
        ClaimAnswer.Throttled throttled => Throttled(throttled.StartsIn, database),
        ClaimAnswer.Wait { StartsIn.Ticks: > 0 } wait => Throttled(wait.StartsIn, database),
        ClaimAnswer.Issue { StartsIn.Ticks: > 0 } issue => Throttled(issue.StartsIn, database),
        ClaimAnswer.Wait or ClaimAnswer.Issue => new(
            RefusalCode.IssuerUnavailable, "A lease is being issued, but it is not ready within the time you wait. Try again later: asking again costs nothing.", Soon),
        ClaimAnswer.Failed failed => Failed(failed),
        ClaimAnswer.Stale => new(
            RefusalCode.DatabaseUnavailable,
            $"The connections of database '{database.Name}' have not been counted recently, so none can be promised. The broker counts again as soon as the database answers.",
            Later),
        ClaimAnswer.UserLimit user => new(
            RefusalCode.BudgetExhausted,
            Say($"You need at least {claim.Least} connections, but the database lets each user of role '{claim.Role.Name}' open {user.Limit} at once (its CONNECTION LIMIT, MAX_USER_CONNECTIONS, or the server's max_user_connections). Ask for fewer (connections, minConnections), or have that raised."),
            null,
            new(user.Limit, user.Limit, user.Limit)),
        ClaimAnswer.Paused => RolePaused(claim.Role.Name, RoleState.Paused, null),
        ClaimAnswer.Unknown => HolderUnknown(),
        ClaimAnswer.Late => new(RefusalCode.LedgerUnavailable, "This holder was released a moment ago, and whether this claim is older or newer is not certain. Try again.", Soon),
        _ => throw new InvalidOperationException($"{answer.GetType().Name} is not a refusal."),
    };

    private static Refusal Exhausted(ClaimAnswer.Exhausted e, Claim claim)
    {
        var shortfall = new BudgetShortfall(e.Free, e.CouldAskFor, e.Capacity);
        if (claim.Least > e.Ceiling)
        {
            return new(
                RefusalCode.BudgetExhausted,
                Say($"You need at least {claim.Least} connections, but no more than {e.Ceiling} can ever be promised on this database. Ask for fewer (connections, minConnections), or ask its DBA for a higher ceiling."),
                LongestBudgetRetry,
                shortfall);
        }

        if (claim.Least > e.Capacity) return TakenByOthers(claim, shortfall);
        return new(
            RefusalCode.BudgetExhausted,
            e.CouldAskFor > 0
                ? Say($"You need at least {claim.Least} connections, but only {e.Free} are free. You could ask for {e.CouldAskFor} now (minConnections), or wait in line with 'Prefer: wait=N'.")
                : Say($"You need at least {claim.Least} connections, but none is free for you now. Try again later, or wait in line with 'Prefer: wait=N'."),
            ComeBack(claim, e.NextEndIn ?? UntilSeenClosed),
            shortfall);
    }

    // A caller that waited in line keeps waiting, at the place it had: if all stayed away for longer, room would stand unused for as long.
    private static TimeSpan ComeBack(Claim claim, TimeSpan next) =>
        claim.LineWait > TimeSpan.Zero || next < Soon ? Soon : next < LongestBudgetRetry ? next : LongestBudgetRetry;

    // Those of dropped users, or of other applications: nobody knows when they close.
    private static Refusal TakenByOthers(Claim claim, BudgetShortfall shortfall) => new(
        RefusalCode.BudgetExhausted,
        Say($"You need at least {claim.Least} connections, but those that others have open on this database leave no more than {shortfall.Capacity} to promise. Try again later, ask for fewer (connections, minConnections), or wait in line with 'Prefer: wait=N' until they are closed."),
        ComeBack(claim, UntilSeenClosed),
        shortfall);

    private static Refusal Throttled(TimeSpan startsIn, Database database) => new(
        RefusalCode.IssueThrottled,
        Say($"Database '{database.Name}' gets at most {database.Issuing.UsersPerSecond} new users a second. Your turn is kept: try again later."),
        startsIn > Soon ? startsIn : Soon);

    // The issuing replica wrote the message: "Code: what happened".
    private static Refusal Failed(ClaimAnswer.Failed failed)
    {
        var at = failed.Why.IndexOf(": ", StringComparison.Ordinal);
        var code = at > 0 && Enum.TryParse<RefusalCode>(failed.Why[..at], out var known) ? known : RefusalCode.IssuerUnavailable;
        var what = at > 0 ? failed.Why[(at + 2)..] : failed.Why;
        var detail = code switch
        {
            RefusalCode.LoginFailed => "A database user was issued, but the database refused its login; it is being revoked. The role's statements need to be corrected: ",
            RefusalCode.DatabaseUnavailable => "A database user could not be created, because the database failed: ",
            _ => "The issuer could not create a database user: ",
        };
        return new(code, detail + what, failed.RetryIn > Soon ? failed.RetryIn : Soon);
    }

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
