namespace LoadTests.FromOutside.Rollouts;

/// <summary>Plays one rollout: all pods at once, or a rolling update from old pods to new ones.</summary>
internal sealed class Rollout(RolloutSettings settings, IDoor door, Tally tally, TimeProvider time)
{
    /// <returns>How many of the wanted pods were at work.</returns>
    public Task<int> RunAsync(CancellationToken cancellation) =>
        settings.IsRollingUpdate ? UpdateAsync(cancellation) : StartAllAsync(cancellation);

    private async Task<int> StartAllAsync(CancellationToken cancellation)
    {
        var pods = Enumerable.Range(0, settings.Pods).Select(number => Start(number, cancellation)).ToList();
        // All hold what they have until each has had an answer: so all pods exist at once, however slow this machine is.
        await Task.WhenAll(pods.Select(pod => pod.FirstAnswer));
        await HoldAsync(cancellation);
        await FinishAsync(pods, cancellation);
        return pods.Count(pod => pod.WasReady);
    }

    /// <summary>What a Kubernetes Deployment does with maxSurge and maxUnavailable.</summary>
    private async Task<int> UpdateAsync(CancellationToken cancellation)
    {
        var (surge, batch) = (settings.Surge ?? 0, settings.Batch ?? 0);
        var old = new Queue<Pod>(Enumerable.Range(0, settings.Pods).Select(number => Start(number, cancellation)));
        List<Pod> all = [.. old], starting = [], ready = [], leaving = [];
        await Task.WhenAll(old.Select(pod => pod.Ready));
        var atWork = old.Count(pod => pod.WasReady);
        if (atWork < settings.Pods)
            tally.AddFault($"Only {atWork} of {settings.Pods} old pods were at work, so there was nothing to update.");

        var begun = 0;
        var stuck = atWork < settings.Pods;
        while (!stuck && (ready.Count < settings.Pods || old.Count + leaving.Count > 0))
        {
            while (begun < settings.Pods && old.Count + leaving.Count + starting.Count + ready.Count < settings.Pods + surge)
            {
                starting.Add(Start(settings.Pods + begun++, cancellation));
                all.Add(starting[^1]);
            }

            while (old.Count > 0 && old.Count + ready.Count > settings.Pods - batch)
            {
                leaving.Add(old.Dequeue());
                leaving[^1].Leave();
            }

            await Task.WhenAny(starting.Select(pod => (Task)pod.Ready).Concat(leaving.Select(pod => pod.Gone)));
            leaving.RemoveAll(pod => pod.Gone.IsCompleted);
            foreach (var pod in starting.Where(pod => pod.Ready.IsCompleted).ToList())
            {
                starting.Remove(pod);
                stuck |= !pod.WasReady;
                if (pod.WasReady)
                    ready.Add(pod);
            }
        }

        if (stuck && atWork == settings.Pods)
            tally.AddFault($"A new pod did not get to work within {settings.Deadline.TotalSeconds:0} s: the update stood still at {ready.Count} of {settings.Pods}.");
        await HoldAsync(cancellation);
        await FinishAsync(all, cancellation);
        return ready.Count;
    }

    private Task HoldAsync(CancellationToken cancellation) => settings.Until?.WaitAsync(cancellation) ?? Task.Delay(settings.Hold, time, cancellation);

    private static async Task FinishAsync(List<Pod> pods, CancellationToken cancellation)
    {
        foreach (var pod in pods)
            pod.Leave();
        await Task.WhenAll(pods.Select(pod => pod.Gone));
        cancellation.ThrowIfCancellationRequested();
    }

    private Pod Start(int number, CancellationToken cancellation) => Pod.Start(number, door, settings, tally, time, cancellation);
}
