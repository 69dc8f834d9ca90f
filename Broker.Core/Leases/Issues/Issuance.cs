using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Duties;
using Broker.Core.Issuing;
using Broker.Core.Issuing.BuiltIn;
using Broker.Core.Leases.Logins;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases.Issues;

/// <summary>
/// Issues one lease for a pool, independently of the callers that wait for it: a caller that leaves does not affect the rest. The
/// intent is in the ledger before this begins.
/// </summary>
internal sealed class Issuance(
    SharedLedger ledger, Issuers issuers, DatabaseEngines engines, LoginSealer sealer, StaticTurn turn, FlightLines lines, PoolerUsers poolerUsers, ShutdownSignal shutdown, WaitingSettings waiting,
    BrokerMetrics metrics, Jitter jitter, TimeProvider time, ILogger<Issuance> log)
{
    // The shortest pause after a failure (law L12); it doubles with each failure in a row.
    private static readonly TimeSpan Floor = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan BeatEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(20);

    // Well within the time for which an attempt belongs to its replica.
    private static readonly TimeSpan PromptlyToldIn = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<Task, string> underWay = new();

    /// <summary>Starts issuing; the ledger wakes the lease's waiters when it is ready or has failed.</summary>
    /// <param name="role">The role.</param>
    /// <param name="database">Its database.</param>
    /// <param name="issuer">Its issuer.</param>
    /// <param name="pool">The pool.</param>
    /// <param name="order">The ledger's order.</param>
    public void Start(Role role, Database database, IssuerDefinition issuer, string pool, ClaimAnswer.Issue order)
    {
        var task = RunAsync(role, database, issuer, pool, order);
        underWay[task] = order.Lease;
        task.ContinueWith(done => underWay.TryRemove(done, out _), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Completes when nothing is being issued by this replica.</summary>
    public Task DrainAsync() => Task.WhenAll(underWay.Keys);

    private async Task RunAsync(Role role, Database database, IssuerDefinition issuer, string pool, ClaimAnswer.Issue order)
    {
        using var activity = Tracing.Start("issue");
        activity?.SetTag("broker.role", role.Name).SetTag("broker.database", database.Name).SetTag("broker.lease", order.Lease);
        var attempt = new Attempt(role, database, issuers[issuer], pool, order.Lease, order.Fence);
        var from = time.GetTimestamp();
        using var lost = new CancellationTokenSource();
        using var deadline = new CancellationTokenSource(waiting.IssueDeadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(lost.Token, deadline.Token);
        var beating = BeatAsync(attempt, order.StartsIn, lost, either.Token);
        string outcome;
        try
        {
            outcome = await IssueAsync(attempt, order.StartsIn, deadline, either.Token);
        }
        catch (LedgerException e)
        {
            // The attempt expires in the ledger by itself; the one that takes over revokes anything that this one may have left.
            log.IssueLedgerLost(attempt.Lease, role.Name, e.Message);
            outcome = "ledger-unavailable";
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            log.IssueBroke(attempt.Lease, role.Name, e);
            outcome = "error";
        }
        catch (OperationCanceledException)
        {
            log.IssueOvertaken(attempt.Lease, role.Name);
            outcome = "superseded";
        }

        either.Cancel();
        await beating;
        activity?.SetTag("broker.outcome", outcome);
        metrics.Issued(database.Name, outcome, time.GetElapsedTime(from));
    }

    // A running call to the issuer is not cancelled when another attempt takes over: its answer says what to revoke.
    private async Task<string> IssueAsync(Attempt attempt, TimeSpan startsIn, CancellationTokenSource deadline, CancellationToken cancellation)
    {
        sealer.EnsureKeys(); // a user that could not be recorded must not be made
        var username = attempt.Role.Static is null ? await ProposeAsync(attempt, cancellation) : null;
        if (attempt.Role.Static is { } users)
        {
            (username, var whyNot) = await turn.NextAsync(attempt.Role, attempt.Database, users, attempt.Lease, cancellation);
            if (username is null) return await FailAsync(attempt, mayExist: false, RefusalCode.IssuerUnavailable, whyNot, null);
        }

        // Step 8: Wait for the moment that the database's pace allows.
        if (await PaceAsync(attempt, username, startsIn, deadline, cancellation) is not { } now) return "superseded";

        IssuedLease issued;
        try
        {
            // Step 9: Ask the issuer for a user.
            using var step = Tracing.Start("issue.user");
            issued = await attempt.Issuer.IssueAsync(new(attempt.Role, attempt.Database, username, now), deadline.Token);
        }
        catch (IssuerException e)
        {
            return await FailAsync(attempt, e.Failure == IssuerFailure.AnswerLost, CodeOf(e), e.Message, e.RetryAfter);
        }
        catch (OperationCanceledException)
        {
            // The issuer may have made a user.
            return await FailAsync(attempt, mayExist: true, RefusalCode.IssuerUnavailable, "the issuer did not answer in time", null);
        }

        // Meanwhile the ledger notes whose user it is. A pooler's list of users is made from the ledger's notes: its user is tried afterwards.
        var trial = attempt.Database.Pooler?.UserList is null ? TryLoginAsync(attempt, issued.Login, cancellation) : null;
        var (life, lasts) = attempt.Role.Static is { } turns ? StaticTurn.TermsFrom(turns.Rotation, now) : (issued.Term.Duration, issued.Term.Duration);
        var known = await RecordAsync();
        if (issued.Term.Warning is { } warning) log.IssueWarned(attempt.Lease, attempt.Role.Name, warning);
        if (!known) return await OvertakenAsync();

        int? userLimit;
        try
        {
            userLimit = await (trial ?? TryLoginAsync(attempt, issued.Login, cancellation));
        }
        catch (DatabaseException e)
        {
            return await NotTriedAsync(e.Failure == DatabaseFailure.LoginRefused ? RefusalCode.LoginFailed : RefusalCode.DatabaseUnavailable, e.Message);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            return await NotTriedAsync(RefusalCode.DatabaseUnavailable, "the database did not let the new user in in time");
        }
        catch (OperationCanceledException)
        {
            return await LostAsync();
        }

        // Step 11: Make the lease active, which wakes everybody who waits for it.
        using var last = Tracing.Start("issue.activate");
        // A ledger that has lost whose user it is, and knows of the attempt still, is told once more.
        if (!await ActivateAsync() && !(await RecordAsync() && await ActivateAsync())) return await OvertakenAsync();
        log.Issued(attempt.Lease, attempt.Role.Name, issued.Login.Username, lasts);
        return "issued";

        async Task<bool> RecordAsync()
        {
            try
            {
                using var step = Tracing.Start("issue.record");
                return await ledger.Issues.IssuedAsync(
                    attempt.Database.Name, attempt.Lease, attempt.Fence, issued.Id, issued.Login.Username,
                    sealer.Seal(attempt.Database.Name, attempt.Role.Name, attempt.Pool, attempt.Lease, issued),
                    life, now, issued.Term.Renewable && attempt.Role.Static is null, CancellationToken.None, lasts, new(attempt.Pool, attempt.Role.Name));
            }
            catch (LedgerException)
            {
                // Only this replica knows of the user, so it drops the user at once (law L5).
                await DropAsync();
                throw;
            }
        }

        async Task<bool> ActivateAsync() => await ledger.Issues.ActivateAsync(
            attempt.Database.Name, attempt.Lease, attempt.Fence, attempt.Role.VerifyEvery, attempt.Role.Static is null ? jitter.Fraction() : StaticTurn.Spread, userLimit, CancellationToken.None);

        // The issuer made a user that cannot be given out. Where another attempt has taken over meanwhile, nobody else drops it.
        async Task<string> NotTriedAsync(RefusalCode code, string why) => await FailedAsync(attempt, mayExist: true, code, why, null) ?? await LostAsync();

        // A ledger that has lost whose it is is told once more: its upkeep drops what this replica cannot.
        async Task<string> LostAsync()
        {
            await RecordAsync();
            return await OvertakenAsync();
        }

        async Task<string> OvertakenAsync()
        {
            log.IssueOvertaken(attempt.Lease, attempt.Role.Name);
            await DropAsync();
            if (attempt.Role.Static is not null) await TryAtOnceAsync(attempt, issued.Login.Username);
            return "superseded";
        }

        async Task DropAsync()
        {
            await (trial ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);
            await RevokeAsync(attempt, issued.Id);
        }
    }

    /// <returns>How many connections the user may have by a limit of its own.</returns>
    private async Task<int?> TryLoginAsync(Attempt attempt, Login login, CancellationToken cancellation)
    {
        // Step 10: Log in with it once.
        using var step = Tracing.Start("issue.login");
        var engine = engines[attempt.Database.Engine];
        var limit = engine.UserLimitAsync(attempt.Database, login.Username, cancellation);
        try
        {
            await poolerUsers.LetInAsync(attempt.Database, attempt.Lease, login, cancellation);
            await engine.TryNewLoginAsync(attempt.Database.SeenBy(attempt.Role), login, time, cancellation);
        }
        catch (DatabaseException e) when (e.Failure == DatabaseFailure.UserLimitReached)
        {
            // The server checked the password before it refused: a static user's pods use all its connections, or a new user's limit is zero,
            // which claims are told.
        }
        catch
        {
            await ((Task)limit).ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }

        return await limit;
    }

    // So that another broker on the server does not mistake it for a leftover.
    private async ValueTask<string?> ProposeAsync(Attempt attempt, CancellationToken cancellation)
    {
        var name = attempt.Issuer.ProposeUsername(attempt.Role, attempt.Database);
        return name is not null && UserNames.IsOf(name, attempt.Role.Name, engines[attempt.Database.Engine].Dialect.MaxUsernameLength)
            ? UserNames.Marked(name, await ledger.Marks.OfNewUsersAsync(cancellation))
            : name;
    }

    // A static user's password was changed too late: where another lease gives it out, that one's login may work no more, which its own duty notices.
    private async Task TryAtOnceAsync(Attempt attempt, string username)
    {
        foreach (var lease in await ledger.Leases.LiveAsync(attempt.Database.Name, CancellationToken.None))
        {
            if (lease.Id != attempt.Lease && lease.Username == username && lease.State is LeaseState.Active or LeaseState.Retiring)
                await ledger.Duties.HurryAsync(attempt.Database.Name, DutyKinds.Verify, lease.Id, CancellationToken.None);
        }
    }

    private async Task RevokeAsync(Attempt attempt, string id)
    {
        try
        {
            await attempt.Issuer.RevokeAsync(new(attempt.Role, attempt.Database, id), CancellationToken.None);
        }
        catch (IssuerException e)
        {
            // If the ledger knows the lease, its upkeep tries again.
            log.OvertakenNotRevoked(attempt.Lease, attempt.Role.Name, id, e.Message);
        }
    }

    // The ledger's time when the issuer may be asked; null: another attempt has taken over, or nobody waits any more, or this replica stops. However long
    // that takes, the attempt lives and keeps its turn: those who want the lease wait for it, and an attempt given up here would only begin again behind all others.
    private async Task<DateTimeOffset?> PaceAsync(Attempt attempt, string? username, TimeSpan startsIn, CancellationTokenSource deadline, CancellationToken cancellation)
    {
        using var step = Tracing.Start("issue.turn");
        using var waits = CancellationTokenSource.CreateLinkedTokenSource(cancellation, shutdown.Token);
        deadline.CancelAfter(Timeout.InfiniteTimeSpan);
        try
        {
            if (startsIn > TimeSpan.Zero) await Task.Delay(startsIn, time, waits.Token);
            return await TakeTurnAsync(attempt, username, waits.Token, cancellation);
        }
        catch (OperationCanceledException) when (shutdown.Token.IsCancellationRequested && !cancellation.IsCancellationRequested)
        {
            await ledger.Issues.HandOnAsync(attempt.Database.Name, attempt.Lease, attempt.Fence, CancellationToken.None);
            return null;
        }
        finally
        {
            deadline.CancelAfter(waiting.IssueDeadline);
        }
    }

    private async Task<DateTimeOffset?> TakeTurnAsync(Attempt attempt, string? username, CancellationToken waits, CancellationToken cancellation)
    {
        using var place = lines[attempt.Database.Name].Join();
        await place.FirstAsync(waits);
        while (true)
        {
            var asked = Moment.Now(time);
            switch (await ledger.Issues.BeginAsync(attempt.Database.Name, attempt.Lease, attempt.Fence, username, attempt.Database.Issuing, cancellation))
            {
                case BeginAnswer.Go go:
                    // An answer that was long on its way, or a replica that stood still, may find that another's attempt has begun.
                    return asked.Age(time) < PromptlyToldIn || await ledger.Issues.BeatAsync(attempt.Database.Name, attempt.Lease, attempt.Fence, cancellation)
                        ? go.Now
                        : default(DateTimeOffset?);
                case BeginAnswer.NotYet later:
                    await Task.Delay(later.Wait > ShortestPause ? later.Wait : ShortestPause, time, waits);
                    break;
                case BeginAnswer.Busy:
                    await place.FreedAsync(waits);
                    break;
                default:
                    return null;
            }
        }
    }

    private async Task<string> FailAsync(Attempt attempt, bool mayExist, RefusalCode code, string why, TimeSpan? pause) =>
        await FailedAsync(attempt, mayExist, code, why, pause) ?? "superseded";

    // Null: another attempt has taken over.
    private async Task<string?> FailedAsync(Attempt attempt, bool mayExist, RefusalCode code, string why, TimeSpan? pause)
    {
        log.IssueFailed(attempt.Lease, attempt.Role.Name, code, why);
        return await ledger.Issues.FailAsync(
            attempt.Database.Name, attempt.Lease, attempt.Fence, mayExist, $"{code}: {why}", pause > Floor ? pause.Value : Floor, CancellationToken.None)
            ? WireName.Of(code)
            : null;
    }

    private async Task BeatAsync(Attempt attempt, TimeSpan startsIn, CancellationTokenSource lost, CancellationToken cancellation)
    {
        try
        {
            await Task.Delay(startsIn + BeatEvery, time, cancellation);
            while (true)
            {
                try
                {
                    if (!await ledger.Issues.BeatAsync(attempt.Database.Name, attempt.Lease, attempt.Fence, cancellation)) lost.Cancel();
                }
                catch (LedgerException e)
                {
                    log.BeatFailed(attempt.Lease, e.Message);
                }

                await Task.Delay(BeatEvery, time, cancellation);
            }
        }
        catch (OperationCanceledException)
        {
            // The attempt is over.
        }
    }

    private static RefusalCode CodeOf(IssuerException e) =>
        e.Failure == IssuerFailure.DatabaseUnavailable ? RefusalCode.DatabaseUnavailable : RefusalCode.IssuerUnavailable;

    private sealed record Attempt(Role Role, Database Database, IIssuer Issuer, string Pool, string Lease, long Fence);
}
