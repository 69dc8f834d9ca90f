using Broker.Core.Catalog;
using Broker.Core.Ledger.InProcess;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Broker.Core.Ledger.OnDisk;

/// <summary>
/// The ledger of a single replica that survives restarts: the decisions of <see cref="InProcessLedgerStore"/>, each on the disk before
/// it is answered. Decisions that arrive while others are being written are written together. When the file fails, the memory is
/// discarded and the file read again: nothing is ever decided on data that might not be on the disk. Only one process can use a file at a time.
/// </summary>
public sealed class FileLedgerStore : ILedgerStore
{
    private static readonly TimeSpan Again = TimeSpan.FromMilliseconds(500);

    private readonly Lock books = new();
    private readonly string path;
    private readonly bool durable;
    private readonly TimeProvider time;
    private readonly ILogger log;
    private readonly RecordedKeyspace keys;
    private readonly InProcessLedgerStore inner;
    private LedgerFile? file;
    private Batch pending = new();
    private Batch? writing;
    private (long At, LedgerFileException Why)? away;
    private bool disposed;

    /// <param name="settings">Where the file is.</param>
    /// <param name="time">The ledger's clock.</param>
    /// <param name="log">Reports that a file is new, or fails.</param>
    public FileLedgerStore(LedgerSettings settings, TimeProvider time, ILogger<FileLedgerStore> log)
        : this(settings.Path!, time, publish => new(time, publish), log: log)
    {
    }

    /// <param name="path">The file.</param>
    /// <param name="time">The ledger's clock.</param>
    /// <param name="keyspace">Makes the keyspace; everything it publishes goes to the given action.</param>
    /// <param name="scripts">The script to run for a decision; null: its own.</param>
    /// <param name="durable">False: it does not wait for the disk, which only a power cut would show. For simulations.</param>
    /// <param name="log">As above.</param>
    internal FileLedgerStore(
        string path, TimeProvider time, Func<Action<string, string>, RecordedKeyspace> keyspace, Func<Decision, string>? scripts = null, bool durable = true, ILogger? log = null)
    {
        (this.path, this.time, this.durable, this.log) = (path, time, durable, log ?? NullLogger.Instance);
        RecordedKeyspace? made = null;
        inner = new(publish => made = keyspace(publish), scripts);
        keys = made!;
    }

    /// <inheritdoc/>
    /// <exception cref="LedgerFileException">The file cannot be used. The decision may have been taken.</exception>
    public async ValueTask<string[]> DecideAsync(Decision decision, string database, IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        string[] answer;
        IReadOnlyList<(Action<string> Listener, string Subject)> calls;
        Batch? seen;
        lock (books)
        {
            Open();
            try
            {
                (answer, calls) = inner.Decide(decision, database, arguments);
            }
            finally
            {
                // A script that fails leaves behind its earlier writes, as in Redis.
                pending.Add(keys.TakeChanges(), keys.Sum);
            }

            // A decision that changed nothing may have read the changes of others.
            seen = pending.Cells.Count > 0 ? pending : writing;
        }

        if (seen is not null)
        {
            WriteUnlessSomebodyDoes();
            await seen.Written.WaitAsync(cancellation);
        }

        foreach (var (listener, subject) in calls) listener(subject);
        return answer;
    }

    /// <inheritdoc/>
    public IDisposable Listen(string database, Action<string> heard) => inner.Listen(database, heard);

    /// <summary>Describes the state of the file in words, without changing anything.</summary>
    /// <exception cref="LedgerFileException">It is damaged, or cannot be opened.</exception>
    public static string Look(string path)
    {
        if (!File.Exists(path)) return LedgerFile.WhyNotNew(path) is { } why ? throw why : "does not exist yet; the broker makes it.";
        var found = new RecordedKeyspace(TimeProvider.System, static (_, _) => { });
        try
        {
            LedgerFile.Open(path, found).Dispose();
            return "is whole.";
        }
        catch (LedgerFileException e) when (e.Fault == FileFault.InUse)
        {
            return "is in use by a running broker.";
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        lock (books) disposed = true; // no decision is taken any more
        while (Unwritten() is { } batch)
        {
            WriteUnlessSomebodyDoes();
            await batch.Written.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        lock (books)
        {
            file?.Dispose();
            file = null;
        }

        await inner.DisposeAsync();
    }

    /// <summary>Its present content, for readers outside the ledger.</summary>
    internal Keyspace Keys => keys;

    /// <summary>Runs a command as a stranger with write access to the ledger would.</summary>
    internal void Tamper(params string[] words)
    {
        lock (books)
        {
            Open();
            keys.Execute(words);
            pending.Add(keys.TakeChanges(), keys.Sum);
        }
    }

    /// <summary>The effect of a kill and a restart after an answer: the memory is dropped, and the file read.</summary>
    internal void Kill()
    {
        lock (books)
        {
            var sum = keys.Sum;
            file?.Dispose();
            file = null;
            Open();
            if (keys.Sum != sum) throw new InvalidOperationException("What was answered is not in the ledger's file.");
        }
    }

    private Batch? Unwritten()
    {
        lock (books) return writing ?? (file is not null && pending.Cells.Count > 0 ? pending : null);
    }

    // The first caller that finds no writer writes, on its own thread: a disk cannot be waited for in a better way.
    private void WriteUnlessSomebodyDoes()
    {
        Batch batch;
        LedgerFile open;
        lock (books)
        {
            if (writing is not null || pending.Cells.Count == 0 || file is null) return;
            (batch, open) = (writing = pending, file);
            pending = new();
        }

        LedgerFileException? failed = null;
        try
        {
            open.Write(batch.Cells, batch.Sum);
        }
        catch (LedgerFileException e)
        {
            failed = e;
        }

        Batch? lost = null;
        bool more;
        lock (books)
        {
            writing = null;
            if (failed is not null)
            {
                (lost, pending) = (pending, new());
                open.Dispose();
                file = null;
                Remember(failed);
            }
            else if (away is not null)
            {
                // Only now: on a nearly full disk a file may open and accept no writes.
                away = null;
                log.FileIsBack(path);
            }

            more = pending.Cells.Count > 0;
        }

        if (failed is null) batch.Succeed();
        else batch.Fail(failed);
        lost?.Fail(failed!);
        if (more) _ = Task.Run(WriteUnlessSomebodyDoes);
    }

    // Tried again with each decision, twice a second at most.
    private void Open()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        if (file is not null) return;
        if (away is { } known && time.GetElapsedTime(known.At) < Again) throw Repeat(known.Why);
        try
        {
            if (!File.Exists(path))
            {
                LedgerFile.Create(path);
                log.NewFile(path);
            }

            file = LedgerFile.Open(path, keys, durable);
        }
        catch (LedgerFileException e)
        {
            Remember(e);
            throw;
        }
    }

    private static LedgerFileException Repeat(LedgerFileException why) => new(why.Fault, why.Message, why);

    private void Remember(LedgerFileException why)
    {
        if (away?.Why.Message != why.Message) log.FileFailed(why.Message);
        away = (time.GetTimestamp(), why);
    }
}
