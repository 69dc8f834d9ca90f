namespace Broker.Core.Issuing.Vault;

/// <summary>
/// Work that is done once for all who ask while it is under way: they share its answer, its failure too. Whoever leaves
/// does not stop it for the others.
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
