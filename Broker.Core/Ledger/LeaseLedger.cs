using Broker.Core.Model;

namespace Broker.Core.Ledger;

/// <summary>Leases from their first holder to their end.</summary>
public sealed class LeaseLedger(ILedgerStore store)
{
    /// <summary>The issuer gave a lease more time. False: the lease takes holders no more, and its announced end stands.</summary>
    public async ValueTask<bool> RenewedAsync(
        string database, string lease, TimeSpan duration, DateTimeOffset asked, bool renewable, TimeSpan nextRenewal, double spread, CancellationToken cancellation) =>
        await Decision.Renewed.TakeAsync(store, database, new(lease, duration, asked, renewable, nextRenewal, spread), cancellation) == StandingAnswer.Ok;

    /// <summary>The lease's login was tried and worked. False: the lease is over.</summary>
    public async ValueTask<bool> VerifiedAsync(string database, string lease, CancellationToken cancellation) =>
        await Decision.Verified.TakeAsync(store, database, new(lease), cancellation) == StandingAnswer.Ok;

    /// <summary>Ends a lease whose end has come, or that has no holders any more.</summary>
    public ValueTask<ExpireAnswer> ExpireAsync(string database, string lease, TimeSpan idle, CancellationToken cancellation) =>
        Decision.Expire.TakeAsync(store, database, new(lease, idle), cancellation);

    /// <summary>Moves a lease, if the move is legal.</summary>
    public ValueTask<MoveAnswer> MoveAsync(
        string database, string lease, LeaseState to, string why, CancellationToken cancellation, MoveHow how = MoveHow.Plainly) =>
        Decision.Move.TakeAsync(store, database, new(lease, to, why, how), cancellation);

    /// <summary>Forgets a lease that is over.</summary>
    public async ValueTask ForgetAsync(string database, string lease, CancellationToken cancellation) =>
        await Decision.Forget.TakeAsync(store, database, new(lease), cancellation);

    /// <summary>The leases, oldest first, at most so many.</summary>
    public ValueTask<IReadOnlyList<LeaseRecord>> LeasesAsync(string database, int most, CancellationToken cancellation) =>
        ReadAsync(database, new(most, null), cancellation);

    /// <summary>One lease; null when the ledger does not know it.</summary>
    public async ValueTask<LeaseRecord?> LeaseAsync(string database, string lease, CancellationToken cancellation) =>
        (await ReadAsync(database, new(1, lease), cancellation)).SingleOrDefault();

    /// <summary>
    /// Puts back what this replica remembers of a lease and its holders after the ledger lost something; what the ledger knows
    /// is left as it is. Answers how many holders were put back.
    /// </summary>
    public async ValueTask<int> RestoreAsync(
        string database, string epoch, RememberedLease? lease, double spread, string why, IReadOnlyList<RememberedHolder> holders, CancellationToken cancellation)
    {
        RestoredLease[] restored = lease is { Record: var of }
            ? [new(of.Id, of.Pool, of.Role, of.Username, of.IssuerId, of.SealedLogin, lease.EndsIn, of.Life, of.Renewable, of.IssuedAt ?? DateTimeOffset.UnixEpoch, of.MaxHolders, of.IdleTtl, spread, why)]
            : [];
        return (await Decision.Restore.TakeAsync(store, database, new(epoch, restored, holders), cancellation)).Back;
    }

    private async ValueTask<IReadOnlyList<LeaseRecord>> ReadAsync(string database, LeasesQuestion question, CancellationToken cancellation)
    {
        var reply = await Decision.Leases.TakeAsync(store, database, question, cancellation);
        return [.. reply.Leases.Select(lease => lease with { Database = database, ReadAt = reply.Now })];
    }
}

/// <summary>A lease.</summary>
internal sealed record LeaseQuestion(string Lease);

/// <summary>Whether a lease still stands.</summary>
internal enum StandingAnswer
{
    /// <summary>It does.</summary>
    Ok,

    /// <summary>It is over, or about to be.</summary>
    Gone,
}

/// <summary>What the issuer said to a renewal; <paramref name="Asked"/>: the ledger's time before it was asked.</summary>
internal sealed record RenewedQuestion(string Lease, TimeSpan Duration, DateTimeOffset Asked, bool Renewable, TimeSpan NextRenewal, double Spread);

/// <summary>A lease, and how long it may be without holders while it takes some.</summary>
internal sealed record ExpireQuestion(string Lease, TimeSpan Idle);

/// <summary>What came of looking whether a lease is over.</summary>
public abstract record ExpireAnswer
{
    /// <summary>It is over.</summary>
    public sealed record Ended(LeaseState State, string Why) : ExpireAnswer;

    /// <summary>Not yet: look again then.</summary>
    public sealed record Later(TimeSpan Wait) : ExpireAnswer;

    /// <summary>There is nothing to end.</summary>
    public sealed record Gone : ExpireAnswer;
}

/// <summary>How a lease is moved.</summary>
public enum MoveHow
{
    /// <summary>Whenever the move is legal.</summary>
    Plainly,

    /// <summary>Only when nobody issues it any more.</summary>
    IfAbandoned,

    /// <summary>And the sessions of its user are to be ended when it is revoked.</summary>
    EndSessions,

    /// <summary>Its login works no more: its holders need not be able to keep both open to move.</summary>
    Broken,
}

/// <summary>A move of a lease.</summary>
internal sealed record MoveQuestion(string Lease, LeaseState To, string Why, MoveHow How);

/// <summary>What came of a move.</summary>
public enum MoveAnswer
{
    /// <summary>It moved.</summary>
    Moved,

    /// <summary>The move is not legal from its state, or the condition does not hold.</summary>
    NotMoved,

    /// <summary>No such lease.</summary>
    Unknown,
}

/// <summary>What came of forgetting a lease.</summary>
internal enum ForgetAnswer
{
    /// <summary>It is forgotten.</summary>
    Forgotten,

    /// <summary>It is not over.</summary>
    NotOver,
}

/// <summary>The oldest leases, or one of them.</summary>
internal sealed record LeasesQuestion(int Most, string? Lease);

/// <summary>The ledger's time, and the leases.</summary>
internal sealed record LeasesReply(DateTimeOffset Now, IReadOnlyList<LeaseRecord> Leases);

/// <summary>A lease as a replica remembers it.</summary>
/// <param name="Record">As it was when its login was opened.</param>
/// <param name="EndsIn">Until its end as last announced.</param>
public sealed record RememberedLease(LeaseRecord Record, TimeSpan EndsIn);

/// <summary>A holder as a replica remembers it.</summary>
/// <param name="Id">The holder.</param>
/// <param name="Connections">What it was granted.</param>
/// <param name="EndsIn">Until its end as last announced.</param>
/// <param name="Caller">Who it is, for people.</param>
public sealed record RememberedHolder(string Id, int Connections, TimeSpan EndsIn, string Caller);

/// <summary>What a replica remembers: of one lease (or none) and its holders. <paramref name="Epoch"/>: the one in which the loss was noticed.</summary>
internal sealed record RestoreQuestion(string Epoch, IReadOnlyList<RestoredLease> Leases, IReadOnlyList<RememberedHolder> Holders);

/// <summary>A lease that is put back.</summary>
internal sealed record RestoredLease(
    string Id, string Pool, string Role, string Username, string IssuerId, string SealedLogin, TimeSpan EndsIn, TimeSpan Life, bool Renewable,
    DateTimeOffset IssuedAt, int MaxHolders, TimeSpan IdleTtl, double Spread, string Why);

/// <summary>How many holders were put back.</summary>
internal sealed record RestoreReply(int Back);
