using Broker.Core.Model;

namespace Broker.Core.Ledger;

/// <summary>
/// The marks of this ledger's users (<see cref="BrokerMark"/>): chosen once, kept in the ledger, and remembered by every replica. A ledger that
/// was emptied, and got a new mark before any replica restored the first, keeps both from then on, so that none of its users becomes foreign.
/// </summary>
/// <param name="texts">Where they are kept.</param>
/// <param name="make">Makes the first one.</param>
/// <param name="former">Marks of brokers that are gone, whose users are now this one's.</param>
internal sealed class MarkLedger(TextLedger texts, Func<string> make, IReadOnlyList<string> former)
{
    private const string Name = "marks";
    private const int Most = 16;

    private volatile string[] known = [];

    /// <summary>The one that new users get.</summary>
    /// <exception cref="LedgerException">The store does not answer.</exception>
    public async ValueTask<string> OfNewUsersAsync(CancellationToken cancellation) =>
        known is [var first, ..] ? first : (await ReadAsync(cancellation))[0];

    /// <summary>All that users of this broker have.</summary>
    /// <exception cref="LedgerException">The store does not answer.</exception>
    public async ValueTask<IReadOnlySet<string>> OwnAsync(CancellationToken cancellation) =>
        (await ReadAsync(cancellation)).Concat(former).ToHashSet(StringComparer.Ordinal);

    private async ValueTask<string[]> ReadAsync(CancellationToken cancellation)
    {
        string[] all = [];
        await texts.ChangeSharedAsync(
            Name,
            there =>
            {
                string[] written = there is null ? [] : [.. there.Split(',').Where(BrokerMark.Is).Distinct(StringComparer.Ordinal)];
                all = [.. written.Union(known, StringComparer.Ordinal).Take(Most)];
                if (all.Length == 0) all = [make()];
                var following = string.Join(',', all);
                return there == following ? null : following;
            },
            cancellation);
        return known = all;
    }
}
