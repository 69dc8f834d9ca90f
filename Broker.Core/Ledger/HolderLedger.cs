namespace Broker.Core.Ledger;

/// <summary>Who holds connections.</summary>
public sealed class HolderLedger(ILedgerStore store, SeenSequences seen)
{
    /// <summary>A holder leaves; its connections come free at once.</summary>
    /// <returns>What it had; null when there is no such holder.</returns>
    public async ValueTask<(string Lease, int Connections)?> ReleaseAsync(string database, string holder, CancellationToken cancellation) =>
        await Decision.Release.TakeAsync(store, database, new(holder), cancellation) switch
        {
            ReleaseAnswer.Released released => Saw(database, released.Sequence, (released.Lease, released.Connections)),
            ReleaseAnswer.Nothing nothing => Saw(database, nothing.Sequence, null),
            var other => throw new InvalidOperationException($"{other} is no answer."),
        };

    /// <summary>
    /// Pods are gone: their holders end, and what these had open counts until the database was counted again (law L2).
    /// </summary>
    /// <param name="database">The database.</param>
    /// <param name="owners">The pods, by their <see cref="Identity.Caller.OwnerHash"/>.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>The holders that ended.</returns>
    public async ValueTask<IReadOnlyList<EndedHolder>> PodsGoneAsync(string database, IReadOnlyList<string> owners, CancellationToken cancellation) =>
        (await Decision.PodsGone.TakeAsync(store, database, new(owners), cancellation)).Ended;

    /// <summary>
    /// The holders of a lease, or of all leases (null), that end first, among the database's <paramref name="most"/> holders that end first.
    /// </summary>
    public async ValueTask<IReadOnlyList<HolderRecord>> HoldersAsync(string database, string? lease, int most, CancellationToken cancellation) =>
        (await Decision.Holders.TakeAsync(store, database, new(lease, most), cancellation)).Holders;

    private (string Lease, int Connections)? Saw(string database, long sequence, (string Lease, int Connections)? had)
    {
        seen.Saw(database, sequence);
        return had;
    }
}

/// <summary>A holder as the ledger has it.</summary>
/// <param name="Id">The holder's id.</param>
/// <param name="Caller">Who it is, for people.</param>
/// <param name="Connections">Connections granted.</param>
/// <param name="EndsAt">Its end.</param>
/// <param name="Waiting">It has connections reserved and waits for its login.</param>
public sealed record HolderRecord(string Id, string Caller, int Connections, DateTimeOffset EndsAt, bool Waiting);

/// <summary>A holder that ended with its pod.</summary>
/// <param name="Holder">The holder's id.</param>
/// <param name="Lease">Its lease; empty while it only waited for one.</param>
/// <param name="Connections">Connections that were granted to it.</param>
public sealed record EndedHolder(string Holder, string Lease, int Connections);

/// <summary>Which pods are gone.</summary>
internal sealed record PodsGoneQuestion(IReadOnlyList<string> Owners);

/// <summary>Whom that ended.</summary>
internal sealed record PodsGoneReply(IReadOnlyList<EndedHolder> Ended);

/// <summary>Who leaves.</summary>
internal sealed record ReleaseQuestion(string Holder);

/// <summary>What came of leaving.</summary>
internal abstract record ReleaseAnswer
{
    /// <summary>It had this; the lease's name is empty while it only waited for one.</summary>
    public sealed record Released(string Lease, int Connections, long Sequence) : ReleaseAnswer;

    /// <summary>There is no such holder.</summary>
    public sealed record Nothing(long Sequence) : ReleaseAnswer;
}

/// <summary>Whose holders, and how many of the database's to look at.</summary>
internal sealed record HoldersQuestion(string? Lease, int Most);

/// <summary>Those found.</summary>
internal sealed record HoldersReply(IReadOnlyList<HolderRecord> Holders);
