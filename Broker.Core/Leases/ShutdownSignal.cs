namespace Broker.Core.Leases;

/// <summary>
/// Whether this replica is about to stop: waiting callers are then answered, watchers disconnected, and another replica serves both.
/// </summary>
public sealed class ShutdownSignal : IDisposable
{
    private readonly CancellationTokenSource begun = new();

    /// <summary>Cancelled from <see cref="Begin"/> on.</summary>
    public CancellationToken Token => begun.Token;

    /// <summary>Begins the shutdown: from now on nobody is kept waiting.</summary>
    public void Begin() => begun.Cancel();

    /// <inheritdoc/>
    public void Dispose() => begun.Dispose();
}
