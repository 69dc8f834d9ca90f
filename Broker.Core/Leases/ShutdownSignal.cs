namespace Broker.Core.Leases;

/// <summary>
/// Whether this replica is about to stop: who waits is then answered, who watches is let go, and both are served by another.
/// </summary>
public sealed class ShutdownSignal : IDisposable
{
    private readonly CancellationTokenSource begun = new();

    /// <summary>Cancelled from <see cref="Begin"/> on.</summary>
    public CancellationToken Token => begun.Token;

    /// <summary>From now on nobody is kept waiting.</summary>
    public void Begin() => begun.Cancel();

    /// <inheritdoc/>
    public void Dispose() => begun.Dispose();
}
