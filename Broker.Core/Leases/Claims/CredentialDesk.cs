using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases.History;
using Broker.Core.Leases.Issues;
using Broker.Core.Leases.Logins;
using Broker.Core.Leases.Pausing;
using Broker.Core.Ledger;
using Broker.Core.Limits;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases.Claims;

/// <summary>Handles claims: from a proven caller to a grant or a refusal.</summary>
internal sealed class CredentialDesk(
    ICatalog catalog, SharedLedger ledger, DatabaseChannels channels, LeaseLogins logins, Issuance issuance, RememberedGrants remembered, GonePods gone, ConnectionCaps caps, RolePauses pauses, RefusalJournal journal, DeskAudit audit,
    ShutdownSignal shutdown, CallerShares shares, WaitingSettings waiting, BrokerMetrics metrics, TimeProvider time, ILogger<CredentialDesk> log)
{
    private const int MoveAgainSeconds = 10;

    // It may have been moved through another replica and not have heard of it: its former lease lives on for a minute or longer then.
    private const int AskAgainSeconds = 30;

    // A claim is late again and again only if the ledger keeps falling back.
    private static readonly TimeSpan LateAtMost = TimeSpan.FromSeconds(1);

    // Logged once a minute per role: all pods of a rollout get less for the same reason, and each answer says so.
    private const double SmallerToldPerSecond = 1.0 / 60;
    private readonly RateLimit smallerTold = new(time);

    /// <summary>Claims connections and a login of a role. The outcome is in the audit when this returns.</summary>
    /// <param name="ask">What is asked for.</param>
    /// <param name="cancellation">The caller left.</param>
    /// <param name="settle">What else has to be done before it is granted, and recorded; null: nothing.</param>
    /// <exception cref="OperationCanceledException">The caller left.</exception>
    public async ValueTask<Outcome> ClaimAsync(Ask ask, CancellationToken cancellation, Func<Grant, ValueTask<Outcome>>? settle = null)
    {
        var arrived = time.GetTimestamp();
        var outcome = await AnswerAsync(ask, arrived, cancellation);
        if (settle is not null && outcome.Grant is { } claimed) outcome = await settle(claimed);
        // Step 13: Record the outcome before it leaves.
        using var step = Tracing.Start("claim.record");
        // Not cancelled when the caller leaves: the audit has its own deadline, and watching for cancellation would cost every claim.
        outcome = await audit.WriteAsync(AuditAction.Claim, ask, outcome, CancellationToken.None);
        step?.Dispose();
        if (outcome.Refusal is { } refusal && catalog.Current.Roles.TryGetValue(ask.Role, out var asked)) journal.Refused(asked.Database, asked.Name, ask.Caller.DisplayName, refusal);
        if (outcome.Grant is { FewerBecause: { } why } && smallerTold.Take(ask.Role, SmallerToldPerSecond, 1) is null) log.SmallerGrant(outcome.Grant.Holder.Id, ask.Role, why);
        metrics.Claimed(outcome.Refusal?.Code == RefusalCode.NotAllowed ? "" : ask.Role, OutcomeName(outcome), time.GetElapsedTime(arrived));
        return outcome;
    }

    private ValueTask<Outcome> AnswerAsync(Ask ask, long arrived, CancellationToken cancellation)
    {
        var current = catalog.Current;
        // Step 3: May the caller have the role?
        if (!current.Roles.TryGetValue(ask.Role, out var role) || !role.MayBeHadBy(ask.Caller)) return new(Refusals.NotAllowed(ask.Role));
        if (ClaimMaker.From(ask, role, waiting, out var claim) is { } mistake) return new(Refusals.Invalid(mistake));
        if (CallerShares.TeamOf(current.Identity, ask.Caller) is { } team) claim = claim with { Team = team.Name, Party = Parties.Of(team, role) };
        return WithinSharesAsync(ask.Caller, new(role, current.Databases[role.Database], current.Issuers[role.Issuer], ask.Caller) { Proof = ask.Origin.Proof }, claim, arrived, cancellation);
    }

    // Step 4: Take the claim's part of the caller's and the team's share.
    internal ValueTask<Outcome> WithinSharesAsync(Caller caller, ClaimTarget target, Claim claim, long arrived, CancellationToken cancellation)
    {
        return shares.Limit(caller, claim.Holder)
            ? WithinAsync(caller, target, claim, arrived, cancellation)
            : ReserveAndJoinAsync(target, claim, arrived, cancellation);
    }

    // A separate method, so that a caller without limits does not pay for a closure.
    private ValueTask<Outcome> WithinAsync(Caller caller, ClaimTarget target, Claim claim, long arrived, CancellationToken cancellation) =>
        shares.WithinAsync(
            caller,
            claim,
            admitted => ReserveAndJoinAsync(target, admitted, arrived, cancellation),
            away => FromMemoryAsync(target, claim, away, cancellation),
            cancellation);

    // Asks the ledger, and again whenever something has changed, until it grants or the caller's time is over.
    internal async ValueTask<Outcome> ReserveAndJoinAsync(ClaimTarget target, Claim claim, long arrived, CancellationToken cancellation)
    {
        var channel = channels[target.Database.Name];
        Task? pool = null, line = null;
        var setAside = false; // only once: somebody who corrupts logins must not cause one new user after another (law L12)
        try
        {
            while (true)
            {
                if (claim.Kind == ClaimKind.Claim && target.Caller is { } caller && gone.Contains(caller.OwnerHash))
                {
                    await AbandonAsync(target, claim);
                    return Refusals.PodGone();
                }

                var asked = time.GetTimestamp();
                var passed = time.GetElapsedTime(arrived, asked);
                // Step 5: Reserve connections and join the pool's lease, in one decision of the ledger.
                var answer = await channel.Claims.ClaimAsync(Left(claim, passed));
                if (answer is ClaimAnswer.Late)
                {
                    // Its holder was released a moment ago. A claim that is made again knows about the release.
                    cancellation.ThrowIfCancellationRequested();
                    if (passed < claim.IssueWait + LateAtMost) continue;
                }

                if (answer is ClaimAnswer.Granted granted)
                {
                    try
                    {
                        return await GrantAsync(target, claim, granted, asked, cancellation);
                    }
                    catch (UnreadableLoginException e) when (!setAside)
                    {
                        setAside = true;
                        await logins.SetAsideAsync(target.Database.Name, e, cancellation);
                        continue;
                    }
                    catch (LeaseOverException) when (passed < claim.IssueWait)
                    {
                        continue;
                    }
                }

                // A ledger that lost something answers nobody for a while. A holder that this replica remembers need not wait for that. A holder that stays is promised more
                // time than it had, which has to be written.
                if (answer is ClaimAnswer.Stale && (claim.Kind != ClaimKind.Stay || passed >= claim.IssueWait) && RememberedFor(target, claim) is { } had)
                    return AskingSoon(await GrantAsync(target, claim, had, time.GetTimestamp(), cancellation));
                // Step 6: The ledger chose this claim's replica to issue: start, apart from the callers.
                if (answer is ClaimAnswer.Issue order) issuance.Start(target.Role, target.Database, target.Issuer, claim.Pool, order);

                var end = answer is ClaimAnswer.InLine ? claim.LineWait : claim.IssueWait;
                if (!CanWait(answer) || passed >= end || shutdown.Token.IsCancellationRequested)
                {
                    await AbandonAsync(target, claim);
                    if (await KeepAsync(target, channel, claim, answer, cancellation) is { } kept) return kept;
                    return answer is ClaimAnswer.Paused ? await pauses.RefusalAsync(target.Role, cancellation) : Refusals.For(answer, claim, target.Database);
                }

                // Step 7: Wait for the lease, or for connections to come free.
                // Subscribe to the signals before asking the ledger again, so that none is missed in between.
                if (pool is { IsCompleted: false } && line is { IsCompleted: false })
                {
                    using var step = Tracing.Start("claim.wait");
                    await channel.Signals.SleepAsync(pool, line, end - passed, cancellation);
                }

                if (pool is not null && await WhyNoMoreAsync(target, cancellation) is { } over)
                {
                    await AbandonAsync(target, claim);
                    return over;
                }

                pool = channel.Signals.Next("pool:" + claim.Pool);
                line = channel.Signals.Next(answer is ClaimAnswer.Stale ? "sampled" : "line");
            }
        }
        catch (LedgerException e)
        {
            return await FromMemoryAsync(target, claim, e, cancellation);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // The caller left: claims behind it in line need not wait until that is noticed.
            await AbandonAsync(target, claim);
            throw;
        }
    }

    // Whoever waited may have lost its proof meanwhile, and, by a reload, the role or its right to it.
    private async ValueTask<Refusal?> WhyNoMoreAsync(ClaimTarget target, CancellationToken cancellation) =>
        target.Proof is { } proof && await proof.WhyNotAsync(cancellation) is { } unproven ? unproven
        : target.Caller is { } caller && catalog.Current.Roles.GetValueOrDefault(target.Role.Name)?.MayBeHadBy(caller) != true ? Refusals.NotAllowed(target.Role.Name)
        : null;

    // A holder that waited in vain for the next lease keeps its current one until the announced end (law L4).
    private async ValueTask<Outcome?> KeepAsync(ClaimTarget target, DatabaseChannel channel, Claim claim, ClaimAnswer last, CancellationToken cancellation)
    {
        if (last is not (ClaimAnswer.Wait or ClaimAnswer.Issue)) return default(Outcome?);
        var asked = time.GetTimestamp();
        return await channel.Claims.ClaimAsync(claim with { Kind = ClaimKind.Stay }) is ClaimAnswer.Granted kept
            ? (Outcome?)await GrantAsync(target, claim, kept, asked, cancellation)
            : null;
    }

    // asked: when the ledger was asked, by the stopwatch. It may have answered as early as that, so the time that its answer took does not extend the memory (law L3).
    private async ValueTask<Outcome> GrantAsync(ClaimTarget target, Claim claim, ClaimAnswer.Granted granted, long asked, CancellationToken cancellation)
    {
        // Step 12: Open the login, raise the user's cap where it has one, and remember the grant.
        // The holder already exists with fewer connections than this process accepts: it would open more on top of those the holder has. A client that cannot be told another
        // size (of Vault) may read again for the next login: it would lose its login for a number, so it is told of that instead.
        if (claim.Kind == ClaimKind.Claim && claim.Breathes && granted.Connections < claim.Least)
            return Refusals.HolderInUse(claim.Holder, granted.Connections, claim.Least, granted.EndsIn);
        using var step = Tracing.Start("claim.grant");
        var lease = await logins.OfAsync(target.Database, target.Role, granted.Lease, cancellation);
        if (lease is null) return Refusals.LedgerUnavailable();
        logins.Keep(lease, granted.LeaseEndsIn);
        if (!target.MayDrawFrom(lease.Record.Pool, claim)) throw new LedgerException($"The ledger gave holder {claim.Holder} lease {granted.Lease}, which belongs to another pool.");
        granted = granted with { Lease = lease.Record.Id }; // one text for all of a lease's holders
        if (caps.MustRaise(target.Database, granted))
        {
            // It is already promised, and the database may take its time: a ledger that loses the grant meanwhile is told.
            remembered.Remember(target.Database.Name, claim, granted.After(time.GetElapsedTime(asked)));
            if (await caps.RaiseAsync(target.Database, lease.Record, cancellation) is { } notRaised) return notRaised;
        }

        remembered.Remember(target.Database.Name, claim, granted.After(time.GetElapsedTime(asked)) with { CapLeaves = 0 });
        return new Grant(
            target.Role.Name,
            target.Database.Name,
            new(granted.Lease, lease.IssuedAt, granted.VerifiedAt > lease.IssuedAt ? granted.VerifiedAt : lease.IssuedAt, granted.LeaseEndsAt),
            new(claim.Holder, granted.EndsAt, RenewAfter(granted), claim.Caller),
            granted.Size,
            lease.For(granted.Size),
            granted.Overlap)
        {
            LeaseEndsIn = granted.LeaseEndsIn,
            HolderEndsIn = granted.EndsIn,
            Leaving = granted.Leaving,
            Counted = granted.Connections,
            Allotment = granted.Allotment,
            FewerBecause = SmallerGrant.Why(claim, granted),
        };
    }

    // After two thirds of its time; sooner when it has to move and could not yet.
    private static int RenewAfter(ClaimAnswer.Granted granted)
    {
        var seconds = granted.EndsIn.TotalSeconds * 2 / 3;
        return Math.Max(1, (int)(granted.Leaving ? Math.Min(seconds, MoveAgainSeconds) : seconds));
    }

    // Law L4: who is answered from memory asks again before a lease ends that it was perhaps moved off.
    private static Outcome AskingSoon(Outcome outcome) => outcome.Grant is { } grant
        ? grant with { Holder = grant.Holder with { RenewAfterSeconds = Math.Min(grant.Holder.RenewAfterSeconds, AskAgainSeconds) } }
        : outcome;

    // A holder that knows another lease or size than this replica does was moved or resized through another replica meanwhile.
    private ClaimAnswer.Granted? RememberedFor(ClaimTarget target, Claim claim) =>
        remembered.Find(target.Database.Name, claim.Holder) is { } granted && (target.Lease is null || target.Lease == granted.Lease)
        && (claim.Allotment is null || claim.Allotment == (granted.Allotment ?? 0)) ? granted : null;

    private async ValueTask<Outcome> FromMemoryAsync(ClaimTarget target, Claim claim, LedgerException e, CancellationToken cancellation)
    {
        if (RememberedFor(target, claim) is not { } granted)
        {
            log.LedgerAway(target.Database.Name, e.Message);
            return Refusals.LedgerUnavailable();
        }

        log.AnsweredFromMemory(claim.Holder);
        try
        {
            return AskingSoon(await GrantAsync(target, claim, granted, time.GetTimestamp(), cancellation));
        }
        catch (LedgerException)
        {
            return Refusals.LedgerUnavailable();
        }
    }

    private async ValueTask AbandonAsync(ClaimTarget target, Claim claim)
    {
        if (claim.Kind != ClaimKind.Claim) return;
        try
        {
            await ledger.Claims.AbandonAsync(target.Database.Name, claim.Holder, CancellationToken.None);
        }
        catch (LedgerException e)
        {
            log.AbandonFailed(claim.Holder, e.Message);
        }
    }

    private static bool CanWait(ClaimAnswer answer) =>
        answer is ClaimAnswer.Issue or ClaimAnswer.Wait or ClaimAnswer.InLine or ClaimAnswer.Stale;

    private static Claim Left(Claim claim, TimeSpan passed) => passed < TimeSpan.FromMilliseconds(1) ? claim : claim with
    {
        IssueWait = claim.IssueWait > passed ? claim.IssueWait - passed : TimeSpan.Zero,
        LineWait = claim.LineWait > passed ? claim.LineWait - passed : TimeSpan.Zero,
    };

    private static string OutcomeName(Outcome outcome) => outcome.Refusal is { } refusal ? WireName.Of(refusal.Code) : BrokerMetrics.Granted;
}

/// <summary>The role, database and issuer of one request, from one snapshot of the catalog.</summary>
/// <param name="Role">The role.</param>
/// <param name="Database">Its database.</param>
/// <param name="Issuer">Its issuer.</param>
/// <param name="Caller">The caller; null when the broker itself acts.</param>
internal sealed record ClaimTarget(Role Role, Database Database, IssuerDefinition Issuer, Caller? Caller)
{
    /// <summary>The lease that the holder says it has; null when it does not say.</summary>
    public string? Lease { get; init; }

    /// <summary>Proves the caller again after each wait; null when there is no caller to prove.</summary>
    public IStandingProof? Proof { get; init; }

    /// <summary>
    /// Whether this claim may have a lease of this pool, whatever the ledger says. After a change of <see cref="Role.Sharing"/> a holder
    /// may still have a lease of its previous pool.
    /// </summary>
    public bool MayDrawFrom(string pool, Claim claim) =>
        pool == claim.Pool || (Caller is not null && HolderId.TryParse(claim.Holder, out var holder) && Pool.OfAnyScope(Role, Caller, holder).Any(own => own.Key == pool));
}
