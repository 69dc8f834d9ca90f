using System.Text.Json;
using Broker.Core.Issuing;
using Broker.Core.Issuing.Vault;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Leases.Logins;

/// <summary>
/// The one Vault token of all replicas, sealed in the ledger (laws L4, L6): a lease dies with the token that created it, so
/// none may depend on a token that a single replica keeps alive. Each is sealed for its issuer at its address and its way to log in:
/// in another's place it counts as missing, and is not sent to a server that it is not for (law L14).
/// </summary>
internal sealed class LedgerVaultTokens(SharedLedger ledger, LedgerSeal seal, TimeProvider time) : IVaultTokenStore
{
    private const string Purpose = "Broker.Vault.Token.v2";

    // The store is asked at each call to Vault; this replica sees a token that another has renewed or replaced this much later.
    private static readonly TimeSpan RememberedFor = TimeSpan.FromSeconds(5);

    private readonly Lock gate = new();
    private readonly Dictionary<string, (VaultToken Token, Moment ReadAt)> remembered = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public async ValueTask<VaultToken?> ReadAsync(string key, CancellationToken cancellation)
    {
        lock (gate)
        {
            if (remembered.TryGetValue(key, out var known) && known.ReadAt.Age(time) is var passed && passed < RememberedFor)
                return known.Token.After(passed);
        }

        return (await FetchAsync(key, cancellation)).Token;
    }

    /// <inheritdoc/>
    public async ValueTask<VaultToken> ReplaceAsync(string key, VaultToken? expected, VaultToken following, CancellationToken cancellation)
    {
        while (true)
        {
            var (sealedText, there) = await FetchAsync(key, cancellation);
            if (there is not null && !there.Value.Equals(expected?.Value)) return there;
            if (await OrUnavailable(ReplaceSealedAsync(key, sealedText, following, cancellation)))
            {
                Remember(key, following);
                return following;
            }
        }
    }

    private async ValueTask<(string? SealedText, VaultToken? Token)> FetchAsync(string key, CancellationToken cancellation)
    {
        if (await OrUnavailable(ReadSealedAsync(key, cancellation)) is not var (text, opened, age)) return (null, null);

        // It was sealed for something else, or with keys that are gone: it counts as missing, and is replaced.
        if (opened is null) return (text, null);
        var token = Read(opened).After(age);
        Remember(key, token);
        return (text, token);
    }

    private async ValueTask<(string SealedText, string? Opened, TimeSpan Age)?> ReadSealedAsync(string key, CancellationToken cancellation) =>
        await ledger.Texts.ReadSharedAsync(Name(key), cancellation) is var (text, age) ? (text, seal.TryOpen(text, Purpose, key), age) : null;

    private async ValueTask<bool> ReplaceSealedAsync(string key, string? sealedText, VaultToken following, CancellationToken cancellation) =>
        await ledger.Texts.ReplaceSharedAsync(Name(key), sealedText, seal.Seal(Write(following), Purpose, key), cancellation);

    private void Remember(string key, VaultToken token)
    {
        lock (gate) remembered[key] = (token, Moment.Now(time));
    }

    private static string Write(VaultToken token) => JsonSerializer.Serialize(new Sealed(
        token.Value.Reveal(), token.IssuedAt, token.TimeLeft, token.FullTtl, token.Renewable, token.Horizon, token.Earlier));

    private static VaultToken Read(string text)
    {
        var opened = JsonSerializer.Deserialize<Sealed>(text)!;
        return new()
        {
            Value = new(opened.Value),
            IssuedAt = opened.IssuedAt,
            TimeLeft = opened.TimeLeft,
            FullTtl = opened.FullTtl,
            Renewable = opened.Renewable,
            Horizon = opened.Horizon,
            Earlier = opened.Earlier,
        };
    }

    private static async ValueTask<T> OrUnavailable<T>(ValueTask<T> decision)
    {
        try
        {
            return await decision;
        }
        catch (LedgerException e)
        {
            throw new IssuerException(IssuerFailure.Unavailable, $"The Vault token is kept in the ledger. {e.Message}", inner: e);
        }
    }

    private static string Name(string key) => "vault-token:" + key;

    private sealed record Sealed(
        string Value, DateTimeOffset IssuedAt, TimeSpan? TimeLeft, TimeSpan FullTtl, bool Renewable, TimeSpan? Horizon,
        IReadOnlyList<EarlierVaultToken> Earlier);
}
