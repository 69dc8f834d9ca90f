using BitFaster.Caching.Lru;
using Broker.Core.Identity;
using Broker.Core.Model;

namespace Broker.Api.Authentication;

/// <summary>
/// A bounded cache of proven tokens, each remembered until it expires but never longer than <see cref="Longest"/>. When it is full,
/// the least recently used token is forgotten.
/// </summary>
internal sealed class ProvenTokens(int capacity, TimeProvider time)
{
    /// <summary>The longest that a token is trusted without being checked again.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMinutes(1);

    private readonly FastConcurrentLru<TokenHash, Entry> tokens = new(Environment.ProcessorCount, capacity, EqualityComparer<TokenHash>.Default);

    public bool TryRecall(TokenHash token, out Caller caller)
    {
        if (tokens.TryGet(token, out var entry) && entry.Since.Age(time) < entry.For)
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
    /// <param name="longest">How long it is trusted at most, up to <see cref="Longest"/>; zero: not at all.</param>
    public void Remember(TokenHash token, Caller caller, TimeSpan longest)
    {
        var left = caller.ExpiresAt - time.GetUtcNow();
        if (left > longest) left = longest;
        if (left > Longest) left = Longest;
        if (left > TimeSpan.Zero) tokens.AddOrUpdate(token, new Entry(caller, Moment.Now(time), left));
    }

    private sealed record Entry(Caller Caller, Moment Since, TimeSpan For);
}
