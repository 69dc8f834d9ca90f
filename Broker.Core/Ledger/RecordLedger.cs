namespace Broker.Core.Ledger;

/// <summary>
/// Texts with an end that all replicas share: one kind of what clients of another protocol hold. Times are the store's (law L9); what is asked
/// at the same time goes there together. All methods throw <see cref="LedgerException"/> when the store does not answer.
/// </summary>
internal sealed class RecordLedger
{
    private const int Most = 1_000_000;
    private const int MostInGroup = 500;
    private const int TailLength = 24;

    private readonly ILedgerStore store;
    private readonly LedgerClient client;
    private readonly string kind, purpose;
    private readonly LedgerSeal? seal;
    private readonly SharedTrips<RecordPut, PutRecordAnswer> puts;
    private readonly SharedTrips<RecordRead, RecordAnswer> reads;
    private readonly SharedTrips<RecordRenewal, RenewRecordAnswer> renewals;

    /// <param name="store">Where decisions run.</param>
    /// <param name="kind">The kind's name; begins with <c>~</c>, which no database's does.</param>
    /// <param name="seal">
    /// Seals the texts, each for its id; null: they stand as they are, because they hold no secret, and nobody gets anything by what they say (law L14).
    /// </param>
    /// <param name="purpose">What they are, and the version of their form.</param>
    public RecordLedger(ILedgerStore store, string kind, LedgerSeal? seal, string purpose)
    {
        (this.store, this.kind, this.seal, this.purpose) = (store, kind, seal, purpose);
        client = new(store);
        puts = new(async batch => (await client.TakeAsync(Decision.PutRecords, kind, new(Most, MostInGroup, batch), CancellationToken.None)).Verdicts);
        reads = new(async batch => (await client.TakeAsync(Decision.ReadRecords, kind, new(batch), CancellationToken.None)).Verdicts);
        renewals = new(async batch => (await client.TakeAsync(Decision.RenewRecords, kind, new(batch), CancellationToken.None)).Verdicts);
    }

    /// <summary>Writes one.</summary>
    public Task<PutRecordAnswer> PutAsync(string id, IReadOnlyList<string> groups, string text, TimeSpan lasts, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return puts.AskAsync(new(id, groups, Seal(text, id), lasts));
    }

    /// <summary>What was written, and when it ends; null when there is none (any more), or somebody else wrote it.</summary>
    public async ValueTask<(string Text, TimeSpan EndsIn)?> ReadAsync(string id, CancellationToken cancellation) =>
        await LookAsync(id, null, cancellation) is RecordAnswer.Found found && TryOpen(id, found.Text) is { } text ? (text, found.EndsIn) : null;

    /// <summary>What stands in the ledger, not opened yet.</summary>
    /// <param name="id">Of which.</param>
    /// <param name="known">What is known already, as <see cref="TailOf"/> says it: where it is the same still, that alone is answered. Null: nothing.</param>
    /// <param name="cancellation">The caller left.</param>
    public Task<RecordAnswer> LookAsync(string id, string? known, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return reads.AskAsync(new(id, known));
    }

    /// <summary>
    /// What a sealed text can be told by: its last letters are those of the seal's own tag, and differ each time something is sealed. Who alters the
    /// text before them alters nothing for whoever has opened it.
    /// </summary>
    public static string TailOf(string sealedText) => sealedText.Length > TailLength ? sealedText[^TailLength..] : sealedText;

    /// <summary>Opens what stands in the ledger for an id; null: somebody else wrote it.</summary>
    public string? TryOpen(string id, string text) => seal is null ? text : seal.TryOpen(text, purpose, id);

    /// <summary>Writes it anew and lets it live so long from now; false when there is none.</summary>
    public async ValueTask<bool> RenewAsync(string id, string text, TimeSpan lasts, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return await renewals.AskAsync(new(id, null, Seal(text, id), lasts)) is RenewRecordAnswer.Renewed;
    }

    /// <summary>The same, where it stands there as <paramref name="was"/> says; of records that are not sealed.</summary>
    public Task<RenewRecordAnswer> RenewAsync(string id, string was, string text, TimeSpan lasts, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return renewals.AskAsync(new(id, was, text, lasts));
    }

    /// <summary>Ends it; every replica hears of it. Its text, for whoever was first alone; null: there is none.</summary>
    public async ValueTask<string?> DropAsync(string id, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.DropRecord, kind, new(id), cancellation) is DropRecordAnswer.Dropped dropped ? TryOpen(id, dropped.Text) : null;

    /// <summary>The ids of a group; of one that ended a moment ago too.</summary>
    public async ValueTask<IReadOnlyList<string>> ListAsync(string group, CancellationToken cancellation) =>
        (await client.TakeAsync(Decision.ListRecords, kind, new(group), cancellation)).Ids;

    /// <summary>Hears of each that is ended, by its id; a signal can be lost on its way.</summary>
    public IDisposable Listen(Action<string> dropped) => store.Listen(kind, dropped);

    private string Seal(string text, string id) => seal is null ? text : seal.Seal(text, purpose, id);
}

/// <summary>Records that are to be written.</summary>
internal sealed record PutRecordsQuestion(int Most, int MostInGroup, IReadOnlyList<RecordPut> Puts);

/// <summary>A record that is to be written.</summary>
internal sealed record RecordPut(string Id, IReadOnlyList<string> Groups, string Text, TimeSpan Lasts);

/// <summary>What became of each.</summary>
internal sealed record PutRecordsReply(IReadOnlyList<PutRecordAnswer> Verdicts);

/// <summary>What became of writing a record.</summary>
internal enum PutRecordAnswer
{
    /// <summary>It is written.</summary>
    Put,

    /// <summary>There is one of that id.</summary>
    Taken,

    /// <summary>There are as many as there may be.</summary>
    Full,
}

/// <summary>Records that are to be read.</summary>
internal sealed record ReadRecordsQuestion(IReadOnlyList<RecordRead> Reads);

/// <summary>A record that is to be read, and the last letters of its text as it is known.</summary>
internal sealed record RecordRead(string Id, string? Known);

/// <summary>What is known of each.</summary>
internal sealed record ReadRecordsReply(IReadOnlyList<RecordAnswer> Verdicts);

/// <summary>What is known of a record.</summary>
internal abstract record RecordAnswer
{
    /// <summary>Its end, and its text.</summary>
    public sealed record Found(TimeSpan EndsIn, string Text) : RecordAnswer;

    /// <summary>Its end; its text is as it was known.</summary>
    public sealed record Same(TimeSpan EndsIn) : RecordAnswer;

    /// <summary>There is none.</summary>
    public sealed record None : RecordAnswer;
}

/// <summary>Records that are to be written anew.</summary>
internal sealed record RenewRecordsQuestion(IReadOnlyList<RecordRenewal> Renewals);

/// <summary>A record that is to be written anew.</summary>
internal sealed record RecordRenewal(string Id, string? Was, string Text, TimeSpan Lasts);

/// <summary>What became of each.</summary>
internal sealed record RenewRecordsReply(IReadOnlyList<RenewRecordAnswer> Verdicts);

/// <summary>What became of renewing a record.</summary>
internal abstract record RenewRecordAnswer
{
    /// <summary>It lives on.</summary>
    public sealed record Renewed : RenewRecordAnswer;

    /// <summary>There is none.</summary>
    public sealed record None : RenewRecordAnswer;

    /// <summary>It stands there otherwise, and so it stays.</summary>
    public sealed record Changed(string Text) : RenewRecordAnswer;
}

/// <summary>The record that is to be ended.</summary>
internal sealed record RecordQuestion(string Id);

/// <summary>What became of ending a record.</summary>
internal abstract record DropRecordAnswer
{
    /// <summary>It is over; this was its text.</summary>
    public sealed record Dropped(string Text) : DropRecordAnswer;

    /// <summary>There is none.</summary>
    public sealed record None : DropRecordAnswer;
}

/// <summary>A group of records.</summary>
internal sealed record ListRecordsQuestion(string Group);

/// <summary>The records of a group.</summary>
internal sealed record ListRecordsReply(IReadOnlyList<string> Ids);
