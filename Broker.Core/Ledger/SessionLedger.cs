using System.Globalization;

namespace Broker.Core.Ledger;

/// <summary>What became of opening a session.</summary>
public enum SessionOpening
{
    /// <summary>It is open.</summary>
    Open,

    /// <summary>The token was exchanged before.</summary>
    TokenUsed,

    /// <summary>There are as many as there may be.</summary>
    Full,
}

/// <summary>
/// The sessions of pipelines, shared by all replicas; times are the store's (law L9). All methods throw
/// <see cref="LedgerException"/> when the store does not answer.
/// </summary>
public sealed class SessionLedger(ILedgerStore store)
{
    // No database can have this name.
    private const string Sessions = "~sessions";

    /// <summary>Opens one in exchange for a token, which nobody can exchange again.</summary>
    /// <returns>What became of it, and when it ends; when full, when the next one ends.</returns>
    public async ValueTask<(SessionOpening Opening, TimeSpan In)> OpenAsync(
        string id, string text, TimeSpan lifetime, TimeSpan longest, int most, string tokenHash, TimeSpan tokenLeft, CancellationToken cancellation)
    {
        var answer = await DecideAsync(["open", id, text, Text(lifetime), Text(longest), most.ToString(CultureInfo.InvariantCulture), tokenHash, Text(tokenLeft)], cancellation);
        return answer[0] switch
        {
            "ok" => (SessionOpening.Open, Milliseconds(answer[1])),
            "used" => (SessionOpening.TokenUsed, TimeSpan.Zero),
            _ => (SessionOpening.Full, Milliseconds(answer[1])),
        };
    }

    /// <summary>What was written down for a session, and when it ends; null when there is none (any more).</summary>
    public async ValueTask<(string Text, TimeSpan EndsIn)?> ReadAsync(string id, CancellationToken cancellation)
    {
        var answer = await DecideAsync(["read", id], cancellation);
        return answer.Length == 0 ? null : (answer[0], Milliseconds(answer[1]));
    }

    /// <summary>Lets it live so much longer from now, up to its longest lifetime; null when there is none.</summary>
    public async ValueTask<TimeSpan?> RenewAsync(string id, TimeSpan lifetime, CancellationToken cancellation)
    {
        var answer = await DecideAsync(["renew", id, Text(lifetime)], cancellation);
        return answer.Length == 0 ? null : Milliseconds(answer[0]);
    }

    /// <summary>Ends it; every replica hears of it. False: there is none.</summary>
    public async ValueTask<bool> RevokeAsync(string id, CancellationToken cancellation) =>
        (await DecideAsync(["revoke", id], cancellation)).Length > 0;

    /// <summary>Hears of every session that is revoked, by its id; a signal can be lost on its way.</summary>
    public IDisposable Listen(Action<string> revoked) => store.Listen(Sessions, revoked);

    private ValueTask<string[]> DecideAsync(string[] words, CancellationToken cancellation) => store.DecideAsync(Decision.Session, Sessions, words, cancellation);

    private static string Text(TimeSpan span) => Math.Max(0, (long)span.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);

    private static TimeSpan Milliseconds(string text) => TimeSpan.FromMilliseconds(long.Parse(text, CultureInfo.InvariantCulture));
}
