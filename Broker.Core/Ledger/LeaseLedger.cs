using Broker.Core.Model;

namespace Broker.Core.Ledger;

/// <summary>Leases from their first holder to their end.</summary>
public sealed class LeaseLedger(LedgerClient client)
{
    /// <summary>The issuer gave a lease more time; with another <paramref name="life"/>, if one is given. False: the lease no longer takes holders, and its announced end stands.</summary>
    public async ValueTask<bool> RenewedAsync(
        string database, string lease, TimeSpan duration, DateTimeOffset asked, bool renewable, TimeSpan nextRenewal, double spread, CancellationToken cancellation, TimeSpan? life = null) =>
        await client.TakeAsync(Decision.Renewed, database, new(lease, duration, asked, renewable, nextRenewal, spread, life), cancellation) == StandingAnswer.Ok;

    /// <summary>The lease's login was tried and worked. False: the lease is over, or the ledger has lost something since, and the login is tried again.</summary>
    /// <param name="database">The database.</param>
    /// <param name="lease">The lease.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="triedFrom">The ledger's time before the login was tried; null: now.</param>
    public async ValueTask<bool> VerifiedAsync(string database, string lease, CancellationToken cancellation, DateTimeOffset? triedFrom = null) =>
        await client.TakeAsync(Decision.Verified, database, new(lease, triedFrom), cancellation) == StandingAnswer.Ok;

    /// <summary>A lease without holders is not tried now, but before somebody gets it. False: it has holders.</summary>
    public async ValueTask<bool> LapseAsync(string database, string lease, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.Lapse, database, new(lease), cancellation) == StandingAnswer.Ok;

    /// <summary>Ends a lease whose end has come, or that has no holders any more.</summary>
    public ValueTask<ExpireAnswer> ExpireAsync(string database, string lease, TimeSpan idle, CancellationToken cancellation) =>
        client.TakeAsync(Decision.Expire, database, new(lease, idle), cancellation);

    /// <summary>Moves a lease, if the move is legal.</summary>
    public ValueTask<MoveAnswer> MoveAsync(
        string database, string lease, LeaseState to, string why, CancellationToken cancellation, MoveHow how = MoveHow.Plainly) =>
        client.TakeAsync(Decision.Move, database, new(lease, to, why, how), cancellation);

    /// <summary>Forgets a lease that is over.</summary>
    public async ValueTask ForgetAsync(string database, string lease, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.Forget, database, new(lease), cancellation);

    private const int AtOnce = 100; // so that each read holds up the ledger for only some milliseconds

    /// <summary>The leases, at most this many: the living ones, oldest first, then those that are over and still shown.</summary>
    public ValueTask<IReadOnlyList<LeaseRecord>> LeasesAsync(string database, int most, CancellationToken cancellation) =>
        ReadAllAsync(database, most, over: true, cancellation);

    /// <summary>The leases that are not over.</summary>
    public ValueTask<IReadOnlyList<LeaseRecord>> LiveAsync(string database, CancellationToken cancellation) =>
        ReadAllAsync(database, int.MaxValue, over: false, cancellation);

    /// <summary>All leases, for whoever concludes something from there being no others.</summary>
    /// <exception cref="LedgerException">The ledger does not answer, or replicas still tell it which leases it lost.</exception>
    public async ValueTask<IReadOnlyList<LeaseRecord>> AllAsync(string database, CancellationToken cancellation)
    {
        var leases = await LeasesAsync(database, int.MaxValue, cancellation);
        // Asked afterwards: by then a ledger that lost something before they were read knows it.
        return (await client.TakeAsync(Decision.Budget, database, new([]), cancellation)).SettlesIn == TimeSpan.Zero
            ? leases
            : throw new LedgerException($"The ledger of database '{database}' lost something, and is being told what: it may not know all leases. Try again in some seconds.");
    }

    /// <summary>One lease; null when the ledger does not know it.</summary>
    public async ValueTask<LeaseRecord?> LeaseAsync(string database, string lease, CancellationToken cancellation) =>
        (await ReadAsync(database, [lease], cancellation)).SingleOrDefault();

    /// <summary>
    /// Tells a ledger that lost something what this replica remembers; the two memories are merged. Answers how many holders were
    /// restored.
    /// </summary>
    /// <param name="database">The database.</param>
    /// <param name="epoch">The epoch that this replica was told of; in another epoch everything has to be told again.</param>
    /// <param name="leases">Leases.</param>
    /// <param name="holders">Holders, of these leases and of others.</param>
    /// <param name="gone">Holders that left.</param>
    /// <param name="spread">0 to 1, at random: keeps leases that are restored together from rotating together.</param>
    /// <param name="why">The reason that is shown for a restored lease.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="pace">What its attempts to issue did; null: not told.</param>
    internal async ValueTask<int> RestoreAsync(
        string database, string epoch, IReadOnlyList<RememberedLease> leases, IReadOnlyList<RememberedHolder> holders, IReadOnlyList<GoneHolder> gone,
        double spread, string why, CancellationToken cancellation, PaceMemory? pace = null)
    {
        RestoredLease[] restored = [.. leases.Select(lease => lease.Record is var of
            ? new RestoredLease(of.Id, of.Pool, of.Role, of.Username, of.IssuerId, of.SealedLogin, lease.EndsIn, lease.EndsAt, of.Life, of.Renewable, of.IssuedAt ?? of.CreatedAt, of.MaxHolders, of.IdleTtl, spread, why, of.UserLimit)
            : null!)];
        return (await client.TakeAsync(Decision.Restore, database, new(epoch, pace?.PacedTo, pace?.Pauses ?? [], restored, holders, gone), cancellation)).Back;
    }

    private async ValueTask<IReadOnlyList<LeaseRecord>> ReadAllAsync(string database, int most, bool over, CancellationToken cancellation)
    {
        var found = new List<LeaseRecord>();
        foreach (var ids in (await client.TakeAsync(Decision.LeaseIds, database, new(most, over), cancellation)).Ids.Chunk(AtOnce))
            found.AddRange(await ReadAsync(database, ids, cancellation));
        return found;
    }

    private async ValueTask<IEnumerable<LeaseRecord>> ReadAsync(string database, IReadOnlyList<string> ids, CancellationToken cancellation)
    {
        var reply = await client.TakeAsync(Decision.Leases, database, new(ids), cancellation);
        return reply.Leases.Select(lease => lease with { Database = database, ReadAt = reply.Now });
    }
}

/// <summary>A lease.</summary>
internal sealed record LeaseQuestion(string Lease);

/// <summary>A lease whose login was tried, and the ledger's time before that.</summary>
internal sealed record VerifiedQuestion(string Lease, DateTimeOffset? TriedFrom);

/// <summary>Whether a lease is still alive.</summary>
internal enum StandingAnswer
{
    /// <summary>It is.</summary>
    Ok,

    /// <summary>It is over, or about to be.</summary>
    Gone,
}

/// <summary>The issuer's answer to a renewal; <paramref name="Asked"/>: the ledger's time before it was asked.</summary>
internal sealed record RenewedQuestion(string Lease, TimeSpan Duration, DateTimeOffset Asked, bool Renewable, TimeSpan NextRenewal, double Spread, TimeSpan? Life);

/// <summary>A lease, and how long it may be without holders while it takes some.</summary>
internal sealed record ExpireQuestion(string Lease, TimeSpan Idle);

/// <summary>The outcome of checking whether a lease is over.</summary>
public abstract record ExpireAnswer
{
    /// <summary>It is over.</summary>
    public sealed record Ended(LeaseState State, string Why) : ExpireAnswer;

    /// <summary>Not yet: check again then.</summary>
    public sealed record Later(TimeSpan Wait) : ExpireAnswer;

    /// <summary>There is nothing to end.</summary>
    public sealed record Gone : ExpireAnswer;
}

/// <summary>How a lease is moved.</summary>
public enum MoveHow
{
    /// <summary>If the move is legal.</summary>
    Plainly,

    /// <summary>Only if nobody is issuing it any more.</summary>
    IfAbandoned,

    /// <summary>With the order to end the sessions of its user when it is revoked.</summary>
    EndSessions,

    /// <summary>Its login no longer works: its holders may move without keeping both logins' connections open.</summary>
    Broken,
}

/// <summary>A move of a lease.</summary>
internal sealed record MoveQuestion(string Lease, LeaseState To, string Why, MoveHow How);

/// <summary>The outcome of a move.</summary>
public enum MoveAnswer
{
    /// <summary>It moved.</summary>
    Moved,

    /// <summary>The move is not legal from its state, or the condition does not hold.</summary>
    NotMoved,

    /// <summary>No such lease.</summary>
    Unknown,
}

/// <summary>The outcome of forgetting a lease.</summary>
internal enum ForgetAnswer
{
    /// <summary>It is forgotten.</summary>
    Forgotten,

    /// <summary>It is not over.</summary>
    NotOver,
}

/// <summary>The oldest leases, with or without those that are over.</summary>
internal sealed record LeaseIdsQuestion(int Most, bool Over);

/// <summary>The leases' ids.</summary>
internal sealed record LeaseIdsReply(IReadOnlyList<string> Ids);

/// <summary>Some leases.</summary>
internal sealed record LeasesQuestion(IReadOnlyList<string> Ids);

/// <summary>The ledger's time, and the leases.</summary>
internal sealed record LeasesReply(DateTimeOffset Now, IReadOnlyList<LeaseRecord> Leases);

/// <summary>A lease as a replica remembers it.</summary>
/// <param name="Record">Its record at the time when its login was opened.</param>
/// <param name="EndsIn">The time until its last announced end, by the replica's stopwatch.</param>
/// <param name="EndsAt">That end, by the ledger's clock.</param>
public sealed record RememberedLease(LeaseRecord Record, TimeSpan EndsIn, DateTimeOffset EndsAt);

/// <summary>A holder as a replica remembers it.</summary>
/// <param name="Id">The holder.</param>
/// <param name="Lease">Its lease.</param>
/// <param name="Connections">The connections granted to it.</param>
/// <param name="EndsIn">The time until its last announced end.</param>
/// <param name="Mark">The mark at which that was so.</param>
/// <param name="Caller">Its name, for people.</param>
/// <param name="Range">What it accepts, as the ledger told it; null: not known.</param>
public sealed record RememberedHolder(string Id, string Lease, int Connections, TimeSpan EndsIn, long Mark, string Caller, string? Range = null);

/// <summary>A holder that left, or has another lease or another size; or a lease that was ordered to be revoked, whoever holds it.</summary>
/// <param name="Id">The holder; or the lease, with a sign before it that no holder's id has.</param>
/// <param name="Mark">The mark at which that happened.</param>
/// <param name="Stays">Whether it is still a holder: a ledger that lost its later state still counts its connections.</param>
public sealed record GoneHolder(string Id, long Mark, bool Stays)
{
    private const char Ordered = '='; // as in common.lua

    /// <summary>A lease that was ordered to be revoked.</summary>
    internal static GoneHolder OfLease(string lease, long mark) => new(Ordered + lease, mark, Stays: false);

    /// <summary>The lease that such an id stands for; null: it is a holder's.</summary>
    internal static string? LeaseIn(string id) => id.StartsWith(Ordered) ? id[1..] : null;
}

/// <summary>What a replica remembers; <paramref name="Epoch"/>: the one that it was told of.</summary>
internal sealed record RestoreQuestion(
    string Epoch, DateTimeOffset? PacedTo, IReadOnlyList<RememberedPause> Pauses, IReadOnlyList<RestoredLease> Leases, IReadOnlyList<RememberedHolder> Holders, IReadOnlyList<GoneHolder> Gone);

/// <summary>A lease to restore.</summary>
internal sealed record RestoredLease(
    string Id, string Pool, string Role, string Username, string IssuerId, string SealedLogin, TimeSpan EndsIn, DateTimeOffset EndsAt, TimeSpan Life, bool Renewable,
    DateTimeOffset IssuedAt, int MaxHolders, TimeSpan IdleTtl, double Spread, string Why, int? UserLimit);

/// <summary>How many holders were restored.</summary>
internal sealed record RestoreReply(int Back);
