using System.Globalization;
using BitFaster.Caching.Lru;
using Broker.Core.Ledger;

namespace Broker.Core.Leases.Claims;

/// <summary>
/// A caller that waits for something in the ledger sleeps here until a signal comes. Signals can be lost, so nobody sleeps
/// longer than <see cref="LongestSleep"/> without asking the ledger again. When there are too many different subjects, the waiters
/// for the least recently used one are woken early.
/// </summary>
internal sealed class LedgerSignals : IDisposable
{
    /// <summary>Also keeps a place in line alive, which the ledger drops after three seconds without a sign.</summary>
    public static readonly TimeSpan LongestSleep = TimeSpan.FromSeconds(1);

    private const int Most = 20_000;

    private readonly ConcurrentLru<string, TaskCompletionSource> sleepers = new(Environment.ProcessorCount, Most, StringComparer.Ordinal);
    private readonly IDisposable listening;
    private readonly TimeProvider time;
    private readonly Action<string, long, bool>? moved;

    /// <param name="ledger">The ledger.</param>
    /// <param name="database">The database.</param>
    /// <param name="time">The clock for the sleeping.</param>
    /// <param name="moved">Called with a holder that left or has another lease, its mark in the ledger's history, and whether it is still a holder.</param>
    public LedgerSignals(SharedLedger ledger, string database, TimeProvider time, Action<string, long, bool>? moved = null)
    {
        (this.time, this.moved) = (time, moved);
        sleepers.Events.Value!.ItemRemoved += static (_, removed) => removed.Value?.TrySetResult();
        listening = ledger.Listen(database, Wake);
    }

    /// <summary>Completes at the next signal about the subject. Take it before asking the ledger, so that none is missed.</summary>
    public Task Next(string subject) =>
        sleepers.GetOrAdd(subject, static _ => new()).Task;

    /// <summary>How many subjects have, or had, waiters.</summary>
    public int Count => sleepers.Count;

    /// <summary>Sleeps until one of the signals, but no longer than given.</summary>
    public async Task SleepAsync(Task first, Task second, TimeSpan atMost, CancellationToken cancellation)
    {
        var longest = atMost < LongestSleep ? atMost : LongestSleep;
        Task signalled = Task.WhenAny(first, second).WaitAsync(longest > TimeSpan.Zero ? longest : TimeSpan.Zero, time, cancellation);
        await signalled.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        await Task.Yield(); // do not run on the signaller's thread
        cancellation.ThrowIfCancellationRequested();
    }

    public void Dispose() => listening.Dispose();

    private void Wake(string subject)
    {
        if (moved is not null && subject.Split(':', 3) is ["holder" or "moved", var text, var holder] && long.TryParse(text, CultureInfo.InvariantCulture, out var mark))
            moved(holder, mark, subject.StartsWith("moved", StringComparison.Ordinal));
        if (sleepers.TryGet(subject, out _)) _ = WakeSleepersAsync(subject);
    }

    // Thousands may watch one pool: whoever signals, a claim perhaps, does not wait until each of them is awake.
    private async Task WakeSleepersAsync(string subject)
    {
        await Task.Yield();
        sleepers.TryRemove(subject); // removing it wakes its sleepers
    }
}
