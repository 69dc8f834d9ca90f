using System.Collections.Concurrent;
using System.Globalization;
using Broker.Core.Catalog;

namespace Broker.Core.Ledger;

/// <summary>The making of a lease, from the intent to the login that works.</summary>
public sealed class IssueLedger(LedgerClient client, Func<string> newLeaseId)
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<string, PaceMemory> memories = new(StringComparer.Ordinal);

    /// <summary>Makes sure that a pool has a lease that takes holders, before anybody asks.</summary>
    /// <param name="database">The database.</param>
    /// <param name="pace">Its pace.</param>
    /// <param name="role">The pool's role.</param>
    /// <param name="pool">The pool.</param>
    /// <param name="insteadOf">A lease to replace, which takes holders until its successor works; null: none.</param>
    /// <param name="why">The reason that is shown for that lease.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask<SucceedAnswer> SucceedAsync(
        string database, PaceSettings pace, RoleTerms role, string pool, string? insteadOf, string why, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.Succeed, database, new(pool, role.Name, role.MaxHolders, role.IdleTtl, pace.Spacing(), pace.Tolerance(), newLeaseId(), insteadOf, why), cancellation);

    /// <summary>Asked just before the issuer is: may it be?</summary>
    public async ValueTask<BeginAnswer> BeginAsync(
        string database, string lease, long fence, string? username, PaceSettings pace, CancellationToken cancellation)
    {
        var answer = await client.TakeAsync(Decision.Begin, database, new(lease, Text(fence), username, pace.Spacing(), pace.Tolerance(), pace.InFlight), cancellation);
        if (answer is BeginAnswer.Go go) MemoryOf(database).Began(go.PacedTo);
        return answer;
    }

    /// <summary>Gives up an attempt that has not begun, because this replica stops: whoever asks next issues the lease.</summary>
    public async ValueTask HandOnAsync(string database, string lease, long fence, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.HandOn, database, new(lease, Text(fence)), cancellation);

    /// <summary>Reports that the attempt is alive. False: another has taken over, or nobody waits for it any more.</summary>
    public async ValueTask<bool> BeatAsync(string database, string lease, long fence, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.Beat, database, new(lease, Text(fence)), cancellation) == AttemptAnswer.Ok;

    /// <summary>Records what the issuer made. False: another attempt has taken over, or the lease is forgotten, and what was made must be revoked.</summary>
    /// <param name="database">The database.</param>
    /// <param name="lease">The lease.</param>
    /// <param name="fence">The attempt's fencing number.</param>
    /// <param name="issuerId">The issuer's id for it.</param>
    /// <param name="username">Its user.</param>
    /// <param name="sealedLogin">Its login, sealed.</param>
    /// <param name="life">Renewing it, replacing it and taking holders depend on parts of this time.</param>
    /// <param name="asked">The ledger's time when the issuer was asked.</param>
    /// <param name="renewable">Whether the issuer can give it more time.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="lasts">When it ends, counted from <paramref name="asked"/>; null: at the end of its life.</param>
    /// <param name="of">Whose it is, for a ledger that has forgotten the lease; null: nothing is recorded there.</param>
    public async ValueTask<bool> IssuedAsync(
        string database, string lease, long fence, string issuerId, string username, string sealedLogin, TimeSpan life, DateTimeOffset asked, bool renewable,
        CancellationToken cancellation, TimeSpan? lasts = null, PoolOfRole? of = null) =>
        await client.TakeAsync(Decision.Issued, database, new(lease, Text(fence), issuerId, username, sealedLogin, life, lasts ?? life, asked, renewable, of?.Pool, of?.Role), cancellation) == IssuedAnswer.Ok;

    /// <summary>The login worked: the lease takes holders. False: another attempt has taken over.</summary>
    /// <param name="database">The database.</param>
    /// <param name="lease">The lease.</param>
    /// <param name="fence">The attempt's fencing number.</param>
    /// <param name="verifyEvery">How often the login is tried again; zero: never.</param>
    /// <param name="spread">0 to 1, at random: keeps leases that were issued together from rotating together.</param>
    /// <param name="userLimit">How many connections the database lets its user open; null: any number.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask<bool> ActivateAsync(
        string database, string lease, long fence, TimeSpan verifyEvery, double spread, int? userLimit, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.Activate, database, new(lease, Text(fence), verifyEvery, spread, userLimit), cancellation) == AttemptAnswer.Ok;

    /// <summary>The attempt failed; its pool pauses, longer with each failure in a row. False: another attempt has taken over.</summary>
    /// <param name="database">The database.</param>
    /// <param name="lease">The lease that was being issued.</param>
    /// <param name="fence">The attempt's fencing number.</param>
    /// <param name="mayExist">Whether a user may exist (<see cref="Model.LeaseState.Unknown"/>) or certainly does not (<see cref="Model.LeaseState.Failed"/>).</param>
    /// <param name="why">Told to the waiters and to the DBA.</param>
    /// <param name="floor">The shortest pause.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask<bool> FailAsync(
        string database, string lease, long fence, bool mayExist, string why, TimeSpan floor, CancellationToken cancellation)
    {
        var answer = await client.TakeAsync(Decision.Fail, database, new(lease, Text(fence), mayExist, why, floor, floor > LongestPause ? floor : LongestPause), cancellation);
        if (answer is not FailAnswer.Paused paused) return false;
        MemoryOf(database).Paused(new(paused.Pool, paused.Till, paused.Failures, why), paused.Now);
        return true;
    }

    /// <summary>What this replica's attempts did to a database's pace (law L12), for a ledger that loses it.</summary>
    internal PaceMemory MemoryOf(string database) => memories.GetOrAdd(database, static _ => new());

    // Eighteen digits: more than Lua's numbers hold, so scripts have it as a text.
    private static string Text(long fence) => fence.ToString(CultureInfo.InvariantCulture);
}

/// <summary>A request for a pool's next lease.</summary>
/// <param name="Pool">The pool.</param>
/// <param name="Role">Its role.</param>
/// <param name="MaxHolders">Holders per lease.</param>
/// <param name="IdleTtl">How long a lease without holders is kept.</param>
/// <param name="Spacing">The time between two users.</param>
/// <param name="Tolerance">How far ahead of the pace a burst may run.</param>
/// <param name="NewLease">The id of a new lease.</param>
/// <param name="InsteadOf">A lease to replace.</param>
/// <param name="Why">The reason that is shown for that lease.</param>
internal sealed record SucceedQuestion(
    string Pool, string Role, int MaxHolders, TimeSpan IdleTtl, TimeSpan Spacing, TimeSpan Tolerance, string NewLease, string? InsteadOf, string Why);

/// <summary>The ledger's answer to a request for a pool's next lease.</summary>
public abstract record SucceedAnswer
{
    /// <summary>The pool has one; the lease to replace, if any, takes no more holders.</summary>
    public sealed record Ready : SucceedAnswer;

    /// <summary>It has none: this caller issues it, under this fencing number, not before <paramref name="StartsIn"/>.</summary>
    public sealed record Issue(string Lease, long Fence, TimeSpan StartsIn) : SucceedAnswer;

    /// <summary>It is being issued.</summary>
    public sealed record Wait(TimeSpan StartsIn) : SucceedAnswer;

    /// <summary>Issuing failed a moment ago; the next attempt is not made before <paramref name="RetryIn"/> (law L12).</summary>
    public sealed record Failed(TimeSpan RetryIn, string Why) : SucceedAnswer;

    /// <summary>The database's pace allows it only then.</summary>
    public sealed record Throttled(TimeSpan StartsIn) : SucceedAnswer;
}

/// <summary>An attempt that is about to ask the issuer; with the user's name if it is already known.</summary>
internal sealed record BeginQuestion(string Lease, string Fence, string? Username, TimeSpan Spacing, TimeSpan Tolerance, int InFlight);

/// <summary>The ledger's answer to an attempt that is about to ask the issuer.</summary>
public abstract record BeginAnswer
{
    /// <summary>Go ahead.</summary>
    /// <param name="Now">The ledger's time.</param>
    /// <param name="PacedTo">Until when, at the database's pace, the users begun so far use up the allowance.</param>
    public sealed record Go(DateTimeOffset Now, DateTimeOffset PacedTo) : BeginAnswer;

    /// <summary>Ask again then: the database's pace.</summary>
    public sealed record NotYet(TimeSpan Wait) : BeginAnswer;

    /// <summary>Ask again when a call that changes users is over: as many are in flight as may be.</summary>
    public sealed record Busy : BeginAnswer;

    /// <summary>Another attempt has taken over, or nobody waits for it any more.</summary>
    public sealed record Overtaken : BeginAnswer;
}

/// <summary>An attempt to issue a lease.</summary>
internal sealed record AttemptQuestion(string Lease, string Fence);

/// <summary>Whether an attempt is still the current one.</summary>
internal enum AttemptAnswer
{
    /// <summary>It is.</summary>
    Ok,

    /// <summary>Another has taken over.</summary>
    Overtaken,
}

/// <summary>The issuer's answer; <paramref name="Asked"/>: the ledger's time when it was asked.</summary>
internal sealed record IssuedQuestion(
    string Lease, string Fence, string IssuerId, string Username, string SealedLogin, TimeSpan Life, TimeSpan Lasts, DateTimeOffset Asked, bool Renewable, string? Pool, string? Role);

/// <summary>A pool and its role.</summary>
public sealed record PoolOfRole(string Pool, string Role);

/// <summary>The outcome of recording the issuer's answer.</summary>
internal enum IssuedAnswer
{
    /// <summary>The lease has it.</summary>
    Ok,

    /// <summary>Another attempt has taken over, or the lease is forgotten: what was made is another lease's now, which is revoked.</summary>
    Overtaken,

    /// <summary>The lease is forgotten, and nothing is recorded.</summary>
    Gone,
}

/// <summary>A login that worked; see <see cref="IssueLedger.ActivateAsync"/>.</summary>
internal sealed record ActivateQuestion(string Lease, string Fence, TimeSpan VerifyEvery, double Spread, int? UserLimit);

/// <summary>An attempt that failed; the pool's pause is from <paramref name="Floor"/> to <paramref name="Longest"/>.</summary>
internal sealed record FailQuestion(string Lease, string Fence, bool MayExist, string Why, TimeSpan Floor, TimeSpan Longest);

/// <summary>The outcome of a failed attempt.</summary>
internal abstract record FailAnswer
{
    /// <summary>The pool issues nothing until then, after this many failures in a row.</summary>
    public sealed record Paused(string Pool, DateTimeOffset Now, DateTimeOffset Till, int Failures) : FailAnswer;

    /// <summary>Another attempt has taken over.</summary>
    public sealed record Overtaken : FailAnswer;
}
