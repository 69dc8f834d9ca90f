namespace Broker.Tests.Failure;

/// <summary>A proxy in front of a server that can be shut: connections are accepted, and wait until it is opened.</summary>
internal sealed class ShutDoor : WayToServer
{
    private readonly TaskCompletionSource opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int waiting;

    /// <summary>How many have come to the shut door.</summary>
    public int Waiting => Volatile.Read(ref waiting);

    public void Open() => opened.TrySetResult();

    protected override Task ComesAsync(CancellationToken cancellation)
    {
        Interlocked.Increment(ref waiting);
        return opened.Task.WaitAsync(cancellation);
    }
}
