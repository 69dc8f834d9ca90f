using Broker.Core.Audit.Chain;
using Broker.Core.Catalog;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Audit;

/// <summary>
/// The audit as JSON lines, chained by their hashes, in every configured sink. There is one writer: records that arrive while it writes
/// form the next batch, so batches grow with the load without any added delay.
/// </summary>
public sealed class JsonLinesAudit : IAudit, IAsyncDisposable
{
    private readonly AuditLimits limits;
    private readonly ILogger logger;
    private readonly AuditJournal journal;
    private readonly ITimer watch;
    private readonly ITimer covering;
    private readonly TimeProvider time;

    private readonly TaskCompletionSource drained = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private readonly Lock gate = new();
    private Batch open = new();
    private Batch? writing;
    private Batch? spare;
    private bool overdue;
    private bool stopped;
    private long writingSince;
    private long refused;

    /// <param name="settings">Where to write. Every replica needs its own file, in an existing directory.</param>
    /// <param name="time">The clock of the write deadline and of the check for a rotated file.</param>
    /// <param name="logger">Logs when the audit fails and when it recovers.</param>
    /// <param name="limits">How much may wait, and how long; null: the defaults.</param>
    /// <exception cref="ArgumentException">A setting or limit is out of its range.</exception>
    public JsonLinesAudit(AuditSettings settings, TimeProvider time, ILogger<JsonLinesAudit> logger, AuditLimits? limits = null)
    {
        if (settings.Path is { } given) ArgumentException.ThrowIfNullOrWhiteSpace(given, nameof(settings));
        limits ??= new AuditLimits();
        ArgumentOutOfRangeException.ThrowIfLessThan(limits.Queue, 1);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(limits.Deadline, TimeSpan.Zero);
        this.limits = limits;
        this.time = time;
        this.logger = logger;
        journal = new AuditJournal(settings, time, logger);
        watch = time.CreateTimer(static audit => ((JsonLinesAudit)audit!).GiveUpWaiting(), this,
            Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        covering = time.CreateTimer(static audit => ((JsonLinesAudit)audit!).CoverTheRest(), this,
            Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <inheritdoc/>
    public async ValueTask<bool> WriteAsync(AuditRecord record, CancellationToken cancellation)
    {
        var written = Join(record);
        var failure = await (cancellation.CanBeCanceled ? written.WaitAsync(cancellation) : written);
        return failure is null ? true : throw Unavailable(failure);
    }

    /// <inheritdoc/>
    public async ValueTask TryAsync(CancellationToken cancellation)
    {
        if (await Join(null).WaitAsync(cancellation) is { } failure) throw Unavailable(failure);
    }

    /// <summary>While a write hangs none of them accepts anything: it is not known which one hangs, and no record is written.</summary>
    /// <inheritdoc/>
    public IReadOnlyList<AuditSink> Sinks
    {
        get
        {
            lock (gate) return overdue ? [.. journal.Sinks.Select(static sink => sink with { IsUp = false })] : journal.Sinks;
        }
    }

    /// <summary>Writes the waiting records, for at most the deadline, and closes the sinks. Later records are refused.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (gate)
        {
            if (stopped) return;
            stopped = true;
            if (writing is null) drained.SetResult();
        }

        try
        {
            await drained.Task.WaitAsync(limits.Deadline, time);
        }
        catch (TimeoutException)
        {
            // A hanging write keeps the file open: closing the handle under it could send its bytes to another file.
            lock (gate) Log.LostWhileStopping(logger, journal.Name, open.Records.Count + (writing?.Records.Count ?? 0), limits.Deadline);
            return;
        }

        await watch.DisposeAsync();
        await covering.DisposeAsync();
        try
        {
            await Task.Run(() => journal.Write([], closing: true)).WaitAsync(limits.Deadline, time);
            journal.Dispose();
        }
        catch (TimeoutException)
        {
            // Every record is written; only the last checkpoint hangs, and it keeps its sinks open.
        }
    }

    private Task<Exception?> Join(AuditRecord? record)
    {
        Task<Exception?> written;
        lock (gate)
        {
            if (stopped) throw Unavailable(new IOException("the broker is stopping"));
            if (overdue) throw Unavailable(Overdue());
            if (open.Records.Count >= limits.Queue) throw Unavailable(new IOException($"{limits.Queue} records are already waiting"));
            if (record is not null) open.Records.Add(record);
            written = open.Written.Task;
            open.IsAwaited = true;
            if (writing is not null) return written;
            writing = open;
            writingSince = time.GetTimestamp();
            open = spare ?? new Batch();
            spare = null;
        }

        ThreadPool.UnsafeQueueUserWorkItem(static audit => audit.WriteBatches(), this, preferLocal: false);
        return written;
    }

    /// <summary>Writes batch after batch until nothing waits. At most one runs at a time: whoever sets <see cref="writing"/> starts it.</summary>
    private void WriteBatches()
    {
        for (var batch = writing; batch is not null; batch = Next(batch))
        {
            watch.Change(limits.Deadline, Timeout.InfiniteTimeSpan);
            var failure = journal.Write(batch.Records);
            watch.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            Finish(batch, failure);
        }
    }

    private void Finish(Batch batch, Exception? failure)
    {
        lock (gate)
        {
            // The records of an overdue batch have already been refused and counted.
            if (failure is null) SayHealed();
            else if (!overdue) SayFailing(failure, batch.Records.Count);
            overdue = false;
        }

        batch.Written.TrySetResult(failure);
    }

    private Batch? Next(Batch done)
    {
        lock (gate)
        {
            done.Reset();
            if (open.Records.Count == 0 && !open.IsAwaited)
            {
                spare = done;
                if (stopped) drained.SetResult();
                else if (journal.IsUncovered) covering.Change(ChainFormat.CheckpointWithin, Timeout.InfiniteTimeSpan);
                return writing = null;
            }

            writing = open;
            writingSince = time.GetTimestamp();
            open = done;
            return writing;
        }
    }

    /// <summary>
    /// Writes a checkpoint for the last records before a pause, as a batch without records. A record that arrives meanwhile finds a
    /// write in progress and joins the next batch, as always.
    /// </summary>
    private void CoverTheRest()
    {
        lock (gate)
        {
            if (stopped || writing is not null) return;
            writing = spare ?? new Batch();
            spare = null;
            writingSince = time.GetTimestamp();
        }

        ThreadPool.UnsafeQueueUserWorkItem(static audit => audit.WriteBatches(), this, preferLocal: false);
    }

    /// <summary>The current write hangs: all waiting and new records are refused until it returns.</summary>
    private void GiveUpWaiting()
    {
        TaskCompletionSource<Exception?> hanging, behind;
        lock (gate)
        {
            if (writing is null || overdue) return;
            if (limits.Deadline - time.GetElapsedTime(writingSince) is var left && left > TimeSpan.Zero)
            {
                // The timer of a batch that is done by now, or one that fired early.
                watch.Change(left, Timeout.InfiniteTimeSpan);
                return;
            }

            overdue = true;
            SayFailing(Overdue(), writing.Records.Count + open.Records.Count);
            hanging = writing.Written;
            behind = open.Written;
            open = new Batch();
        }

        hanging.TrySetResult(Overdue());
        behind.TrySetResult(Overdue());
    }

    /// <summary>Logs when failing begins and when it ends, not every batch in between.</summary>
    private void SayFailing(Exception failure, int records)
    {
        if (refused == 0) Log.Failing(logger, journal.Name, failure.Message);
        refused += records;
    }

    private void SayHealed()
    {
        if (refused > 0) Log.Healed(logger, journal.Name, refused);
        refused = 0;
    }

    private TimeoutException Overdue() => new($"a write has taken more than {limits.Deadline.TotalSeconds:0.#} s");

    private static AuditUnavailableException Unavailable(Exception cause) =>
        new($"The audit cannot be written: {cause.Message}. Try again; if the problem persists, see the broker's log.", cause);

    private sealed class Batch
    {
        public List<AuditRecord> Records { get; } = [];

        /// <summary>One task for all waiters; their continuations run asynchronously, so that waking them does not delay the next batch.</summary>
        public TaskCompletionSource<Exception?> Written { get; private set; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Whether somebody waits for it, with or without a record.</summary>
        public bool IsAwaited { get; set; }

        public void Reset()
        {
            Records.Clear();
            IsAwaited = false;
            Written = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }
}
