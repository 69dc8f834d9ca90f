using System.Runtime.CompilerServices;
using Broker.Core.Duties;
using Broker.Core.Identity;
using Broker.Core.Leases.Claims;
using Broker.Core.Model;

namespace Broker.Core.Leases.Holders;

/// <summary>The events of a watching holder.</summary>
public abstract record HolderEvent
{
    /// <summary>It was renewed; when the grant says so, it has to move to the lease in it.</summary>
    public sealed record Renewed(Grant Grant) : HolderEvent;

    /// <summary>It was renewed and has another number of connections: more, which it may open at once, or fewer, to which it goes down and then renews with the allotment.</summary>
    public sealed record Resized(Grant Grant) : HolderEvent;

    /// <summary>Its lease has ended, or the holder has, or its token: it should claim again, with its token at that time. The last event.</summary>
    public sealed record Ending(Refusal Refusal) : HolderEvent;

    /// <summary>Nothing is new; sent so that proxies do not consider the connection dead.</summary>
    public sealed record StillHere : HolderEvent;
}

/// <summary>
/// Watches a holder for as long as somebody listens: renews it in time, and moves it when another lease replaces its lease,
/// as soon as the budget has room for both (holders move in waves).
/// </summary>
internal sealed class HolderWatch(HolderDesk desk, DatabaseChannels channels, ShutdownSignal shutdown, Jitter jitter, TimeProvider time)
{
    // A signal can be lost on its way, so renewals are never further apart.
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan BetweenSigns = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan AfterTrouble = TimeSpan.FromSeconds(5);

    /// <summary>The events, the first at once. They end with the holder, with the listener, and with this replica, when another takes over.</summary>
    /// <param name="caller">The holder's owner.</param>
    /// <param name="holder">The holder.</param>
    /// <param name="lease">The lease that it uses, as far as it knows; null: it does not say.</param>
    /// <param name="origin">Where the request came from.</param>
    /// <param name="cancellation">No listener is left.</param>
    /// <param name="allotment">The number of the last size that it was told and keeps to, 0: it was told none; null: it does not follow sizes.</param>
    public async IAsyncEnumerable<HolderEvent> WatchAsync(
        Caller caller, string holder, string? lease, Origin origin, [EnumeratorCancellation] CancellationToken cancellation, long? allotment = null)
    {
        using var until = CancellationTokenSource.CreateLinkedTokenSource(cancellation, shutdown.Token);
        var told = allotment;
        while (!until.IsCancellationRequested)
        {
            // Subscribe to the signals before asking the ledger, so that none is missed in between.
            var moves = NextMove(caller, holder);
            if (await RenewAsync(caller, holder, lease, origin, allotment, until.Token) is not { } outcome) yield break;
            TimeSpan pause;
            if (outcome.Grant is { } grant)
            {
                yield return grant.Overlap is null && grant.Allotment != told ? new HolderEvent.Resized(grant) : new HolderEvent.Renewed(grant);
                lease = grant.Lease.Id;
                told = grant.Allotment;
                // Only the size that it keeps to counts; the holder itself has to confirm that it has gone down.
                if (grant.Allotment is not null && grant.Connections == grant.Counted) allotment = grant.Allotment;
                var next = TimeSpan.FromSeconds(grant.Holder.RenewAfterSeconds);
                pause = jitter.Spread(next < LongestPause ? next : LongestPause);
            }
            else if (outcome.Refusal is { Code: RefusalCode.HolderUnknown or RefusalCode.NotAllowed } or { Code: RefusalCode.Unauthenticated, RetryAfter: null })
            {
                yield return new HolderEvent.Ending(outcome.Refusal);
                yield break;
            }
            else
            {
                // The ledger or the audit is away: the holder keeps its lease and size.
                yield return new HolderEvent.StillHere();
                pause = jitter.Spread(outcome.Refusal?.RetryAfter ?? AfterTrouble);
            }

            var end = time.GetTimestamp() + (long)(pause.TotalSeconds * time.TimestampFrequency);
            while (!moves.IsCompleted && !until.IsCancellationRequested && time.GetElapsedTime(time.GetTimestamp(), end) is var left && left > TimeSpan.Zero)
            {
                await SleepAsync(moves, left < BetweenSigns ? left : BetweenSigns, until.Token);
                if (!moves.IsCompleted && left > BetweenSigns && !until.IsCancellationRequested) yield return new HolderEvent.StillHere();
            }
        }
    }

    // The next moment at which its pool has another lease, or it has another size: none, when it was ended.
    private Task NextMove(Caller caller, string holder)
    {
        if (desk.FindPool(caller, holder) is not var (database, pool)) return Task.CompletedTask;
        var signals = channels[database].Signals;
        return Task.WhenAny(signals.Next("pool:" + pool), signals.Next("size:" + holder));
    }

    // Null: no listener is left.
    private async Task<Outcome?> RenewAsync(Caller caller, string holder, string? lease, Origin origin, long? allotment, CancellationToken cancellation)
    {
        try
        {
            return await desk.RenewAsync(caller, holder, origin, cancellation, lease, allotment);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            return null;
        }
    }

    private async Task SleepAsync(Task moves, TimeSpan atMost, CancellationToken cancellation)
    {
        var whole = TimeSpan.FromMilliseconds(Math.Ceiling(atMost.TotalMilliseconds)); // as timers count
        await moves.WaitAsync(whole, time, cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        await Task.Yield(); // do not run on the signaller's thread
    }
}
