namespace Broker.Core.Ledger;

/// <summary>The caps that databases themselves enforce on the users of leases.</summary>
public sealed class CapLedger(LedgerClient client)
{
    /// <summary>Takes the exclusive right to change the cap of a lease's user; see <see cref="CapTurn"/>.</summary>
    /// <param name="database">The database.</param>
    /// <param name="lease">The lease.</param>
    /// <param name="token">Identifies the taker in the following calls.</param>
    /// <param name="takenFor">After this time another may take it.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public ValueTask<CapTurn> TakeCapAsync(string database, string lease, string token, TimeSpan takenFor, CancellationToken cancellation) =>
        client.TakeAsync(Decision.TakeCap, database, new(lease, token, takenFor), cancellation);

    /// <summary>
    /// Records a lower cap before the database is told: claims from now on raise it again. Returns what it may be lowered to,
    /// never below what the holders have; null when another has taken over, or the ledger lost something a moment ago.
    /// </summary>
    public async ValueTask<int?> LowerCapAsync(string database, string lease, string token, int cap, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.LowerCap, database, new(lease, token, cap), cancellation) is LowerCapAnswer.Lowered lowered ? lowered.Cap : null;

    /// <summary>
    /// Gives the right back, and records what the database was told. False: the right was over, or another, whose right was over, told the database something
    /// meanwhile; what it was told last is not known, and it counts as having no cap. Null: the lease is over.
    /// </summary>
    /// <param name="database">The database.</param>
    /// <param name="lease">The lease.</param>
    /// <param name="token">As taken.</param>
    /// <param name="told">Null: nothing; -1: that there is no cap any more.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask<bool?> CappedAsync(string database, string lease, string token, int? told, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.Capped, database, new(lease, token, told), cancellation) switch
        {
            CappedAnswer.Ok => true,
            CappedAnswer.Lost => false,
            _ => null,
        };
}

/// <summary>Whether a replica may change what the database itself lets a lease's user open.</summary>
public abstract record CapTurn
{
    /// <summary>It may, alone.</summary>
    /// <param name="Connections">What the lease's holders have now.</param>
    /// <param name="Cap">What the database was last told; null: nothing.</param>
    /// <param name="IsTold">Whether the database certainly did that; else it may let the user open more.</param>
    /// <param name="Username">The user.</param>
    /// <param name="Free">Connections of the database that are promised to nobody.</param>
    /// <param name="Beyond">Connections that its user had open at the last count beyond those granted to its holders.</param>
    /// <param name="Lingers">Holders moved off the lease a moment ago, and may still be closing their connections.</param>
    /// <param name="Quiet">The ledger lost something a moment ago: the lease may have more holders than it knows.</param>
    public sealed record Taken(int Connections, int? Cap, bool IsTold, string Username, int Free, int Beyond, bool Lingers, bool Quiet) : CapTurn;

    /// <summary>Another is changing it.</summary>
    public sealed record Busy : CapTurn;

    /// <summary>The lease is over.</summary>
    public sealed record Gone : CapTurn;
}

/// <summary>A request for the right to change a lease's cap; the token makes the right exclusive.</summary>
internal sealed record TakeCapQuestion(string Lease, string Token, TimeSpan TakenFor);

/// <summary>The cap that the database is about to be told.</summary>
internal sealed record LowerCapQuestion(string Lease, string Token, int Cap);

/// <summary>The cap that it may be told.</summary>
internal abstract record LowerCapAnswer
{
    /// <summary>This cap, at least what the lease's holders have.</summary>
    public sealed record Lowered(int Cap) : LowerCapAnswer;

    /// <summary>Nothing: another has taken over, or the ledger lost something a moment ago.</summary>
    public sealed record Lost : LowerCapAnswer;

    /// <summary>Nothing: the lease is over.</summary>
    public sealed record Gone : LowerCapAnswer;
}

/// <summary>What the database was told; null: nothing, -1: that there is no cap any more.</summary>
internal sealed record CappedQuestion(string Lease, string Token, int? Told);

/// <summary>The outcome of giving the right back.</summary>
internal enum CappedAnswer
{
    /// <summary>It is recorded.</summary>
    Ok,

    /// <summary>It was not the only one to tell the database something.</summary>
    Lost,

    /// <summary>The lease is over.</summary>
    Gone,
}
