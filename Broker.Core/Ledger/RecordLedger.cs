namespace Broker.Core.Ledger;

/// <summary>
/// Texts with an end that all replicas share: one kind of record for clients of another protocol. Times are the store's (law L9); simultaneous
/// requests go there together. All methods throw <see cref="LedgerException"/> when the store does not answer.
/// </summary>
internal sealed class RecordLedger
{
    /// <summary>What the name of a wide group begins with: one that holds what many clients of one name have together.</summary>
    public const string Wide = "w:";

    private const int TailLength = 24;

    private readonly ILedgerStore store;
    private readonly LedgerClient client;
    private readonly string kind, purpose;
    private readonly int mostInGroup;
    private readonly LedgerSeal? seal;
    private readonly Decision<RecordQuestion, DropRecordAnswer> drop;
    private readonly SharedTrips<RecordPut, PutRecordAnswer> puts;
    private readonly SharedTrips<RecordRead, RecordAnswer> reads;
    private readonly SharedTrips<RecordRenewal, RenewRecordAnswer> renewals;

    /// <param name="store">Where decisions run.</param>
    /// <param name="kind">The kind's name; begins with <c>~</c>, which no database's does.</param>
    /// <param name="seal">
    /// Seals the texts, each for its id; null: they are stored as they are, because they hold no secret, and their content gives nobody anything (law L14).
    /// </param>
    /// <param name="purpose">What they are, and the version of their form.</param>
    /// <param name="mostInGroup">How many records a group has at most: of more, the one that ends soonest of its oldest and of some others goes.</param>
    /// <param name="mostInWide">How many a <see cref="Wide"/> group has at most.</param>
    /// <param name="most">How many there are at most: of more, none is written.</param>
    /// <param name="isProof">Whether one that was ended must not come back, because it is proof of who somebody is, or was to be had once.</param>
    public RecordLedger(
        ILedgerStore store, string kind, LedgerSeal? seal, string purpose, int mostInGroup = 500, int mostInWide = 20_000, int most = 1_000_000, bool isProof = false)
    {
        drop = isProof ? Decision.RevokeRecord : Decision.DropRecord;
        (this.store, this.kind, this.seal, this.purpose, this.mostInGroup) = (store, kind, seal, purpose, mostInGroup);
        client = new(store);
        puts = new(async batch => (await client.TakeAsync(Decision.PutRecords, kind, new(most, mostInGroup, mostInWide, batch), CancellationToken.None)).Verdicts);
        reads = new(async batch => (await client.TakeAsync(Decision.ReadRecords, kind, new(batch), CancellationToken.None)).Verdicts);
        renewals = new(async batch => (await client.TakeAsync(Decision.RenewRecords, kind, new(batch), CancellationToken.None)).Verdicts);
    }

    /// <summary>Writes one.</summary>
    public Task<PutRecordAnswer> PutAsync(string id, IReadOnlyList<string> groups, string text, TimeSpan lasts, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return puts.AskAsync(new(id, groups, Seal(text, id), lasts));
    }

    /// <summary>Its text, and when it ends; null when there is none (any more), or somebody else wrote it.</summary>
    public async ValueTask<(string Text, TimeSpan EndsIn)?> ReadAsync(string id, CancellationToken cancellation) =>
        await LookAsync(id, null, cancellation) is RecordAnswer.Found found && TryOpen(id, found.Text) is { } text ? (text, found.EndsIn) : null;

    /// <summary>The text in the ledger, not opened yet.</summary>
    /// <param name="id">The record.</param>
    /// <param name="known">The tail of the known text (<see cref="TailOf"/>): if it is still the same, the answer says only that. Null: nothing is known.</param>
    /// <param name="cancellation">The caller left.</param>
    public Task<RecordAnswer> LookAsync(string id, string? known, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return reads.AskAsync(new(id, known));
    }

    /// <summary>
    /// The identity of a sealed text: its last letters belong to the seal's own tag, and differ each time something is sealed. Altering the
    /// text before them alters nothing for a replica that has opened it.
    /// </summary>
    public static string TailOf(string sealedText) => sealedText.Length > TailLength ? sealedText[^TailLength..] : sealedText;

    /// <summary>Opens the text in the ledger for an id; null: somebody else wrote it.</summary>
    public string? TryOpen(string id, string text) => seal is null ? text : seal.TryOpen(text, purpose, id);

    /// <summary>Rewrites it and lets it live for this long from now; false when there is none.</summary>
    public async ValueTask<bool> RenewAsync(string id, string text, TimeSpan lasts, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return await renewals.AskAsync(new(id, null, Seal(text, id), lasts)) is RenewRecordAnswer.Renewed;
    }

    /// <summary>The same, if the text there is <paramref name="was"/>; for records that are not sealed.</summary>
    public Task<RenewRecordAnswer> RenewAsync(string id, string was, string text, TimeSpan lasts, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return renewals.AskAsync(new(id, was, text, lasts));
    }

    /// <summary>Ends it; every replica hears of it. Only the first caller gets its text; null: there is none.</summary>
    public async ValueTask<string?> DropAsync(string id, CancellationToken cancellation) =>
        await client.TakeAsync(drop, kind, new(id), cancellation) is DropRecordAnswer.Dropped dropped ? TryOpen(id, dropped.Text) : null;

    /// <summary>The ids of a group, including records that ended a moment ago.</summary>
    public async ValueTask<IReadOnlyList<string>> ListAsync(string group, CancellationToken cancellation) =>
        (await client.TakeAsync(Decision.ListRecords, kind, new(group, mostInGroup), cancellation)).Ids;

    /// <summary>Whether a group has a record.</summary>
    public async ValueTask<bool> AnyAsync(string group, CancellationToken cancellation) =>
        (await client.TakeAsync(Decision.ListRecords, kind, new(group, 1), cancellation)).Ids.Count > 0;

    /// <summary>Hears the id of each record that is ended; a signal can be lost on its way.</summary>
    public IDisposable Listen(Action<string> dropped) => store.Listen(kind, dropped);

    private string Seal(string text, string id) => seal is null ? text : seal.Seal(text, purpose, id);
}

/// <summary>Records to write.</summary>
internal sealed record PutRecordsQuestion(int Most, int MostInGroup, int MostInWide, IReadOnlyList<RecordPut> Puts);

/// <summary>A record to write.</summary>
internal sealed record RecordPut(string Id, IReadOnlyList<string> Groups, string Text, TimeSpan Lasts);

/// <summary>The outcome of each.</summary>
internal sealed record PutRecordsReply(IReadOnlyList<PutRecordAnswer> Verdicts);

/// <summary>The outcome of writing a record.</summary>
internal enum PutRecordAnswer
{
    /// <summary>It is written.</summary>
    Put,

    /// <summary>The id is taken.</summary>
    Taken,

    /// <summary>The limit of records is reached.</summary>
    Full,
}

/// <summary>Records to read.</summary>
internal sealed record ReadRecordsQuestion(IReadOnlyList<RecordRead> Reads);

/// <summary>A record to read, and the last letters of its known text.</summary>
internal sealed record RecordRead(string Id, string? Known);

/// <summary>The answer for each.</summary>
internal sealed record ReadRecordsReply(IReadOnlyList<RecordAnswer> Verdicts);

/// <summary>The answer for a record.</summary>
internal abstract record RecordAnswer
{
    /// <summary>Its end, and its text.</summary>
    public sealed record Found(TimeSpan EndsIn, string Text) : RecordAnswer;

    /// <summary>Its end; its text is the known one.</summary>
    public sealed record Same(TimeSpan EndsIn) : RecordAnswer;

    /// <summary>There is none.</summary>
    public sealed record None : RecordAnswer;
}

/// <summary>Records to rewrite.</summary>
internal sealed record RenewRecordsQuestion(IReadOnlyList<RecordRenewal> Renewals);

/// <summary>A record to rewrite.</summary>
internal sealed record RecordRenewal(string Id, string? Was, string Text, TimeSpan Lasts);

/// <summary>The outcome of each.</summary>
internal sealed record RenewRecordsReply(IReadOnlyList<RenewRecordAnswer> Verdicts);

/// <summary>The outcome of renewing a record.</summary>
internal abstract record RenewRecordAnswer
{
    /// <summary>It lives on.</summary>
    public sealed record Renewed : RenewRecordAnswer;

    /// <summary>There is none.</summary>
    public sealed record None : RenewRecordAnswer;

    /// <summary>The text there is another one, and stays.</summary>
    public sealed record Changed(string Text) : RenewRecordAnswer;
}

/// <summary>The record to end.</summary>
internal sealed record RecordQuestion(string Id);

/// <summary>The outcome of ending a record.</summary>
internal abstract record DropRecordAnswer
{
    /// <summary>It is over; this was its text.</summary>
    public sealed record Dropped(string Text) : DropRecordAnswer;

    /// <summary>There is none.</summary>
    public sealed record None : DropRecordAnswer;
}

/// <summary>A group of records, of which this many are wanted at most.</summary>
internal sealed record ListRecordsQuestion(string Group, int Most);

/// <summary>The records of a group.</summary>
internal sealed record ListRecordsReply(IReadOnlyList<string> Ids);
