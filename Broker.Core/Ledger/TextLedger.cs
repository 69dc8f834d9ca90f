namespace Broker.Core.Ledger;

/// <summary>Texts that all replicas share and that belong to no database.</summary>
public sealed class TextLedger(ILedgerStore store)
{
    /// <summary>A text; null when there is none, and how long ago it was put there.</summary>
    public async ValueTask<(string Text, TimeSpan Age)?> ReadSharedAsync(string name, CancellationToken cancellation) =>
        await Decision.Shared.TakeAsync(store, SharedLedger.Issuers, new(name), cancellation) is SharedAnswer.Found found ? (found.Text, found.Age) : null;

    /// <summary>Puts a text in the place of another, if that is still there (null: none). False: another is there.</summary>
    public async ValueTask<bool> ReplaceSharedAsync(string name, string? expected, string following, CancellationToken cancellation) =>
        await Decision.ReplaceShared.TakeAsync(store, SharedLedger.Issuers, new(name, expected, following), cancellation) == ReplaceSharedAnswer.Ok;

    /// <summary>Signals <c>hear:TOKEN</c> about the issuers.</summary>
    /// <exception cref="LedgerException">The store does not answer, or does not let this broker signal.</exception>
    public async ValueTask SignalAsync(string token, CancellationToken cancellation) =>
        await Decision.Hear.TakeAsync(store, SharedLedger.Issuers, new(token), cancellation);
}

/// <summary>What is to be heard again.</summary>
internal sealed record HearQuestion(string Token);

/// <summary>The name of a text.</summary>
internal sealed record SharedQuestion(string Name);

/// <summary>A text.</summary>
internal abstract record SharedAnswer
{
    /// <summary>There it is.</summary>
    public sealed record Found(string Text, TimeSpan Age) : SharedAnswer;

    /// <summary>There is none.</summary>
    public sealed record None : SharedAnswer;
}

/// <summary>A text, and the one it is to replace.</summary>
internal sealed record ReplaceSharedQuestion(string Name, string? Expected, string Following);

/// <summary>What came of replacing a text.</summary>
internal enum ReplaceSharedAnswer
{
    /// <summary>It is there.</summary>
    Ok,

    /// <summary>Another is there than expected.</summary>
    Changed,
}
