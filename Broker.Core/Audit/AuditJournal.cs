using Broker.Core.Audit.Chain;
using Broker.Core.Audit.Sinks;
using Broker.Core.Catalog;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Audit;

/// <summary>
/// Writes batches of records as lines of one chain into every sink. A batch is written when one sink has taken it; a sink
/// that lost some says so in the chain when it takes records again. One thread at a time.
/// </summary>
internal sealed class AuditJournal : IDisposable
{
    /// <summary>A batch larger than this is written in parts, so that memory stays bounded. Bytes.</summary>
    private const int PartSize = 256 * 1024;

    // A sink that is away must not make every batch wait for it while others take them.
    private static readonly TimeSpan TryAgainAfter = TimeSpan.FromSeconds(1);

    private readonly List<SinkState> sinks = [];
    private readonly ChainedFile? file;
    private readonly AuditChain chain;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private long coveredAt;
    private bool reopened;
    private bool torn;

    /// <exception cref="ArgumentException">There is no sink.</exception>
    /// <exception cref="InvalidDataException">The signing key is none.</exception>
    /// <exception cref="IOException">The signing key cannot be read.</exception>
    public AuditJournal(AuditSettings settings, TimeProvider time, ILogger logger)
    {
        (this.time, this.logger) = (time, logger);
        chain = new AuditChain(settings.SigningKeyFile is { } keyFile ? CheckpointKey.Read(File.ReadAllText(keyFile)) : null);
        if (settings.Path is { } path && path != AuditSettings.StandardOutput) Add(file = new ChainedFile(settings, time, logger));
        if (settings.Path == AuditSettings.StandardOutput || settings.AlsoToStandardOutput)
            Add(new AuditFile(AuditSettings.StandardOutput, fsync: false, time, logger));
        if (settings.Syslog is { } syslog) Add(new SyslogSink(syslog));
        if (settings.Otlp is { } otlp) Add(new OtlpSink(otlp, time));
        if (sinks.Count == 0) throw new ArgumentException("The audit goes nowhere.", nameof(settings));
        Name = string.Join(", ", sinks.Select(sink => sink.Sink.Name));
        if (settings.SigningKeyFile is null) Log.Unsigned(logger, Name);
    }

    /// <summary>For the log.</summary>
    public string Name { get; }

    /// <summary>Whether there are records that no checkpoint covers.</summary>
    public bool IsUncovered => chain.Uncovered > 0;

    /// <summary>Null when every record is written; whatever went wrong otherwise, since nobody may wait for ever.</summary>
    /// <param name="records">What happened, in its order.</param>
    /// <param name="closing">Nothing follows.</param>
    public Exception? Write(IReadOnlyList<AuditRecord> records, bool closing = false)
    {
        foreach (var sink in sinks) sink.Failure = null;
        try
        {
            if (closing && !chain.HasBegun) return null;
            if (!chain.HasBegun) Begin();
            var now = time.GetUtcNow();
            RotateWhenFull(now);
            var before = sinks.Exists(sink => sink.IsFailing) ? chain.Head : null;
            if (SomethingBegins()) chain.AppendOpened(now, torn);
            (reopened, torn) = (false, false);
            foreach (var record in records)
            {
                chain.Append(record);
                if (chain.Uncovered >= ChainFormat.CheckpointEvery) Cover(now, "interval");
                if (chain.Lines.Length >= PartSize) Send();
            }

            if (closing) Cover(now, ChainFormat.Closed);
            else if (IsUncovered && time.GetElapsedTime(coveredAt) >= ChainFormat.CheckpointWithin) Cover(now, "interval");
            Send();
            if (before is not null) SayResumed(now, before);
            foreach (var sink in sinks.Where(sink => sink.Failure is null)) sink.Try(static taking => taking.Flush());
            foreach (var sink in sinks) Settle(sink);
            return sinks.Exists(sink => sink.Failure is null) ? null : sinks[0].Failure;
        }
        catch (Exception failure)
        {
            return failure;
        }
        finally
        {
            chain.Taken();
        }
    }

    public void Dispose()
    {
        foreach (var sink in sinks) sink.Sink.Dispose();
        chain.Dispose();
    }

    private void Add(IAuditSink sink) => sinks.Add(new(sink));

    // The chain of a file that is there goes on; without one, or while it cannot be read, a new chain begins.
    private void Begin()
    {
        ChainHead? known = null;
        try
        {
            known = file?.ReadHead();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The same file is tried again a few lines on, and its failure is told there.
        }

        chain.Begin(known ?? ChainHead.New());
        (reopened, torn) = (true, file?.Torn ?? false);
        coveredAt = time.GetTimestamp();
        foreach (var sink in sinks) sink.Seen = chain.Seq;
    }

    private bool SomethingBegins()
    {
        var begins = reopened;
        foreach (var sink in sinks)
        {
            if (MayTry(sink)) sink.Try(taking => begins |= taking.Begins());
        }

        return begins;
    }

    private void RotateWhenFull(DateTimeOffset now)
    {
        if (file is null || sinks[0].IsFailing || !file.IsFull(now)) return;
        Cover(now, "rotated");
        Send();
        if (sinks[0].Failure is null) sinks[0].Try(_ =>
        {
            file.Flush();
            file.Rotate(chain.Seq);
        });
    }

    private void Cover(DateTimeOffset now, string why)
    {
        var start = chain.Lines.Length;
        chain.AppendCheckpoint(now, why);
        coveredAt = time.GetTimestamp();
        var line = chain.Lines[start..].ToArray();
        Send();
        if (file is not null && sinks[0].Failure is null) file.KeepHead(line);
    }

    private void Send()
    {
        var lines = chain.Lines;
        if (lines.Length == 0) return;
        foreach (var sink in sinks)
        {
            if (sink.Failure is not null) continue;
            if (!MayTry(sink))
            {
                sink.Failure = sink.LastFailure;
                continue;
            }

            try
            {
                sink.Sink.Append(lines);
            }
            catch (Exception failure)
            {
                sink.Failure = failure;
            }
        }

        chain.Taken();
    }

    // When all are away there is nothing to go on with: then each is tried at every batch.
    private bool MayTry(SinkState sink) =>
        !sink.IsFailing || time.GetElapsedTime(sink.TriedAt) >= TryAgainAfter || sinks.TrueForAll(other => other.IsFailing);

    private void SayResumed(DateTimeOffset now, ChainHead before)
    {
        foreach (var sink in sinks.Where(sink => sink.IsFailing && sink.Failure is null))
            chain.AppendResumed(now, sink.Sink.Name, sink.LostFrom, before);
        Send();
    }

    private void Settle(SinkState sink)
    {
        if (sink.Failure is null)
        {
            if (sink.IsFailing && sinks.Count > 1) Log.SinkHealed(logger, sink.Sink.Name);
            sink.LastFailure = null;
            sink.Seen = chain.Seq;
            return;
        }

        if (!ReferenceEquals(sink.Failure, sink.LastFailure)) sink.TriedAt = time.GetTimestamp();
        if (!sink.IsFailing)
        {
            sink.LostFrom = sink.Seen + 1;
            if (sinks.Count > 1) Log.SinkFailing(logger, sink.Sink.Name, sink.Failure.Message, sink.Failure);
        }

        sink.LastFailure = sink.Failure;
    }

    private sealed class SinkState(IAuditSink sink)
    {
        public IAuditSink Sink { get; } = sink;

        /// <summary>What went wrong in this batch.</summary>
        public Exception? Failure { get; set; }

        /// <summary>What went wrong in the batch before.</summary>
        public Exception? LastFailure { get; set; }

        public bool IsFailing => LastFailure is not null;

        public long TriedAt { get; set; }

        /// <summary>The last record of the last batch it took whole.</summary>
        public long Seen { get; set; }

        public long LostFrom { get; set; }

        public void Try(Action<IAuditSink> step)
        {
            try
            {
                step(Sink);
            }
            catch (Exception failure)
            {
                Failure = failure;
            }
        }
    }
}
