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
public sealed class ShareLedger : IDisposable
{
    // No database can have this name.
    private const string Shares = "~shares";

    private const int AtOnce = 100;

    private static readonly TimeSpan SweepEvery = TimeSpan.FromMinutes(1);

    /// <summary>How often a replica says that it is there, where it has nothing to tell.</summary>
    internal static readonly TimeSpan SpeaksEvery = TimeSpan.FromMinutes(30);

    private readonly LedgerClient client;
    private readonly TimeProvider time;
    private readonly Func<string, long, bool> hasLeft;
    private readonly ConcurrentDictionary<string, Part> parts = new(StringComparer.Ordinal);
    private readonly TurnOnceIn sweep, speaking;
    private readonly IDisposable listening;
    private string told = "";
    private volatile bool isUntold; // of a part the ledger has not heard what became of it

    /// <param name="store">Where decisions run.</param>
    /// <param name="time">Measures how long parts last; null: the system's.</param>
    /// <param name="hasLeft">Whether a holder is known to have left since a moment of the stopwatch; null: nobody knows.</param>
    public ShareLedger(ILedgerStore store, TimeProvider? time = null, Func<string, long, bool>? hasLeft = null)
    {
        (client, this.time, this.hasLeft) = (new(store), time ?? TimeProvider.System, hasLeft ?? (static (_, _) => false));
        (sweep, speaking) = (new(this.time), new(this.time));
        listening = store.Listen(Shares, Hear);
    }

    /// <summary>
    /// An ask begins, and takes its part of each share, all or none; <see cref="SettleAsync"/> reports how it ended. A holder that already has a part
    /// keeps its place, and counts as no less meanwhile.
    /// </summary>
    /// <param name="holder">The holder that asks.</param>
    /// <param name="want">Connections wanted.</param>
    /// <param name="least">The fewest connections it accepts.</param>
    /// <param name="lifetime">How long the holder lives from its grant on.</param>
    /// <param name="within">The longest that the ask takes. If nobody has reported by then how it ended, it was not granted.</param>
    /// <param name="shares">The shares.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>The connections it may have, or the share that has no room.</returns>
    /// <exception cref="LedgerException">The store does not answer, or what it lost is being told: what the holder may have is not known.</exception>
    public async ValueTask<(int Connections, ShareFull? Full)> TakeAsync(
        string holder, int want, int least, TimeSpan lifetime, TimeSpan within, IReadOnlyList<Share> shares, CancellationToken cancellation)
    {
        var (answer, mark, epoch) = await AskAsync();
        if (await TellAsync(cancellation) && answer is not TakeShareAnswer.Taken) (answer, mark, epoch) = await AskAsync();
        if (answer is TakeShareAnswer.Settling later)
            throw new LedgerException(string.Create(CultureInfo.InvariantCulture, $"It is told which parts of shares it lost, for {later.SettlesIn.TotalSeconds:0.0} s: until then nobody new gets one."));
        if (answer is TakeShareAnswer.Full full) return (0, new(full.Name, full.Holders, full.Connections, full.NextEndIn));
        var taken = ((TakeShareAnswer.Taken)answer).Connections;
        // Looking through all of them costs more than an ask.
        if (sweep.IsMine(SweepEvery)) ForgetEnded();
        var mine = new Part(taken, time.GetTimestamp(), within, [.. shares.Select(share => share.Name)], mark, epoch, IsSettled: false);
        parts.AddOrUpdate(holder, mine, (_, had) => IsOver(had) || HasLeft(holder, had) ? mine : had with { Mark = Math.Max(had.Mark, mark) });
        if (epoch != client.Epoch(Shares)) isUntold = true; // another answer has overtaken this one: the ledger may have lost it
        return (taken, null);

        ValueTask<(TakeShareAnswer Answer, long Mark, string Epoch)> AskAsync() =>
            client.TakeMarkedAsync(Decision.TakeShare, Shares, new(holder, want, least, lifetime, within, client.Settling, shares), cancellation);
    }

    /// <summary>An ask is over.</summary>
    /// <param name="holder">The holder that asked.</param>
    /// <param name="connections">The connections granted; null: none.</param>
    /// <param name="lifetime">How long the holder lives now.</param>
    /// <param name="shares">The shares of which it took its part.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask SettleAsync(string holder, int? connections, TimeSpan lifetime, IReadOnlyList<Share> shares, CancellationToken cancellation)
    {
        var had = parts.GetValueOrDefault(holder);
        var mine = connections is { } granted ? new Part(granted, time.GetTimestamp(), lifetime, [.. shares.Select(share => share.Name)], had?.Mark ?? 0, Epoch: "", IsSettled: true) : null;
        if (mine is not null) parts[holder] = mine;
        else if (had is { IsSettled: false }) parts.TryRemove(holder, out _);
        try
        {
            var (_, mark, epoch) = await client.TakeMarkedAsync(Decision.SettleShare, Shares, new(holder, connections, lifetime, [.. shares.Select(share => share.Name)]), cancellation);
            if (mine is not null) parts.TryUpdate(holder, mine with { Mark = mark, Epoch = epoch }, mine);
        }
        catch (Exception e) when (e is LedgerException or OperationCanceledException)
        {
            // What was granted counts beyond the ask's end only when the ledger knows of it.
            isUntold = true;
            throw;
        }
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

    /// <summary>Stops hearing who has left.</summary>
    public void Dispose() => listening.Dispose();

    // A holder was released through another replica.
    private void Hear(string subject)
    {
        if (subject.Split('|', 3) is not ["left", var text, var holder] || !long.TryParse(text, CultureInfo.InvariantCulture, out var mark)) return;
        if (parts.TryGetValue(holder, out var part) && part.Mark < mark) parts.TryRemove(new(holder, part));
    }

    // Tells what the ledger does not know: parts of another epoch, which it has lost, and what asks got of which it has not heard. Whether the epoch is not the
    // one in which this replica last told it.
    private async ValueTask<bool> TellAsync(CancellationToken cancellation)
    {
        var epoch = client.Epoch(Shares);
        var isLost = epoch != Volatile.Read(ref told);
        if (!isLost && !isUntold) return false;
        isUntold = false;
        ForgetEnded();
        try
        {
            foreach (var some in parts.Where(part => part.Value.Epoch != epoch && !HasLeft(part.Key, part.Value)).Chunk(AtOnce))
            {
                await client.TakeAsync(Decision.RestoreShares, Shares, new([.. some.Select(part => AsHeld(part.Key, part.Value))]), cancellation);
                foreach (var (holder, part) in some) parts.TryUpdate(holder, part with { Epoch = epoch }, part);
            }
        }
        catch
        {
            isUntold = true;
            throw;
        }

        Volatile.Write(ref told, epoch);
        return isLost;
    }

    private HeldPart AsHeld(string holder, Part part) => new(holder, part.Connections, part.Lifetime - time.GetElapsedTime(part.At), !part.IsSettled, part.Shares);

    private bool HasLeft(string holder, Part part) => part.IsSettled && hasLeft(holder, part.At);

    private void ForgetEnded()
    {
        foreach (var (holder, part) in parts)
        {
            if (IsOver(part)) parts.TryRemove(new(holder, part));
        }
    }

    private bool IsOver(Part part) => time.GetElapsedTime(part.At) >= part.Lifetime;

    // Not settled: one of its asks is under way. The mark is that of the last ask through this replica, and the epoch the one in which the ledger knows the part.
    private sealed record Part(int Connections, long At, TimeSpan Lifetime, IReadOnlyList<string> Shares, long Mark, string Epoch, bool IsSettled);
}

/// <summary>An ask that takes its part of each share.</summary>
internal sealed record TakeShareQuestion(string Holder, int Want, int Least, TimeSpan Lifetime, TimeSpan Within, TimeSpan Settling, IReadOnlyList<Share> Shares);

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

/// <summary>A holder's part of its shares; <paramref name="IsAsked"/>: it has nothing yet, and an ask of it is under way.</summary>
internal sealed record HeldPart(string Id, int Connections, TimeSpan EndsIn, bool IsAsked, IReadOnlyList<string> Shares);
