using System.Globalization;

namespace Broker.Core.Ledger;

/// <summary>What somebody may hold at most.</summary>
/// <param name="Name">Who: a caller's or a team's name; without <c>|</c>.</param>
/// <param name="Holders">Holders at most; 0: any number.</param>
/// <param name="Connections">Connections at most; 0: any number.</param>
public sealed record Share(string Name, int Holders, int Connections);

/// <summary>The share that has no room.</summary>
public sealed record ShareFull(string Name, int Holders, int Connections, TimeSpan NextEndIn);

/// <summary>
/// Counts what callers and teams hold over all databases and replicas. All methods throw <see cref="LedgerException"/> when
/// the store does not answer.
/// </summary>
public sealed class ShareLedger(ILedgerStore store)
{
    // No database can have this name.
    private const string Shares = "~shares";

    /// <summary>Takes a holder's part of each share, all or none; a holder that is in already keeps its place.</summary>
    /// <returns>The connections it may have, or the share that has no room.</returns>
    public async ValueTask<(int Connections, ShareFull? Full)> TakeAsync(
        string holder, int want, int least, TimeSpan lifetime, IReadOnlyList<Share> shares, CancellationToken cancellation)
    {
        var words = new List<string>(6 + 3 * shares.Count) { "take", holder, Text(want), Text(least), Text((long)lifetime.TotalMilliseconds) };
        foreach (var share in shares) words.AddRange([share.Name, Text(share.Holders), Text(share.Connections)]);
        var answer = await store.DecideAsync(Decision.Share, Shares, words, cancellation);
        return answer[0] == "ok"
            ? (Number(answer[1]), null)
            : (0, new(answer[1], Number(answer[2]), Number(answer[3]), TimeSpan.FromMilliseconds(long.Parse(answer[4], CultureInfo.InvariantCulture))));
    }

    /// <summary>Gives a holder's part of each share back.</summary>
    public async ValueTask LeaveAsync(string holder, IReadOnlyList<Share> shares, CancellationToken cancellation) =>
        await store.DecideAsync(Decision.Share, Shares, ["leave", holder, .. shares.Select(share => share.Name)], cancellation);

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
