namespace LoadTests;

/// <summary>Waits for Ctrl-C.</summary>
internal static class Cancelled
{
    public static async Task ByAsync(CancellationToken cancellation)
    {
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = cancellation.Register(cancelled.SetResult);
        await cancelled.Task;
    }
}
