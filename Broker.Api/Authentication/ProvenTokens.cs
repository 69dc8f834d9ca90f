using System.Collections.Concurrent;
using Broker.Core.Identity;

namespace Broker.Api.Authentication;

/// <summary>
/// Proven tokens, remembered until their end and never longer than <see cref="Longest"/>, at most a given number. Two
/// generations: when the young one is full or as old as anything may get, it becomes the old one, and what was old is
/// forgotten whole. So nothing is ever searched for what to throw away.
/// </summary>
internal sealed class ProvenTokens(int capacity, TimeProvider time)
{
    /// <summary>The longest a token is believed without being checked again.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    private readonly Lock turning = new();
    private volatile Generation young = new(time.GetTimestamp());
    private volatile Generation old = new(time.GetTimestamp());

    public bool TryRecall(TokenHash token, out Caller caller)
    {
        if ((young.Tokens.TryGetValue(token, out var entry) || old.Tokens.TryGetValue(token, out entry))
            && time.GetElapsedTime(entry.Since) < entry.For)
        {
            caller = entry.Caller;
            return true;
        }

        caller = null!;
        return false;
    }

    public void Remember(TokenHash token, Caller caller) => Remember(token, caller, Longest);

    /// <param name="token">The token.</param>
    /// <param name="caller">Who it proves.</param>
    /// <param name="longest">How long it is believed at most, up to <see cref="Longest"/>.</param>
    public void Remember(TokenHash token, Caller caller, TimeSpan longest)
    {
        var left = caller.ExpiresAt - time.GetUtcNow();
        if (left <= TimeSpan.Zero) return;
        if (left > longest) left = longest;
        var generation = Turned();
        if (generation.Tokens.TryAdd(token, new Entry(caller, time.GetTimestamp(), left < Longest ? left : Longest)))
            Interlocked.Increment(ref generation.Count);
        else
            generation.Tokens[token] = new Entry(caller, time.GetTimestamp(), left < Longest ? left : Longest);
    }

    private Generation Turned()
    {
        var generation = young;
        if (!Full(generation)) return generation;
        lock (turning)
        {
            if (Full(young))
            {
                old = young;
                young = new Generation(time.GetTimestamp());
            }

            return young;
        }
    }

    private bool Full(Generation generation) =>
        generation.Count >= Math.Max(1, capacity / 2) || time.GetElapsedTime(generation.Since) >= Longest;

    private sealed record Entry(Caller Caller, long Since, TimeSpan For);

    private sealed class Generation(long since)
    {
        public readonly ConcurrentDictionary<TokenHash, Entry> Tokens = new();
        public readonly long Since = since;
        public int Count;
    }
}
