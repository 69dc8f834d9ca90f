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
        return await Decision.TakeShare.TakeAsync(store, Shares, new(holder, want, least, lifetime, shares), cancellation) switch
        {
            TakeShareAnswer.Taken taken => (taken.Connections, null),
            TakeShareAnswer.Full full => (0, new(full.Name, full.Holders, full.Connections, full.NextEndIn)),
            var other => throw new InvalidOperationException($"{other} is no answer."),
        };
    }

    /// <summary>Gives a holder's part of each share back.</summary>
    public async ValueTask LeaveAsync(string holder, IReadOnlyList<Share> shares, CancellationToken cancellation) =>
        await Decision.LeaveShare.TakeAsync(store, Shares, new(holder, [.. shares.Select(share => share.Name)]), cancellation);
}

/// <summary>A holder that takes its part of each share.</summary>
internal sealed record TakeShareQuestion(string Holder, int Want, int Least, TimeSpan Lifetime, IReadOnlyList<Share> Shares);

/// <summary>What a holder gets of its shares.</summary>
internal abstract record TakeShareAnswer
{
    /// <summary>So many connections.</summary>
    public sealed record Taken(int Connections) : TakeShareAnswer;

    /// <summary>Nothing: this share has no room.</summary>
    public sealed record Full(string Name, int Holders, int Connections, TimeSpan NextEndIn) : TakeShareAnswer;
}

/// <summary>A holder that gives its part of these shares back.</summary>
internal sealed record LeaveShareQuestion(string Holder, IReadOnlyList<string> Shares);
