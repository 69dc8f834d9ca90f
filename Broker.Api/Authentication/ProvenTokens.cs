using BitFaster.Caching.Lru;
using Broker.Core.Identity;

namespace Broker.Api.Authentication;

/// <summary>
/// Proven tokens, remembered until their end and never longer than <see cref="Longest"/>, at most a given number: of too many,
/// the one used least recently is forgotten.
/// </summary>
internal sealed class ProvenTokens(int capacity, TimeProvider time)
{
    /// <summary>The longest a token is believed without being checked again.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    private readonly FastConcurrentLru<TokenHash, Entry> tokens = new(Environment.ProcessorCount, capacity, EqualityComparer<TokenHash>.Default);

    public bool TryRecall(TokenHash token, out Caller caller)
    {
        if (tokens.TryGet(token, out var entry) && time.GetElapsedTime(entry.Since) < entry.For)
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
    /// <param name="longest">How long it is believed at most, up to <see cref="Longest"/>; not at all when that is zero.</param>
    public void Remember(TokenHash token, Caller caller, TimeSpan longest)
    {
        var left = caller.ExpiresAt - time.GetUtcNow();
        if (left > longest) left = longest;
        if (left > Longest) left = Longest;
        if (left > TimeSpan.Zero) tokens.AddOrUpdate(token, new Entry(caller, time.GetTimestamp(), left));
    }

    private sealed record Entry(Caller Caller, long Since, TimeSpan For);
}
