using System.Globalization;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Leases.Holders;
using Broker.Core.Ledger;
using Broker.Core.Limits;
using Broker.Core.Model;

namespace Broker.Core.Sessions;

/// <summary>A session as its pipeline sees it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Token">Its token, returned once, when it is opened; null afterwards.</param>
/// <param name="Roles">The roles it was given for.</param>
/// <param name="Issuer">The identity issuer that proved the pipeline.</param>
/// <param name="Subject">The pipeline.</param>
/// <param name="OpenedAt">When it was opened.</param>
/// <param name="ExpiresAt">Its end unless it is renewed.</param>
internal sealed record SessionAnswer(
    string Id, Secret? Token, IReadOnlyList<string> Roles, string Issuer, string Subject, DateTimeOffset OpenedAt, DateTimeOffset ExpiresAt);

/// <summary>A session or a refusal.</summary>
internal readonly record struct SessionOutcome(SessionAnswer? Session, Refusal? Refusal)
{
    public static implicit operator SessionOutcome(SessionAnswer session) => new(session, null);

    public static implicit operator SessionOutcome(Refusal refusal) => new(null, refusal);
}

/// <summary>Exchanges a pipeline's token, which expires within minutes, for a session that lives as long as its job.</summary>
internal sealed class SessionDesk(ICatalog catalog, SessionLedger ledger, SessionSealer sealer, HolderDesk holders, DeskAudit audit, TimeProvider time)
{
    private const int MostRoles = 50;

    // A job's provider gives it any number of tokens: one name opens as many sessions as a large matrix of jobs has, and then as many as have room beside others'.
    private const int MostAtOnce = 300;
    private static readonly TimeSpan Then = TimeSpan.FromSeconds(30);

    private const double RenewalsPerSecond = 1;

    private readonly RateLimit openings = new(time);
    private readonly RateLimit renewals = new(time);

    /// <summary>Opens a session.</summary>
    /// <param name="caller">The pipeline, proven by its own token.</param>
    /// <param name="tokenHash">The hash of that token, so that it is exchanged only once.</param>
    /// <param name="roles">The roles it is for.</param>
    /// <param name="lifetime">How long it should live unless renewed; null: as configured.</param>
    /// <param name="origin">Where the request came from.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask<SessionOutcome> OpenAsync(
        Caller caller, string tokenHash, IReadOnlyList<string> roles, TimeSpan? lifetime, Origin origin, CancellationToken cancellation)
    {
        var (token, now) = (SessionToken.New(), time.GetUtcNow());
        var order = DeskAudit.Of(AuditAction.Session, caller, null, origin, time) with { Detail = $"session {token.Id} to be opened" };
        if (WhyNot(caller, tokenHash, roles, lifetime) is { } mistake) return (await audit.EndAsync(order, mistake, cancellation))!;
        var session = Session.Of(caller, [.. roles.Distinct(StringComparer.Ordinal)], now, token);
        if (openings.Take(caller.WorkloadHash, 1 / Then.TotalSeconds, MostAtOnce) is { } wait) return (await audit.EndAsync(order, TooMany(wait), cancellation))!;
        SessionAnswer? opened = null;
        var refusal = await audit.CarryOutAsync(
            order with { Detail = $"session {token.Id} to be opened, for {string.Join(", ", session.Roles)}" },
            async ordered =>
            {
                (opened, var why) = await OpenAsync(caller, token, tokenHash, session, lifetime, cancellation);
                return (ordered with { Detail = opened is null ? null : Said("opened", opened) }, why);
            },
            cancellation);
        if (refusal is null) return opened!;

        // Nobody is told of it, so it is not to have a place.
        if (opened is not null) await GuardedAsync(async () => await ledger.RevokeAsync(token.Id, CancellationToken.None) ? opened : (SessionOutcome)Unknown());
        return refusal;
    }

    /// <summary>
    /// Renews a session while its job runs, up to its longest lifetime. Within a second of another renewal it only shows the session: that renews nothing, and is
    /// not recorded, so that one job does not fill the record (law L15).
    /// </summary>
    public async ValueTask<SessionOutcome> RenewAsync(Caller caller, string id, Origin origin, CancellationToken cancellation)
    {
        var (found, refusal) = await FindAsync(id, session => caller.Session == id, cancellation);
        SessionOutcome outcome = refusal ?? (SessionOutcome)found!;
        if (found is not null)
        {
            if (renewals.Take(id, RenewalsPerSecond, 1) is not null) return found;
            outcome = await GuardedAsync(async () => await ledger.RenewAsync(id, catalog.Current.Identity.Sessions.Lifetime, cancellation) is { } left
                ? found with { ExpiresAt = time.GetUtcNow() + left }
                : (SessionOutcome)Unknown());
        }

        var record = DeskAudit.Of(AuditAction.Session, caller, null, origin, time) with { Detail = outcome.Session is { } renewed ? Said("renewed", renewed) : null };
        return await audit.EndAsync(record, outcome.Refusal, cancellation) is { } told ? told : outcome;
    }

    /// <summary>Shows a session to itself, to its opener, and to viewers.</summary>
    public async ValueTask<SessionOutcome> ReadAsync(Caller caller, string id, bool isViewer, CancellationToken cancellation)
    {
        var (found, refusal) = await FindAsync(id, session => isViewer || IsOwn(caller, id, session), cancellation);
        return refusal ?? (SessionOutcome)found!;
    }

    /// <summary>Ends a session: every replica refuses it within a second. What its job held under the session's own name is released.</summary>
    public async ValueTask<SessionOutcome> RevokeAsync(Caller caller, string id, string? operatorsReason, Origin origin, CancellationToken cancellation)
    {
        Session? its = null;
        var (found, refusal) = await FindAsync(
            id,
            session =>
            {
                its = session;
                return operatorsReason is not null || IsOwn(caller, id, session);
            },
            cancellation);
        var order = DeskAudit.Of(AuditAction.Session, caller, null, origin, time) with { Reason = operatorsReason };
        var told = found is null
            ? await audit.EndAsync(order, refusal, cancellation)
            : await audit.CarryOutAsync(
                order with { Detail = Said("ended", found) }, async () => await ledger.RevokeAsync(id, cancellation) ? null : Unknown(), cancellation);
        if (told is not null) return told;
        await ReleaseAsync(id, its!, found!.ExpiresAt, origin);
        return found;
    }

    // Nobody else can: its token is over, and a later job of the same pipeline has other holders. What the job gave names of its own ends by itself.
    private async ValueTask ReleaseAsync(string id, Session session, DateTimeOffset endsAt, Origin origin)
    {
        var job = session.Caller(id, endsAt, null, catalog.Current.Identity.Issuers.GetValueOrDefault(session.Issuer)?.Cluster);
        foreach (var role in session.Roles) await holders.ReleaseAsync(job, HolderId.For(role, job, id).Value, origin, CancellationToken.None, mayHaveNone: true);
    }

    /// <summary>
    /// Whether a caller of an issuer may have a session. Not where the issuer is asked about each token, nor with a pod's token: a
    /// session would outlive the checks that those tokens depend on besides their signature, and pods get new tokens as long as they live.
    /// </summary>
    public static bool MayOpen(IdentityIssuer issuer, Caller caller) =>
        issuer.Sessions && issuer.TokenReview is null && caller.Pod is null && caller.PodUid is null && caller.SigningKey is not null && Vouches(issuer, caller);

    /// <summary>Whether an issuer's tokens, as it is configured now, have the audience and the issuer that a caller was proven with: what was made by one that has not is over.</summary>
    public static bool Vouches(IdentityIssuer issuer, Caller caller) =>
        caller.Claims["aud"].Contains(issuer.Audience, StringComparer.Ordinal)
        && (issuer.Issuer is null || caller.Claims["iss"].Any(iss => issuer.IsCalled(issuer.Issuer, iss)));

    // What is wrong whatever the ledger says.
    private Refusal? WhyNot(Caller caller, string tokenHash, IReadOnlyList<string> roles, TimeSpan? lifetime)
    {
        var current = catalog.Current;
        if (caller.Session is not null || !(current.Identity.Issuers.TryGetValue(caller.Issuer, out var issuer) && MayOpen(issuer, caller)))
            return new Refusal(RefusalCode.NotAllowed, "This token cannot be exchanged for a session. Use it directly, or send one from an issuer that has Sessions set.");
        if (roles.Count is 0 or > MostRoles || roles.Any(static name => name is null)) return Refusals.Invalid($"'roles' must name 1 to {MostRoles} roles that the session is for.");
        foreach (var name in roles)
        {
            if (!current.Roles.TryGetValue(name, out var role) || !role.MayBeHadBy(caller)) return Refusals.NotAllowed(name);
        }

        var longest = current.Identity.Sessions.MaxLifetime;
        return lifetime < TimeSpan.FromMinutes(1) || lifetime > longest
            ? Refusals.Invalid(string.Create(CultureInfo.InvariantCulture, $"'lifetimeSeconds' must be 60 to {longest.TotalSeconds:0}."))
            : ledger.WasExchanged(tokenHash) ? TokenUsed() : null;
    }

    private ValueTask<SessionOutcome> OpenAsync(Caller caller, SessionToken token, string tokenHash, Session session, TimeSpan? lifetime, CancellationToken cancellation)
    {
        var (identity, now) = (catalog.Current.Identity, session.OpenedAt);
        var settings = identity.Sessions;
        return GuardedAsync(async () =>
        {
            // Remembered a little longer than the token can be used, whatever the issuer's clock says.
            var skew = identity.Issuers.GetValueOrDefault(caller.Issuer)?.ClockSkew ?? TimeSpan.Zero;
            var tokenLeft = caller.ExpiresAt - now + skew + TimeSpan.FromMinutes(1);
            var (opening, left) = await ledger.OpenAsync(
                token.Id, sealer.Write(token.Id, session, settings.MaxLifetime), lifetime ?? settings.Lifetime, settings.MaxLifetime, settings.Most, tokenHash, tokenLeft, cancellation);
            return opening switch
            {
                SessionOpening.Open => new SessionAnswer(token.Id, token.Value, session.Roles, session.Issuer, session.Subject, now, now + left),
                SessionOpening.TokenUsed => TokenUsed(),
                SessionOpening.Unsettled => new Refusal(
                    RefusalCode.LedgerUnavailable, "The ledger is new or has lost something, and whether this token was exchanged is not known yet. Try again shortly.", AtLeastASecond(left)),
                _ => (SessionOutcome)new Refusal(RefusalCode.LimitExceeded, "The limit on sessions is reached. Try again when one has ended.", AtLeastASecond(left)),
            };
        });
    }

    private static Refusal TooMany(TimeSpan wait) => new(
        RefusalCode.LimitExceeded,
        string.Create(CultureInfo.InvariantCulture, $"This caller has opened {MostAtOnce} sessions, and may open one more every {Then.TotalSeconds:0} seconds. Use those that are open."),
        AtLeastASecond(wait));

    private static Refusal TokenUsed() => new(
        RefusalCode.NotAllowed, "This token has already been exchanged, and a token can be exchanged only once. Keep the session, or get a new token.");

    private static string Said(string what, SessionAnswer session) =>
        string.Create(CultureInfo.InvariantCulture, $"session {session.Id} {what}, for {string.Join(", ", session.Roles)}, until {session.ExpiresAt:O}");

    private static TimeSpan AtLeastASecond(TimeSpan wait) => wait > TimeSpan.FromSeconds(1) ? wait : TimeSpan.FromSeconds(1);

    private async ValueTask<(SessionAnswer? Found, Refusal? Refusal)> FindAsync(string id, Func<Session, bool> may, CancellationToken cancellation)
    {
        var outcome = await GuardedAsync(async () =>
        {
            // Somebody else's session is reported as unknown.
            if (await ledger.ReadAsync(id, cancellation) is not var (text, left) || sealer.Read(id, text) is not { } session || !may(session)) return Unknown();
            return new SessionAnswer(id, null, session.Roles, session.Issuer, session.Subject, session.OpenedAt, time.GetUtcNow() + left);
        });
        return (outcome.Session, outcome.Refusal);
    }

    private static bool IsOwn(Caller caller, string id, Session session) => caller.Session is { } own ? own == id : session.IsOf(caller);

    private static Refusal Unknown() => new(RefusalCode.SessionUnknown, "You have no such session: it has ended or was revoked. Open one with POST /api/v1/sessions.");

    private static async ValueTask<SessionOutcome> GuardedAsync(Func<Task<SessionOutcome>> decision)
    {
        try
        {
            return await decision();
        }
        catch (LedgerException)
        {
            return Refusals.LedgerUnavailable();
        }
    }
}
