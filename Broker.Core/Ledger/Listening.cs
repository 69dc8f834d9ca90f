namespace Broker.Core.Ledger;

/// <summary>A subscription that ends when it is disposed.</summary>
internal sealed class Listening(Action stop) : IDisposable
{
    private Action? stop = stop;

    public void Dispose() => Interlocked.Exchange(ref stop, null)?.Invoke();
}
