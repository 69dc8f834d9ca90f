namespace Broker.Core.Limits;

/// <summary>
/// Bounds a kind of work: how many run at once, how many wait, and for how long (law L10). Places are assigned
/// round-robin by name, so that a name that wants many of them delays only itself. When the line is full, the last waiter of the
/// name with the most waiters gives way.
/// </summary>
/// <param name="places">How many work at once.</param>
/// <param name="mostWaiting">How many wait at most.</param>
/// <param name="longest">How long anybody waits at most.</param>
/// <param name="time">The clock.</param>
internal sealed class FairLine(int places, int mostWaiting, TimeSpan longest, TimeProvider time)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, LinkedList<Waiter>> lines = new(StringComparer.Ordinal);
    private readonly Queue<string> turns = new(); // each name with waiters, once
    private int free = places;
    private int waiting;

    /// <summary>Takes a place, to be given back with <see cref="Leave"/>. False when there was none in time.</summary>
    public ValueTask<bool> EnterAsync(string name)
    {
        Waiter waiter;
        lock (gate)
        {
            if (free > 0)
            {
                free--;
                return new(true);
            }

            if (waiting >= mostWaiting && !MakeRoom(name)) return new(false);
            waiter = new Waiter();
            if (!lines.TryGetValue(name, out var line))
            {
                lines.Add(name, line = new());
                turns.Enqueue(name);
            }

            line.AddLast(waiter);
            waiting++;
        }

        return WaitAsync(waiter);
    }

    /// <summary>Gives the place to the next one.</summary>
    public void Leave()
    {
        lock (gate)
        {
            while (turns.TryDequeue(out var name))
            {
                var line = lines[name];
                var next = line.First!.Value;
                Remove(name, line, line.First);
                if (line.Count > 0) turns.Enqueue(name);
                if (next.TrySetResult(true)) return; // otherwise it no longer waits
            }

            free++;
        }
    }

    private async ValueTask<bool> WaitAsync(Waiter waiter)
    {
        await using var deadline = time.CreateTimer(static state => ((Waiter)state!).TrySetResult(false), waiter, longest, Timeout.InfiniteTimeSpan);
        return await waiter.Task;
    }

    // Only names with more waiters than this one give way.
    private bool MakeRoom(string name)
    {
        var own = lines.TryGetValue(name, out var mine) ? mine.Count : 0;
        var (longestName, line) = lines.MaxBy(entry => entry.Value.Count);
        if (line.Count <= own + 1) return false;
        line.Last!.Value.TrySetResult(false);
        Remove(longestName, line, line.Last);
        return true;
    }

    private void Remove(string name, LinkedList<Waiter> line, LinkedListNode<Waiter> waiter)
    {
        line.Remove(waiter);
        waiting--;
        if (line.Count == 0) lines.Remove(name);
    }

    private sealed class Waiter() : TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
}
