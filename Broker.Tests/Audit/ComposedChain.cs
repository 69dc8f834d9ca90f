using Broker.Core.Audit.Chain;

namespace Broker.Tests.Audit;

/// <summary>A chain as a broker writes it, line by line.</summary>
internal sealed class ComposedChain : IDisposable
{
    private readonly AuditChain chain;
    private readonly TimeProvider time;

    /// <param name="key">What signs its checkpoints; null: nothing.</param>
    /// <param name="time">The broker's clock.</param>
    /// <param name="from">Where it goes on; null: it begins.</param>
    public ComposedChain(string? key, TimeProvider time, ChainHead? from = null)
    {
        (chain, this.time) = (new(key is null ? null : CheckpointKey.Read(key)), time);
        chain.Begin(from ?? ChainHead.New());
    }

    public List<byte[]> Lines { get; } = [];

    public ChainHead Head => chain.Head;

    public void Dispose() => chain.Dispose();

    public ComposedChain Opened(bool started = true, bool newFile = false, bool torn = false, ChainHead? behind = null) =>
        Keep(() => chain.AppendOpened(time.GetUtcNow(), new(started, newFile, torn, behind, Doubt: null)));

    public ComposedChain Records(int count)
    {
        for (; count > 0; count--) Keep(() => chain.Append(AuditFolder.Record($"H{chain.Seq}") with { Time = time.GetUtcNow() }));
        return this;
    }

    public ComposedChain Checkpoint(string why = "interval") => Keep(() => chain.AppendCheckpoint(time.GetUtcNow(), why));

    /// <summary>Records that a sink does not take, and the line that tells of it.</summary>
    public ComposedChain Losing(int count, string sink)
    {
        var (last, kept) = (chain.Head, Lines.Count);
        Records(count);
        Lines.RemoveRange(kept, count);
        return Keep(() => chain.AppendResumed(time.GetUtcNow(), sink, last, chain.Head));
    }

    private ComposedChain Keep(Action append)
    {
        append();
        Lines.Add(chain.Lines.TrimEnd((byte)'\n').ToArray());
        chain.Taken();
        return this;
    }
}
