using System.Collections.Concurrent;
using Broker.Core.Ledger;

namespace Broker.Core.Leases.Issues;

/// <summary>Per database, the attempts of this replica to issue that wait for their turn to ask the ledger whether they may begin.</summary>
internal sealed class FlightLines(SharedLedger ledger, TimeProvider time) : IDisposable
{
    private readonly ConcurrentDictionary<string, Lazy<FlightLine>> lines = new(StringComparer.Ordinal);

    /// <summary>A database's line.</summary>
    public FlightLine this[string database] => lines.GetOrAdd(database, name => new(() => new(ledger, name, time))).Value;

    public void Dispose()
    {
        foreach (var line in lines.Values) line.Value.Dispose();
    }
}

/// <summary>
/// First come, first served: only the first asks the ledger, however many wait. It is woken when a call that changed users is over. The places in flight
/// belong to the server and to all replicas, and signals can be lost, so it never waits for long.
/// </summary>
internal sealed class FlightLine : IDisposable
{
    private static readonly TimeSpan LongestSleep = TimeSpan.FromMilliseconds(250);

    private readonly Lock gate = new();
    private readonly LinkedList<Place> places = [];
    private readonly IDisposable listening;
    private readonly TimeProvider time;

    /// <param name="ledger">The ledger.</param>
    /// <param name="database">The database.</param>
    /// <param name="time">The clock for the sleeping.</param>
    public FlightLine(SharedLedger ledger, string database, TimeProvider time)
    {
        this.time = time;
        listening = ledger.Listen(database, subject =>
        {
            if (subject == "landed") WakeFirst();
        });
    }

    /// <summary>Goes to the end of the line; who disposes of the place leaves it.</summary>
    public Place Join()
    {
        lock (gate) return new(this);
    }

    public void Dispose() => listening.Dispose();

    private void WakeFirst()
    {
        lock (gate) places.First?.Value.Wake();
    }

    /// <summary>A place in the line.</summary>
    internal sealed class Place : IDisposable
    {
        private readonly FlightLine line;
        private readonly LinkedListNode<Place> node;
        private TaskCompletionSource? sleeping;
        private bool isWoken; // since it last slept

        /// <summary>The last place; made under the line's lock.</summary>
        public Place(FlightLine line) => (this.line, node) = (line, line.places.AddLast(this));

        private bool IsFirst => node.Previous is null;

        /// <summary>Waits until all who came before have left.</summary>
        public Task FirstAsync(CancellationToken cancellation) => SleepAsync(Timeout.InfiniteTimeSpan, cancellation);

        /// <summary>Waits until a place in flight may have come free.</summary>
        public Task FreedAsync(CancellationToken cancellation) => SleepAsync(LongestSleep, cancellation);

        public void Dispose()
        {
            lock (line.gate)
            {
                var wasFirst = IsFirst;
                line.places.Remove(node);
                if (wasFirst) line.places.First?.Value.Wake();
            }
        }

        /// <summary>Called for the first alone, under the line's lock.</summary>
        public void Wake()
        {
            isWoken = true;
            sleeping?.TrySetResult();
        }

        private async Task SleepAsync(TimeSpan atMost, CancellationToken cancellation)
        {
            TaskCompletionSource? sleep = null;
            lock (line.gate)
            {
                if (!isWoken && !(IsFirst && atMost == Timeout.InfiniteTimeSpan)) sleep = sleeping = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }

            if (sleep is not null)
            {
                // One source for all that ends it, so that what follows runs where it was awaited.
                await using var longest = line.time.CreateTimer(static state => ((TaskCompletionSource)state!).TrySetResult(), sleep, atMost, Timeout.InfiniteTimeSpan);
                await using var left = cancellation.UnsafeRegister(static (state, token) => ((TaskCompletionSource)state!).TrySetCanceled(token), sleep);
                await sleep.Task;
            }

            lock (line.gate) isWoken = false;
        }
    }
}
