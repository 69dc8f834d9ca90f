namespace Broker.Core.Issuing.Vault;

/// <summary>
/// Work that runs once for all callers that ask while it is in progress: they share its result or its failure. A caller that leaves
/// does not stop the work for the others.
/// </summary>
internal sealed class Shared<T>
{
    private readonly Lock gate = new();
    private Task<T>? underWay;

    public Task<T> RunAsync(Func<Task<T>> work, CancellationToken cancellation)
    {
        lock (gate)
        {
            underWay ??= RunAloneAsync(work);
            return underWay.WaitAsync(cancellation);
        }
    }

    private async Task<T> RunAloneAsync(Func<Task<T>> work)
    {
        await Task.Yield(); // so that underWay is set before it is cleared
        try
        {
            return await work();
        }
        finally
        {
            lock (gate) underWay = null;
        }
    }
}
