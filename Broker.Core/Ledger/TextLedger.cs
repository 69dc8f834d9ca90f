using System.Collections.Concurrent;

namespace Broker.Core.Ledger;

/// <summary>
/// Texts that all replicas share and that belong to no database: few, and costly when lost. Each replica remembers those that it read
/// or wrote, and restores what a ledger has lost.
/// </summary>
public sealed class TextLedger(LedgerClient client)
{
    // Few replicas write one text at once, and each writes once. A text that can never be replaced was written into the ledger by somebody else.
    private const int MostAttempts = 100;

    private readonly ConcurrentDictionary<string, (string Text, DateTimeOffset PutAt)> remembered = new(StringComparer.Ordinal);

    /// <summary>A text, and how long ago it was put there; null when there is none.</summary>
    /// <exception cref="LedgerException">The store does not answer, or has a text that cannot be replaced.</exception>
    public async ValueTask<(string Text, TimeSpan Age)?> ReadSharedAsync(string name, CancellationToken cancellation)
    {
        for (var attempt = 0; attempt < MostAttempts; attempt++)
        {
            var answer = await client.TakeAsync(Decision.Shared, SharedLedger.Issuers, new(name), cancellation);
            var found = answer as SharedAnswer.Found;
            if (!remembered.TryGetValue(name, out var known) || found?.PutAt >= known.PutAt)
            {
                if (found is null) return null;
                Remember(name, found.Text, found.PutAt);
                return (found.Text, Age(found.Now, found.PutAt));
            }

            await PutAsync(name, found?.Text, known.Text, known.PutAt, cancellation);
        }

        throw Unreplaceable(name);
    }

    /// <summary>Replaces a text.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="following">Makes the new text from the present one (null: there is none). Null: the present text may stay.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="LedgerException">The store does not answer, or has a text that cannot be replaced.</exception>
    internal ValueTask ChangeSharedAsync(string name, Func<string?, string?> following, CancellationToken cancellation) =>
        ChangeSharedAsync(name, (text, _) => following(text), cancellation);

    /// <inheritdoc cref="ChangeSharedAsync(string, Func{string?, string?}, CancellationToken)"/>
    /// <param name="name">Its name.</param>
    /// <param name="following">Makes the new text from the present one (null: there is none) and its age. Null: the present text may stay.</param>
    /// <param name="cancellation">Ends the wait.</param>
    internal async ValueTask ChangeSharedAsync(string name, Func<string?, TimeSpan, string?> following, CancellationToken cancellation)
    {
        for (var attempt = 0; attempt < MostAttempts; attempt++)
        {
            var there = await ReadSharedAsync(name, cancellation);
            if (following(there?.Text, there?.Age ?? TimeSpan.Zero) is not { } text || await ReplaceSharedAsync(name, there?.Text, text, cancellation)) return;
        }

        throw Unreplaceable(name);
    }

    /// <summary>Replaces a text, if the expected one is still there (null: none). False: another is there.</summary>
    public ValueTask<bool> ReplaceSharedAsync(string name, string? expected, string following, CancellationToken cancellation) =>
        PutAsync(name, expected, following, null, cancellation);

    /// <summary>The ledger lost something: it gets back those of these texts that it no longer knows. Other readers may not have read them before.</summary>
    /// <exception cref="LedgerException">The ledger does not answer: call this again.</exception>
    public async ValueTask PutBackAsync(CancellationToken cancellation)
    {
        foreach (var name in remembered.Keys) await ReadSharedAsync(name, cancellation);
    }

    /// <summary>Signals <c>hear:TOKEN</c> about the issuers.</summary>
    /// <exception cref="LedgerException">The store does not answer, or does not let this broker signal.</exception>
    public async ValueTask SignalAsync(string token, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.Hear, SharedLedger.Issuers, new(token), cancellation);

    private static LedgerException Unreplaceable(string name) =>
        new($"The text '{name}' in the ledger cannot be replaced: delete the field shared:{name} there; the replicas restore what they remember.");

    private async ValueTask<bool> PutAsync(string name, string? expected, string following, DateTimeOffset? putAt, CancellationToken cancellation)
    {
        var answer = await client.TakeAsync(Decision.ReplaceShared, SharedLedger.Issuers, new(name, expected, following, putAt), cancellation);
        if (answer is not ReplaceSharedAnswer.Ok ok) return false;
        Remember(name, following, ok.PutAt);
        return true;
    }

    private void Remember(string name, string text, DateTimeOffset putAt) =>
        remembered.AddOrUpdate(name, (text, putAt), (_, known) => known.PutAt > putAt ? known : (text, putAt));

    private static TimeSpan Age(DateTimeOffset now, DateTimeOffset putAt) => now > putAt ? now - putAt : TimeSpan.Zero;
}

/// <summary>The token of the signal.</summary>
internal sealed record HearQuestion(string Token);

/// <summary>The name of a text.</summary>
internal sealed record SharedQuestion(string Name);

/// <summary>A text.</summary>
internal abstract record SharedAnswer
{
    /// <summary>There it is.</summary>
    public sealed record Found(string Text, DateTimeOffset PutAt, DateTimeOffset Now) : SharedAnswer;

    /// <summary>There is none.</summary>
    public sealed record None : SharedAnswer;
}

/// <summary>A text, the one it should replace, and when it was first put there (null: now).</summary>
internal sealed record ReplaceSharedQuestion(string Name, string? Expected, string Following, DateTimeOffset? PutAt);

/// <summary>The outcome of replacing a text.</summary>
internal abstract record ReplaceSharedAnswer
{
    /// <summary>It is there, since then.</summary>
    public sealed record Ok(DateTimeOffset PutAt) : ReplaceSharedAnswer;

    /// <summary>Another text is there than expected.</summary>
    public sealed record Changed : ReplaceSharedAnswer;
}
