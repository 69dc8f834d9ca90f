namespace Broker.Core.Limits;

/// <summary>
/// Bounds a kind of work: how many run at once, how many wait, and for how long (law L10). Places are assigned round-robin by address, and those of
/// an address by who it is from there: who wants many of them delays only itself, and who makes up many names only its own address. When the line is full, the last waiter of
/// the address with the most waiters gives way.
/// </summary>
/// <param name="places">How many work at once.</param>
/// <param name="mostWaiting">How many wait at most.</param>
/// <param name="longest">How long anybody waits at most.</param>
/// <param name="time">The clock.</param>
internal sealed class FairLine(int places, int mostWaiting, TimeSpan longest, TimeProvider time)
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, Address> addresses = new(StringComparer.Ordinal);
    private readonly LinkedList<Address> turns = []; // each address with waiters, once
    private int free = places;
    private int waiting;

    /// <summary>Takes a place, to be given back with <see cref="Leave"/>. False when there was none in time.</summary>
    public ValueTask<bool> EnterAsync(Turn turn)
    {
        Waiter waiter;
        lock (gate)
        {
            if (free > 0)
            {
                free--;
                return new(true);
            }

            if (waiting >= mostWaiting && !MakeRoom(turn)) return new(false);
            waiter = new Waiter();
            if (!addresses.TryGetValue(turn.From, out var address))
            {
                addresses.Add(turn.From, address = new(turn.From));
                turns.AddLast(address.Turn);
            }

            address.Add(turn.Who, waiter);
            waiting++;
        }

        return WaitAsync(waiter);
    }

    /// <summary>Gives the place to the next one.</summary>
    public void Leave()
    {
        lock (gate)
        {
            while (turns.First?.Value is { } address)
            {
                var next = address.TakeNext();
                turns.RemoveFirst();
                turns.AddLast(address.Turn);
                Taken(address);
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

    // Only an address with more waiters than this one gives way, and within this one only who has more than this one has.
    private bool MakeRoom(Turn turn)
    {
        var own = addresses.GetValueOrDefault(turn.From);
        var most = addresses.Values.MaxBy(static address => address.Count)!;
        var gives = most.Count > (own?.Count ?? 0) + 1 ? most : own;
        if (gives?.TakeLast(gives == own ? turn.Who : null) is not { } waiter) return false;
        Taken(gives);
        waiter.TrySetResult(false);
        return true;
    }

    private void Taken(Address address)
    {
        waiting--;
        if (address.Count > 0) return;
        turns.Remove(address.Turn);
        addresses.Remove(address.Name);
    }

    private sealed class Waiter() : TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The waiters of an address, in lines by who they are.</summary>
    private sealed class Address
    {
        private readonly Dictionary<string, LinkedListNode<Line>> lines = new(StringComparer.Ordinal);
        private readonly LinkedList<Line> turns = [];

        public Address(string name) => (Name, Turn) = (name, new(this));

        public string Name { get; }

        public LinkedListNode<Address> Turn { get; }

        public int Count { get; private set; }

        public void Add(string who, Waiter waiter)
        {
            if (!lines.TryGetValue(who, out var line)) lines.Add(who, line = turns.AddLast(new Line(who)));
            line.Value.Waiters.AddLast(waiter);
            Count++;
        }

        public Waiter TakeNext()
        {
            var line = turns.First!;
            var waiter = line.Value.Waiters.First!;
            turns.Remove(line);
            turns.AddLast(line);
            return Take(line, waiter);
        }

        /// <summary>The last of the longest line; null: that is not longer than the one who wants its place would have.</summary>
        public Waiter? TakeLast(string? whoWants)
        {
            var longest = lines.Values.MaxBy(static line => line.Value.Waiters.Count)!;
            var own = whoWants is not null && lines.TryGetValue(whoWants, out var mine) ? mine.Value.Waiters.Count : 0;
            return whoWants is null || longest.Value.Waiters.Count > own + 1 ? Take(longest, longest.Value.Waiters.Last!) : null;
        }

        private Waiter Take(LinkedListNode<Line> line, LinkedListNode<Waiter> waiter)
        {
            line.Value.Waiters.Remove(waiter);
            Count--;
            if (line.Value.Waiters.Count > 0) return waiter.Value;
            turns.Remove(line);
            lines.Remove(line.Value.Who);
            return waiter.Value;
        }
    }

    private sealed record Line(string Who)
    {
        public LinkedList<Waiter> Waiters { get; } = [];
    }
}
