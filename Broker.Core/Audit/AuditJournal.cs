using Broker.Core.Audit.Chain;
using Broker.Core.Audit.Sinks;
using Broker.Core.Catalog;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Audit;

/// <summary>
/// Writes batches of records as lines of one chain to every sink. A batch counts as written when one sink has accepted it; a sink
/// that lost records notes the loss in the chain when it accepts records again. Not thread-safe.
/// </summary>
internal sealed class AuditJournal : IDisposable
{
    /// <summary>A batch with more bytes than this is written in parts, so that memory stays bounded.</summary>
    private const int PartSize = 256 * 1024;

    // A sink that is away must not delay every batch while other sinks accept them.
    private static readonly TimeSpan TryAgainAfter = TimeSpan.FromSeconds(1);

    private readonly List<SinkState> sinks = [];
    private readonly ChainedFile? file;
    private readonly AuditChain chain;
    private readonly TimeProvider time;
    private readonly ILogger logger;
    private readonly TimeSpan anchorEvery;
    private long coveredAt;
    private long? anchoredAt;
    private bool reopened;
    private string? doubt;

    /// <exception cref="ArgumentException">There is no sink.</exception>
    /// <exception cref="InvalidDataException">The signing key is not a valid key.</exception>
    /// <exception cref="IOException">The signing key cannot be read.</exception>
    public AuditJournal(AuditSettings settings, TimeProvider time, ILogger logger)
    {
        (this.time, this.logger) = (time, logger);
        chain = new AuditChain(settings.SigningKeyFile is { } keyFile ? CheckpointKey.Read(File.ReadAllText(keyFile)) : null);
        anchorEvery = settings.SigningKeyFile is null ? TimeSpan.Zero : settings.AnchorEvery;
        if (settings.Path is { } path && path != AuditSettings.StandardOutput) Add(file = new ChainedFile(settings, time, logger));
        if (settings.Path == AuditSettings.StandardOutput || settings.AlsoToStandardOutput)
            Add(new AuditFile(AuditSettings.StandardOutput, fsync: false, time, logger));
        if (settings.Syslog is { } syslog) Add(new SyslogSink(syslog));
        if (settings.Otlp is { } otlp) Add(new OtlpSink(otlp, time));
        if (sinks.Count == 0) throw new ArgumentException("The audit has no sink.", nameof(settings));
        Name = string.Join(", ", sinks.Select(sink => sink.Sink.Name));
        if (settings is { SigningKeyFile: null, IsOfUnproven: false }) Log.Unsigned(logger, Name);
    }

    /// <summary>For the log.</summary>
    public string Name { get; }

    /// <summary>The sinks, as of the last batch. May be read at any time.</summary>
    public IReadOnlyList<AuditSink> Sinks => [.. sinks.Select(static sink => new AuditSink(sink.Sink.Name, !sink.IsFailing))];

    /// <summary>Whether there are records that no checkpoint covers.</summary>
    public bool IsUncovered => chain.Uncovered > 0;

    /// <summary>Null when every record is written; otherwise what went wrong, because nobody may wait forever.</summary>
    /// <param name="records">What happened, in order.</param>
    /// <param name="closing">Whether this is the last batch.</param>
    public Exception? Write(IReadOnlyList<AuditRecord> records, bool closing = false)
    {
        // Decided once per batch: a sink that gets a part of a batch gets all of it, and is first told what it lost.
        foreach (var sink in sinks) sink.Failure = MayTry(sink) ? null : sink.LastFailure;
        try
        {
            if (closing && !chain.HasBegun) return null;
            if (!chain.HasBegun) Begin();
            var now = time.GetUtcNow();
            RotateWhenFull(now);
            var before = chain.Head;
            if (Beginning() is { } opening) chain.AppendOpened(now, opening);
            SayWhatWasLost(now, before);
            foreach (var record in records)
            {
                chain.Append(record);
                if (chain.Uncovered >= ChainFormat.CheckpointEvery) Cover(now, "interval");
                if (chain.Lines.Length >= PartSize) Send();
            }

            if (closing) Cover(now, ChainFormat.Closed);
            else if (IsUncovered && time.GetElapsedTime(coveredAt) >= ChainFormat.CheckpointWithin) Cover(now, "interval");
            Send();
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

    // The chain of an existing file continues; without one, or while it cannot be read, a new chain begins.
    private void Begin()
    {
        FileEnd found = new(null, null);
        try
        {
            found = file?.ReadEnd() ?? found;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The same file is opened again a few lines below, which reports the failure.
        }

        chain.Begin(found.Head ?? ChainHead.New());
        (reopened, doubt) = (true, found.Doubt);
        coveredAt = time.GetTimestamp();
        foreach (var sink in sinks) sink.Settled = sink.Taken = chain.Head;
    }

    private Opening? Beginning()
    {
        var newFile = false;
        ChainHead? behind = null;
        foreach (var sink in sinks)
        {
            if (sink.Failure is null) sink.Try(taking => newFile |= taking.Begins());
        }

        if (file is not null && sinks[0].Failure is null) sinks[0].Try(_ => behind = file.OtherChain(chain.Head.Chain));
        var opening = new Opening(reopened, newFile, file is { Torn: true } && sinks[0].Failure is null, behind, doubt);
        (reopened, doubt) = (false, null);
        return opening == new Opening(false, false, false, null, null) ? null : opening;
    }

    // Before the records, so that a sink that accepts them has been told what it lost, however many it accepts.
    private void SayWhatWasLost(DateTimeOffset now, ChainHead before)
    {
        foreach (var sink in sinks.Where(sink => sink.IsFailing && sink.Failure is null && sink.LostBehind!.Seq < before.Seq))
            chain.AppendResumed(now, sink.Sink.Name, sink.LostBehind!, before);
    }

    private void RotateWhenFull(DateTimeOffset now)
    {
        // Findings about a file at the start are recorded in it, before it is rotated.
        if (file is null || reopened || file.Torn || sinks[0].IsFailing || !file.IsFull(now)) return;
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
        Anchor(line, why);
    }

    // Written to the log, which is kept elsewhere: whoever truncates the file and its checkpoint cannot change that.
    private void Anchor(byte[] checkpoint, string why)
    {
        if (anchorEvery == TimeSpan.Zero || sinks.TrueForAll(static sink => sink.Failure is not null)) return;
        if (why != ChainFormat.Closed && anchoredAt is { } at && time.GetElapsedTime(at) < anchorEvery) return;
        anchoredAt = time.GetTimestamp();
        Log.Anchor(logger, ChainAnchor.Write(checkpoint));
    }

    private void Send()
    {
        var lines = chain.Lines;
        if (lines.Length == 0) return;
        foreach (var sink in sinks)
        {
            if (sink.Failure is not null) continue;
            try
            {
                sink.Sink.Append(lines);
                sink.Taken = chain.Head;
            }
            catch (Exception failure)
            {
                sink.Failure = failure;
            }
        }

        chain.Taken();
    }

    // When all sinks are away, each is tried at every batch.
    private bool MayTry(SinkState sink) =>
        !sink.IsFailing || time.GetElapsedTime(sink.TriedAt) >= TryAgainAfter || sinks.TrueForAll(other => other.IsFailing);

    private void Settle(SinkState sink)
    {
        if (sink.Failure is null)
        {
            if (sink.IsFailing && sinks.Count > 1) Log.SinkHealed(logger, sink.Sink.Name);
            sink.LastFailure = null;
            sink.Settled = chain.Head;
            return;
        }

        if (!ReferenceEquals(sink.Failure, sink.LastFailure)) sink.TriedAt = time.GetTimestamp();
        // What was accepted but could not be flushed to the disk may also be lost.
        if (sink.Taken != chain.Head) sink.LostBehind = sink.Taken;
        else if (!sink.IsFailing) sink.LostBehind = sink.Settled;
        if (!sink.IsFailing && sinks.Count > 1) Log.SinkFailing(logger, sink.Sink.Name, sink.Failure.Message);
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

        /// <summary>The last record that it accepted.</summary>
        public ChainHead? Taken { get; set; }

        /// <summary>The last record that it has stored as durably as configured.</summary>
        public ChainHead? Settled { get; set; }

        /// <summary>The last record that it has, while it fails.</summary>
        public ChainHead? LostBehind { get; set; }

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
