using System.Diagnostics;

namespace Broker.Tests;

/// <summary>Waits for a condition with a deadline.</summary>
public static class Eventually
{
    /// <summary>Returns when the condition holds; fails the test when it does not within the deadline (default: a minute).</summary>
    public static async Task HoldsAsync(Func<Task<bool>> condition, string what, CancellationToken cancellation, TimeSpan? within = null)
    {
        var clock = Stopwatch.StartNew();
        while (!await condition())
        {
            if (clock.Elapsed > (within ?? TimeSpan.FromMinutes(1)))
                throw new TimeoutException($"Did not come true in time: {what}");
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, cancellation);
        }
    }
}
