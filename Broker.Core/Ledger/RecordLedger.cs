namespace Broker.Core.Ledger;

/// <summary>
/// Texts with an end that all replicas share: one kind of what clients of another protocol hold. Times are the store's (law L9). All
/// methods throw <see cref="LedgerException"/> when the store does not answer.
/// </summary>
/// <param name="store">Where decisions run.</param>
/// <param name="kind">The kind's name; begins with <c>~</c>, which no database's does.</param>
/// <param name="seal">Seals the texts, each for its id.</param>
/// <param name="purpose">What they are, and the version of their form.</param>
internal sealed class RecordLedger(ILedgerStore store, string kind, LedgerSeal seal, string purpose)
{
    private const int Most = 1_000_000;
    private const int MostInGroup = 500;

    private readonly LedgerClient client = new(store);

    /// <summary>Writes one.</summary>
    public async ValueTask<PutRecordAnswer> PutAsync(string id, IReadOnlyList<string> groups, string text, TimeSpan lasts, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.PutRecord, kind, new(id, groups, seal.Seal(text, purpose, id), lasts, Most, MostInGroup), cancellation);

    /// <summary>What was written, and when it ends; null when there is none (any more), or somebody else wrote it.</summary>
    public async ValueTask<(string Text, TimeSpan EndsIn)?> ReadAsync(string id, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.ReadRecord, kind, new(id), cancellation) is RecordAnswer.Found found && seal.TryOpen(found.Text, purpose, id) is { } text
            ? (text, found.EndsIn)
            : null;

    /// <summary>Writes it anew and lets it live so long from now; false when there is none.</summary>
    public async ValueTask<bool> RenewAsync(string id, string text, TimeSpan lasts, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.RenewRecord, kind, new(id, seal.Seal(text, purpose, id), lasts), cancellation) == RenewRecordAnswer.Renewed;

    /// <summary>Ends it; every replica hears of it. Its text, for whoever was first alone; null: there is none.</summary>
    public async ValueTask<string?> DropAsync(string id, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.DropRecord, kind, new(id), cancellation) is DropRecordAnswer.Dropped dropped ? seal.TryOpen(dropped.Text, purpose, id) : null;

    /// <summary>The ids of a group; of one that ended a moment ago too.</summary>
    public async ValueTask<IReadOnlyList<string>> ListAsync(string group, CancellationToken cancellation) =>
        (await client.TakeAsync(Decision.ListRecords, kind, new(group), cancellation)).Ids;

    /// <summary>Hears of each that is ended, by its id; a signal can be lost on its way.</summary>
    public IDisposable Listen(Action<string> dropped) => store.Listen(kind, dropped);
}

/// <summary>A record that is to be written.</summary>
internal sealed record PutRecordQuestion(string Id, IReadOnlyList<string> Groups, string Text, TimeSpan Lasts, int Most, int MostInGroup);

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

/// <summary>A record.</summary>
internal sealed record RecordQuestion(string Id);

/// <summary>What is known of a record.</summary>
internal abstract record RecordAnswer
{
    /// <summary>Its text, and its end.</summary>
    public sealed record Found(string Text, TimeSpan EndsIn) : RecordAnswer;

    /// <summary>There is none.</summary>
    public sealed record None : RecordAnswer;
}

/// <summary>A record that is to be written anew.</summary>
internal sealed record RenewRecordQuestion(string Id, string Text, TimeSpan Lasts);

/// <summary>What became of renewing a record.</summary>
internal enum RenewRecordAnswer
{
    /// <summary>It lives on.</summary>
    Renewed,

    /// <summary>There is none.</summary>
    None,
}

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
