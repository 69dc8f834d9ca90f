using System.Collections.Concurrent;
using Broker.Core.Ledger;

namespace Broker.Core.Leases.Recovering;

/// <summary>
/// What all brokers on a ledger agree on: each says it there again as long as it lives, and who contradicts is refused. What nobody has said for a
/// minute, the next broker may replace. It first looks for a while whether somebody says it again: after the ledger was away, nobody has said
/// anything for long, and whoever contradicts must not be quicker than those who agree.
/// </summary>
internal sealed class Agreement(SharedLedger ledger, TimeProvider time)
{
    private static readonly TimeSpan SaidAgainAfter = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Forgotten = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LookedAtFor = TimeSpan.FromSeconds(20);

    // By name, since when this broker sees that nobody says it any more.
    private readonly ConcurrentDictionary<string, long> silentSince = new(StringComparer.Ordinal);

    /// <summary>Says it, or returns what others say instead.</summary>
    /// <param name="name">The text's name in the ledger.</param>
    /// <param name="agrees">Whether a text says the same as this broker.</param>
    /// <param name="mine">What this broker says.</param>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<string?> OthersAsync(string name, Func<string, bool> agrees, Func<string> mine)
    {
        string? others = null;
        await ledger.Texts.ChangeSharedAsync(
            name,
            (text, age) =>
            {
                others = null;
                if (text is not null && agrees(text) && age < SaidAgainAfter) return null;
                if (text is null || agrees(text) || IsOver(name, age)) return mine();
                others = text;
                return null;
            },
            CancellationToken.None);
        if (others is null) silentSince.TryRemove(name, out _);
        return others;
    }

    /// <summary>The ledger did not answer: whoever agrees could not say it again either.</summary>
    public void LookAnew() => silentSince.Clear();

    private bool IsOver(string name, TimeSpan age)
    {
        if (age >= Forgotten) return time.GetElapsedTime(silentSince.GetOrAdd(name, time.GetTimestamp())) >= LookedAtFor;
        silentSince.TryRemove(name, out _);
        return false;
    }
}
