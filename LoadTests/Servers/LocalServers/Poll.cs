namespace LoadTests.Servers.LocalServers;

/// <summary>Waits for a condition, with a deadline.</summary>
public static class Poll
{
    /// <summary>Asks every 20 ms until the answer is yes.</summary>
    /// <param name="condition">What is waited for.</param>
    /// <param name="within">How long at most.</param>
    /// <param name="what">Completes the sentence "Waited 5 s in vain for …".</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="TimeoutException">The deadline came first.</exception>
    public static async Task UntilAsync(
        Func<CancellationToken, Task<bool>> condition, TimeSpan within, string what, CancellationToken cancellation)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(within);
        try
        {
            while (!await condition(deadline.Token))
                await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, deadline.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new TimeoutException($"Waited {within.TotalSeconds:0.#} s in vain for {what}.");
        }
    }
}
