namespace LoadTests.FromInside.Simulation;

/// <summary>What happens to one call on its way.</summary>
/// <param name="There">Time until it arrives.</param>
/// <param name="Back">Time until its answer is back.</param>
/// <param name="Arrives">Whether it arrives at all.</param>
/// <param name="Returns">Whether its answer does.</param>
internal readonly record struct Fate(TimeSpan There, TimeSpan Back, bool Arrives = true, bool Returns = true);

/// <summary>
/// Calls from a replica to a server. What the server does is done in the server's own time: a caller that gives up, freezes or
/// dies stops nothing that has been sent.
/// </summary>
internal sealed class Wire(Timeline timeline, Actor server)
{
    /// <summary>Makes a call.</summary>
    /// <param name="carryOut">What the server does, at one moment.</param>
    /// <param name="fate">What happens to it.</param>
    /// <param name="patience">How long the client waits for an answer.</param>
    /// <param name="gaveUp">What the client makes of no answer.</param>
    /// <param name="cancellation">Ends the wait, not the call.</param>
    public Task<T> CallAsync<T>(Func<T> carryOut, Fate fate, TimeSpan patience, Func<Exception> gaveUp, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var leaving = cancellation.Register(() => answer.TrySetCanceled(cancellation));
        var giveUp = timeline.At(server, timeline.Now + patience, () =>
        {
            leaving.Dispose();
            if (!answer.Task.IsCompleted) answer.TrySetException(gaveUp());
        });
        if (fate.Arrives) timeline.At(server, timeline.Now + fate.There, Arrive);
        return answer.Task;

        void Arrive()
        {
            T? result = default;
            Exception? failure = null;
            try
            {
                result = carryOut();
            }
            catch (Exception e)
            {
                failure = e;
            }

            if (!fate.Returns) return;
            timeline.At(server, timeline.Now + fate.Back, () =>
            {
                leaving.Dispose();
                giveUp.TurnOff();
                if (failure is null) answer.TrySetResult(result!);
                else answer.TrySetException(failure);
            });
        }
    }
}
