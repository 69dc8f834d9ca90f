using System.Collections.Concurrent;
using System.Globalization;
using Broker.Core.Model;

namespace Broker.Core.Ledger;

/// <summary>The outcome of opening a session.</summary>
public enum SessionOpening
{
    /// <summary>It is open.</summary>
    Open,

    /// <summary>The token was exchanged before.</summary>
    TokenUsed,

    /// <summary>The limit of sessions is reached.</summary>
    Full,

    /// <summary>The ledger is new or has lost something: it may not know yet that the token was exchanged.</summary>
    Unsettled,
}

/// <summary>
/// The sessions of pipelines, shared by all replicas; times are the store's (law L9). All methods throw
/// <see cref="LedgerException"/> when the store does not answer.
/// </summary>
public sealed class SessionLedger(ILedgerStore store, TimeProvider? time = null)
{
    // No database can have this name.
    private const string Sessions = "~sessions";

    private const int AtOnce = 100;

    private readonly LedgerClient client = new(store);
    private readonly TimeProvider time = time ?? TimeProvider.System;
    private readonly TurnOnceIn speaking = new(time ?? TimeProvider.System);

    // The exchanged tokens, until their ends: no ledger that lost something lets them be exchanged again.
    private readonly ConcurrentDictionary<string, (long At, TimeSpan Left)> exchanged = new(StringComparer.Ordinal);
    private string told = "";
    private bool learned;

    /// <summary>Opens a session in exchange for a token, which cannot be exchanged again.</summary>
    /// <returns>The outcome, and when the session ends; when full, when the next one ends; when unsettled, when to try again.</returns>
    public async ValueTask<(SessionOpening Opening, TimeSpan In)> OpenAsync(
        string id, string text, TimeSpan lifetime, TimeSpan longest, int most, string tokenHash, TimeSpan tokenLeft, CancellationToken cancellation)
    {
        if (WasExchanged(tokenHash)) return (SessionOpening.TokenUsed, TimeSpan.Zero);
        var answer = await client.TakeAsync(
            Decision.OpenSession, Sessions, new(id, text, lifetime, longest, most, tokenHash, tokenLeft > TimeSpan.Zero ? tokenLeft : TimeSpan.Zero, client.Settling), cancellation);
        if (answer is OpenSessionAnswer.Open or OpenSessionAnswer.Used) Exchanged(tokenHash, tokenLeft);
        // Only where nothing was done: what was opened is answered, whatever comes of telling.
        if (answer is OpenSessionAnswer.Unsettled) await TellAsync(cancellation);
        return answer switch
        {
            OpenSessionAnswer.Open open => (SessionOpening.Open, open.EndsIn),
            OpenSessionAnswer.Full full => (SessionOpening.Full, full.NextEndIn),
            OpenSessionAnswer.Unsettled later => (SessionOpening.Unsettled, later.SettlesIn),
            _ => (SessionOpening.TokenUsed, TimeSpan.Zero),
        };
    }

    /// <summary>The text of a session, and when it ends; null when there is none (any more).</summary>
    public async ValueTask<(string Text, TimeSpan EndsIn)?> ReadAsync(string id, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.ReadSession, Sessions, new(id), cancellation) is SessionAnswer.Found found ? (found.Text, found.EndsIn) : null;

    /// <summary>Extends it by a time from now, up to its longest lifetime; null when there is none.</summary>
    public async ValueTask<TimeSpan?> RenewAsync(string id, TimeSpan lifetime, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.RenewSession, Sessions, new(id, lifetime), cancellation) is RenewSessionAnswer.Renewed renewed ? renewed.EndsIn : null;

    /// <summary>Ends it; every replica is signalled. False when there is none.</summary>
    public async ValueTask<bool> RevokeAsync(string id, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.RevokeSession, Sessions, new(id), cancellation) == RevokeSessionAnswer.Revoked;

    /// <summary>Hears the id of every session that is revoked, and of tokens that were exchanged elsewhere; a signal can be lost on its way.</summary>
    public IDisposable Listen(Action<string> revoked) => store.Listen(Sessions, subject =>
    {
        if (subject.Split('|', 3) is ["used", var text, var hash] && uint.TryParse(text, CultureInfo.InvariantCulture, out var left)) Exchanged(hash, TimeSpan.FromMilliseconds(left));
        else revoked(subject);
    });

    /// <summary>Says that this replica is there, and tells a ledger that lost something which tokens it knows to have been exchanged.</summary>
    public async ValueTask KeepAsync(CancellationToken cancellation)
    {
        // One that has nothing to tell says once that it is there, because a ledger that is new begins to settle before anybody asks, and then often enough to
        // be remembered.
        if (exchanged.IsEmpty && client.Epoch(Sessions).Length > 0 && !speaking.IsMine(ShareLedger.SpeaksEvery)) return;
        await client.TakeAsync(Decision.Hello, Sessions, new(client.Settling), cancellation);
        await LearnAsync(cancellation);
        await TellAsync(cancellation);
    }

    // Once: what was exchanged before this replica started. Whoever exchanged it may be gone when the ledger loses it.
    private async ValueTask LearnAsync(CancellationToken cancellation)
    {
        if (Volatile.Read(ref learned)) return;
        for (var after = ""; ;)
        {
            var tokens = (await client.TakeAsync(Decision.Exchanged, Sessions, new(after, AtOnce), cancellation)).Tokens;
            foreach (var token in tokens.Where(token => token.Left > TimeSpan.Zero)) exchanged.TryAdd(token.Hash, (time.GetTimestamp(), token.Left));
            if (tokens.Count < AtOnce || tokens[^1].Hash == after) break;
            after = tokens[^1].Hash;
        }

        Volatile.Write(ref learned, true);
    }

    // The ledger is in another epoch than the one in which this replica told it last.
    private async ValueTask TellAsync(CancellationToken cancellation)
    {
        var epoch = client.Epoch(Sessions);
        if (epoch == Volatile.Read(ref told)) return;
        foreach (var some in exchanged.Chunk(AtOnce))
        {
            ExchangedToken[] tokens = [.. some.Select(token => new ExchangedToken(token.Key, token.Value.Left - time.GetElapsedTime(token.Value.At))).Where(token => token.Left > TimeSpan.Zero)];
            await client.TakeAsync(Decision.RestoreExchanged, Sessions, new(tokens), cancellation);
        }

        Volatile.Write(ref told, epoch);
    }

    /// <summary>Whether this replica knows that a token was exchanged.</summary>
    public bool WasExchanged(string hash) => exchanged.TryGetValue(hash, out var used) && time.GetElapsedTime(used.At) < used.Left;

    private void Exchanged(string hash, TimeSpan left)
    {
        foreach (var (other, used) in exchanged)
        {
            if (time.GetElapsedTime(used.At) >= used.Left) exchanged.TryRemove(other, out _);
        }

        exchanged[hash] = (time.GetTimestamp(), left);
    }
}

/// <summary>A session to open; see <see cref="SessionLedger.OpenAsync"/>.</summary>
internal sealed record OpenSessionQuestion(
    string Id, string Text, TimeSpan Lifetime, TimeSpan Longest, int Most, string TokenHash, TimeSpan TokenLeft, TimeSpan Settling);

/// <summary>The outcome of opening a session.</summary>
internal abstract record OpenSessionAnswer
{
    /// <summary>It is open.</summary>
    public sealed record Open(TimeSpan EndsIn) : OpenSessionAnswer;

    /// <summary>The token was exchanged before.</summary>
    public sealed record Used : OpenSessionAnswer;

    /// <summary>The limit of sessions is reached.</summary>
    public sealed record Full(TimeSpan NextEndIn) : OpenSessionAnswer;

    /// <summary>Not before those who remember what was exchanged have had time to say so.</summary>
    public sealed record Unsettled(TimeSpan SettlesIn) : OpenSessionAnswer;
}

/// <summary>The hash after which to continue, and how many tokens to answer.</summary>
internal sealed record ExchangedQuestion(string After, int Most);

/// <summary>Some tokens that were exchanged.</summary>
internal sealed record ExchangedReply(IReadOnlyList<ExchangedToken> Tokens);

/// <summary>Tokens that a replica knows to have been exchanged.</summary>
internal sealed record RestoreExchangedQuestion(IReadOnlyList<ExchangedToken> Tokens);

/// <summary>A token that was exchanged, and for how long that is to be known.</summary>
internal sealed record ExchangedToken(string Hash, TimeSpan Left);

/// <summary>A session.</summary>
internal sealed record SessionQuestion(string Id);

/// <summary>The answer for a session.</summary>
internal abstract record SessionAnswer
{
    /// <summary>Its text, and its end.</summary>
    public sealed record Found(string Text, TimeSpan EndsIn) : SessionAnswer;

    /// <summary>There is none.</summary>
    public sealed record None : SessionAnswer;
}

/// <summary>A session to extend by a time.</summary>
internal sealed record RenewSessionQuestion(string Id, TimeSpan Lifetime);

/// <summary>The outcome of renewing a session.</summary>
internal abstract record RenewSessionAnswer
{
    /// <summary>It ends then.</summary>
    public sealed record Renewed(TimeSpan EndsIn) : RenewSessionAnswer;

    /// <summary>There is none.</summary>
    public sealed record None : RenewSessionAnswer;
}

/// <summary>The outcome of ending a session.</summary>
internal enum RevokeSessionAnswer
{
    /// <summary>It is over.</summary>
    Revoked,

    /// <summary>There is none.</summary>
    None,
}
