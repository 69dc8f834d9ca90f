using System.Collections.Concurrent;
using System.Globalization;
using Broker.Core.Model;

namespace Broker.Core.Ledger;

/// <summary>The most that a caller or a team may hold.</summary>
/// <param name="Name">A caller's or a team's name; without <c>|</c>.</param>
/// <param name="Holders">Holders at most; 0: any number.</param>
/// <param name="Connections">Connections at most; 0: any number.</param>
public sealed record Share(string Name, int Holders, int Connections);

/// <summary>The share that is full.</summary>
public sealed record ShareFull(string Name, int Holders, int Connections, TimeSpan NextEndIn);

/// <summary>
/// Counts what callers and teams hold over all databases and replicas. All methods throw <see cref="LedgerException"/> when
/// the store does not answer.
/// </summary>
public sealed class ShareLedger(ILedgerStore store, TimeProvider? time = null)
{
    // No database can have this name.
    private const string Shares = "~shares";

    private const int AtOnce = 100;

    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(1);

    /// <summary>How often a replica says that it is there, where it has nothing to tell.</summary>
    internal static readonly TimeSpan SpeaksEvery = TimeSpan.FromMinutes(30);

    private readonly LedgerClient client = new(store);
    private readonly TimeProvider time = time ?? TimeProvider.System;
    private readonly ConcurrentDictionary<string, Part> parts = new(StringComparer.Ordinal);
    private readonly TurnOnceIn sweep = new(time ?? TimeProvider.System);
    private readonly TurnOnceIn speaking = new(time ?? TimeProvider.System);
    private string told = "";

    /// <summary>
    /// An ask begins, and takes its part of each share, all or none; <see cref="SettleAsync"/> reports how it ended. A holder that already has a part
    /// keeps its place, and counts as no less meanwhile.
    /// </summary>
    /// <param name="holder">The holder that asks.</param>
    /// <param name="want">Connections wanted.</param>
    /// <param name="least">The fewest connections it accepts.</param>
    /// <param name="lifetime">How long the part is kept if nobody reports how the ask ended: the longest that it may take, plus the holder's lifetime.</param>
    /// <param name="shares">The shares.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>The connections it may have, or the share that has no room.</returns>
    /// <exception cref="LedgerException">The store does not answer, or what it lost is being told: what the holder may have is not known.</exception>
    public async ValueTask<(int Connections, ShareFull? Full)> TakeAsync(
        string holder, int want, int least, TimeSpan lifetime, IReadOnlyList<Share> shares, CancellationToken cancellation)
    {
        var answer = await client.TakeAsync(Decision.TakeShare, Shares, new(holder, want, least, lifetime, client.Settling, shares), cancellation);
        if (await TellAsync(cancellation) && answer is not TakeShareAnswer.Taken) answer = await client.TakeAsync(Decision.TakeShare, Shares, new(holder, want, least, lifetime, client.Settling, shares), cancellation);
        if (answer is TakeShareAnswer.Settling later)
            throw new LedgerException(string.Create(CultureInfo.InvariantCulture, $"It is told which parts of shares it lost, for {later.SettlesIn.TotalSeconds:0.0} s: until then nobody new gets one."));
        if (answer is TakeShareAnswer.Full full) return (0, new(full.Name, full.Holders, full.Connections, full.NextEndIn));
        var taken = ((TakeShareAnswer.Taken)answer).Connections;
        // Looking through all of them costs more than an ask.
        if (sweep.IsMine(SweepEvery)) ForgetEnded();
        var mine = new Part(taken, time.GetTimestamp(), lifetime, [.. shares.Select(share => share.Name)], IsSettled: false);
        parts.AddOrUpdate(holder, mine, (_, had) => IsOver(had) ? mine : had);
        return (taken, null);
    }

    /// <summary>An ask is over.</summary>
    /// <param name="holder">The holder that asked.</param>
    /// <param name="connections">The connections granted; null: none.</param>
    /// <param name="lifetime">How long the holder lives now.</param>
    /// <param name="shares">The shares of which it took its part.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask SettleAsync(string holder, int? connections, TimeSpan lifetime, IReadOnlyList<Share> shares, CancellationToken cancellation)
    {
        if (connections is { } granted) parts[holder] = new(granted, time.GetTimestamp(), lifetime, [.. shares.Select(share => share.Name)], IsSettled: true);
        else if (parts.TryGetValue(holder, out var part) && !part.IsSettled) parts.TryRemove(holder, out _);
        await client.TakeAsync(Decision.SettleShare, Shares, new(holder, connections, lifetime, [.. shares.Select(share => share.Name)]), cancellation);
    }

    /// <summary>The version of a holder's part of a share, for <see cref="LeaveAsync"/>; 0: it has none.</summary>
    public async ValueTask<long> VersionAsync(string holder, string share, CancellationToken cancellation) =>
        (await client.TakeAsync(Decision.ShareVersion, Shares, new(holder, share), cancellation)).Version;

    /// <summary>A holder was released: its part comes free, unless one of its asks began or ended since the version was read, or is under way.</summary>
    public async ValueTask LeaveAsync(string holder, long version, IReadOnlyList<Share> shares, CancellationToken cancellation)
    {
        parts.TryRemove(holder, out var known);
        var answer = await client.TakeAsync(Decision.LeaveShare, Shares, new(holder, version, [.. shares.Select(share => share.Name)]), cancellation);

        // An ask in between may have put it there anew.
        if (answer is LeaveShareAnswer.Stays && known is not null) parts.TryAdd(holder, known);
    }

    /// <summary>Reports that this replica is there, and tells a ledger that lost something which parts it remembers.</summary>
    public async ValueTask KeepAsync(CancellationToken cancellation)
    {
        // One that has nothing to tell says once that it is there, because a ledger that is new begins to settle before anybody asks, and then often enough to
        // be remembered.
        if (parts.IsEmpty && client.Epoch(Shares).Length > 0 && !speaking.IsMine(SpeaksEvery)) return;
        await client.TakeAsync(Decision.Hello, Shares, new(client.Settling), cancellation);
        await TellAsync(cancellation);
    }

    // Whether there was something to tell: the ledger's epoch is not the one in which this replica last told it.
    private async ValueTask<bool> TellAsync(CancellationToken cancellation)
    {
        var epoch = client.Epoch(Shares);
        if (epoch == Volatile.Read(ref told)) return false;
        ForgetEnded();
        foreach (var some in parts.Chunk(AtOnce))
        {
            HeldPart[] held = [.. some.Select(part => new HeldPart(part.Key, part.Value.Connections, part.Value.Lifetime - time.GetElapsedTime(part.Value.At), part.Value.Shares))];
            await client.TakeAsync(Decision.RestoreShares, Shares, new(held), cancellation);
        }

        Volatile.Write(ref told, epoch);
        return true;
    }

    private void ForgetEnded()
    {
        foreach (var (holder, part) in parts)
        {
            if (IsOver(part)) parts.TryRemove(new(holder, part));
        }
    }

    private bool IsOver(Part part) => time.GetElapsedTime(part.At) >= part.Lifetime;

    // Not settled: one of its asks is under way.
    private sealed record Part(int Connections, long At, TimeSpan Lifetime, IReadOnlyList<string> Shares, bool IsSettled);
}

/// <summary>An ask that takes its part of each share.</summary>
internal sealed record TakeShareQuestion(string Holder, int Want, int Least, TimeSpan Lifetime, TimeSpan Settling, IReadOnlyList<Share> Shares);

/// <summary>The outcome of an ask.</summary>
internal abstract record TakeShareAnswer
{
    /// <summary>It gets this many connections.</summary>
    public sealed record Taken(int Connections) : TakeShareAnswer;

    /// <summary>Nothing: this share has no room.</summary>
    public sealed record Full(string Name, int Holders, int Connections, TimeSpan NextEndIn) : TakeShareAnswer;

    /// <summary>Nothing yet: replicas tell which parts the ledger lost.</summary>
    public sealed record Settling(TimeSpan SettlesIn) : TakeShareAnswer;
}

/// <summary>An ask that is over.</summary>
internal sealed record SettleShareQuestion(string Holder, int? Connections, TimeSpan Lifetime, IReadOnlyList<string> Shares);

/// <summary>A holder that was released.</summary>
internal sealed record LeaveShareQuestion(string Holder, long Version, IReadOnlyList<string> Shares);

/// <summary>Whether its part came free.</summary>
internal enum LeaveShareAnswer
{
    /// <summary>It has none any more.</summary>
    Left,

    /// <summary>It has asked again.</summary>
    Stays,
}

/// <summary>A holder's part of a share.</summary>
internal sealed record ShareVersionQuestion(string Holder, string Share);

/// <summary>Its version.</summary>
internal sealed record ShareVersionAnswer(long Version);

/// <summary>A replica that is there; <paramref name="Settling"/>: how long a ledger that is new gives nothing.</summary>
internal sealed record HelloQuestion(TimeSpan Settling);

/// <summary>Parts of shares that a replica remembers.</summary>
internal sealed record RestoreSharesQuestion(IReadOnlyList<HeldPart> Holders);

/// <summary>A holder's part of its shares.</summary>
internal sealed record HeldPart(string Id, int Connections, TimeSpan EndsIn, IReadOnlyList<string> Shares);
