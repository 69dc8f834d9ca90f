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

    /// <summary>
    /// An ask begins, and takes its part of each share, all or none; <see cref="SettleAsync"/> says how it ended. A holder that is in
    /// already keeps its place, and counts as no less meanwhile.
    /// </summary>
    /// <param name="holder">Whose ask it is.</param>
    /// <param name="want">Connections wanted.</param>
    /// <param name="least">Connections it can live with.</param>
    /// <param name="lifetime">How long the part is kept when nobody says how the ask ended: as long as it may take, and the holder may live.</param>
    /// <param name="shares">The shares.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>The connections it may have, or the share that has no room.</returns>
    public async ValueTask<(int Connections, ShareFull? Full)> TakeAsync(
        string holder, int want, int least, TimeSpan lifetime, IReadOnlyList<Share> shares, CancellationToken cancellation)
    {
        return await Decision.TakeShare.TakeAsync(store, Shares, new(holder, want, least, lifetime, shares), cancellation) switch
        {
            TakeShareAnswer.Taken taken => (taken.Connections, null),
            TakeShareAnswer.Full full => (0, new(full.Name, full.Holders, full.Connections, full.NextEndIn)),
            var other => throw new InvalidOperationException($"{other} is no answer."),
        };
    }

    /// <summary>An ask is over.</summary>
    /// <param name="holder">Whose ask it was.</param>
    /// <param name="connections">What it was granted; null: nothing.</param>
    /// <param name="lifetime">How long the holder lives now.</param>
    /// <param name="shares">The shares it took its part of.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask SettleAsync(string holder, int? connections, TimeSpan lifetime, IReadOnlyList<Share> shares, CancellationToken cancellation) =>
        await Decision.SettleShare.TakeAsync(store, Shares, new(holder, connections, lifetime, [.. shares.Select(share => share.Name)]), cancellation);

    /// <summary>The version of a holder's part of a share, for <see cref="LeaveAsync"/>; 0: it has none.</summary>
    public async ValueTask<long> VersionAsync(string holder, string share, CancellationToken cancellation) =>
        (await Decision.ShareVersion.TakeAsync(store, Shares, new(holder, share), cancellation)).Version;

    /// <summary>A holder was released: its part comes free, unless an ask of it began or ended since the version was looked at, or is under way.</summary>
    public async ValueTask LeaveAsync(string holder, long version, IReadOnlyList<Share> shares, CancellationToken cancellation) =>
        await Decision.LeaveShare.TakeAsync(store, Shares, new(holder, version, [.. shares.Select(share => share.Name)]), cancellation);
}

/// <summary>An ask that takes its part of each share.</summary>
internal sealed record TakeShareQuestion(string Holder, int Want, int Least, TimeSpan Lifetime, IReadOnlyList<Share> Shares);

/// <summary>What an ask gets of its shares.</summary>
internal abstract record TakeShareAnswer
{
    /// <summary>So many connections.</summary>
    public sealed record Taken(int Connections) : TakeShareAnswer;

    /// <summary>Nothing: this share has no room.</summary>
    public sealed record Full(string Name, int Holders, int Connections, TimeSpan NextEndIn) : TakeShareAnswer;
}

/// <summary>An ask that is over.</summary>
internal sealed record SettleShareQuestion(string Holder, int? Connections, TimeSpan Lifetime, IReadOnlyList<string> Shares);

/// <summary>A holder that was released.</summary>
internal sealed record LeaveShareQuestion(string Holder, long Version, IReadOnlyList<string> Shares);

/// <summary>A holder's part of a share.</summary>
internal sealed record ShareVersionQuestion(string Holder, string Share);

/// <summary>Its version.</summary>
internal sealed record ShareVersionAnswer(long Version);
