using System.Diagnostics;

namespace Broker.Tests;

/// <summary>Waits for a condition with a deadline.</summary>
public static class Eventually
{
    // One deadline for all, so that no test can choose one that a slow machine misses. Only a test that fails anyway waits for it.
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(5);

    /// <summary>Returns when the condition holds; fails the test when it does not within five minutes.</summary>
    /// <param name="condition">The condition.</param>
    /// <param name="what">What was waited for.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="more">What else tells why it did not come true; null: nothing.</param>
    public static async Task HoldsAsync(Func<Task<bool>> condition, string what, CancellationToken cancellation, Func<string>? more = null)
    {
        var clock = Stopwatch.StartNew();
        while (!await condition())
        {
            if (clock.Elapsed > Deadline) throw new TimeoutException($"Did not come true in time: {what}\n{more?.Invoke()}");
            await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, cancellation);
        }
    }
}
