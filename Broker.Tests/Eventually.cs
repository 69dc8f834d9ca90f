using System.Diagnostics;

namespace Broker.Tests;

/// <summary>Waits for a condition with a deadline.</summary>
public static class Eventually
{
    // One deadline for all, so that no test can choose one that a slow machine misses. Only a test that fails anyway waits for it.
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(10), Seldom = TimeSpan.FromMilliseconds(50);

    /// <summary>Returns when the condition holds; fails the test when it does not within five minutes.</summary>
    /// <param name="condition">The condition. It is looked at less often the longer it takes: looking costs what is waited for its processor.</param>
    /// <param name="what">What was waited for.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="more">What else tells why it did not come true; null: nothing.</param>
    public static Task HoldsAsync(Func<Task<bool>> condition, string what, CancellationToken cancellation, Func<string>? more = null) =>
        HoldsAsync(condition, Seldom, what, more, cancellation);

    /// <summary>Takes a step of the test, such as moving its clock, again and again until it says that it was the last; fails the test when none was within five minutes.</summary>
    /// <param name="step">The step; its pace stays the same.</param>
    /// <param name="what">What was waited for.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="more">What else tells why it did not come true; null: nothing.</param>
    public static Task StepsAsync(Func<Task<bool>> step, string what, CancellationToken cancellation, Func<string>? more = null) =>
        HoldsAsync(step, Soon, what, more, cancellation);

    private static async Task HoldsAsync(Func<Task<bool>> condition, TimeSpan seldom, string what, Func<string>? more, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        while (!await condition())
        {
            if (clock.Elapsed > Deadline) throw new TimeoutException($"Did not come true in time: {what}\n{more?.Invoke()}");
            await Task.Delay(TimeSpan.FromTicks(Math.Clamp(clock.Elapsed.Ticks / 10, Soon.Ticks, seldom.Ticks)), TimeProvider.System, cancellation);
        }
    }
}
