using System.Collections.Concurrent;
using Broker.Core.Model;

namespace Broker.Core.Issuing.Vault;

/// <summary>
/// Where the client token is kept. All replicas should share one store, and so one token: a lease dies with the token that
/// created it, and a token of one replica's own would end with that replica (law L4).
/// </summary>
/// <remarks>
/// Read on every call to Vault, so a remote implementation caches for some seconds. Keeps the token sealed
/// (law L6). Counts the times left down on one clock (law L9). Throws <see cref="IssuerException"/> with
/// <see cref="IssuerFailure.Unavailable"/> when it cannot be reached, and nothing else.
/// </remarks>
public interface IVaultTokenStore
{
    /// <summary>The token under a key, with its times as of now; null when there is none. May return one that has ended.</summary>
    ValueTask<VaultToken?> ReadAsync(string key, CancellationToken cancellation);

    /// <summary>
    /// Replaces <paramref name="expected"/> with <paramref name="following"/>, if the former (judged by its
    /// <see cref="VaultToken.Value"/>) is still there. Returns the token that is there now: another replica's, if it was faster.
    /// </summary>
    ValueTask<VaultToken> ReplaceAsync(string key, VaultToken? expected, VaultToken following, CancellationToken cancellation);
}

/// <summary>A store for one replica: the token lives and ends with the process.</summary>
public sealed class InMemoryVaultTokenStore(TimeProvider time) : IVaultTokenStore
{
    private readonly ConcurrentDictionary<string, Entry> entries = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public ValueTask<VaultToken?> ReadAsync(string key, CancellationToken cancellation) =>
        ValueTask.FromResult(entries.TryGetValue(key, out var entry) ? Now(entry) : null);

    /// <inheritdoc/>
    public ValueTask<VaultToken> ReplaceAsync(string key, VaultToken? expected, VaultToken following, CancellationToken cancellation)
    {
        var mine = new Entry(following, Moment.Now(time));
        var there = entries.AddOrUpdate(
            key,
            static (_, put) => put.Mine,
            static (_, found, put) => found.Token.Value.Equals(put.Expected?.Value) ? put.Mine : found,
            (Mine: mine, Expected: expected));
        return ValueTask.FromResult(Now(there));
    }

    private VaultToken Now(Entry entry) => entry.Token.After(entry.ReadAt.Age(time));

    private sealed record Entry(VaultToken Token, Moment ReadAt);
}
