using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Broker.Core.Identity;
using Broker.Core.Model;

namespace Broker.Core.Sessions.ClientTokens;

/// <summary>
/// What a login at the Vault-compatible API gave: who logged in, with what, and for how long. The ledger holds this, sealed, under
/// the hash of the token; never the token.
/// </summary>
/// <param name="Accessor">Names it without letting anybody use it.</param>
/// <param name="Mount">The auth mount it was made at.</param>
/// <param name="DisplayName">For people.</param>
/// <param name="Issuer">What proved its caller: an identity issuer, or an AppRole mount.</param>
/// <param name="Subject">The caller's <c>sub</c>.</param>
/// <param name="Claims">The caller's claims, flat.</param>
/// <param name="Policies">What Vault's clients expect to see: <c>default</c> and the role of the login.</param>
/// <param name="Metadata">What the auth method says of the login.</param>
/// <param name="IssuedAt">When it was made, by the clock of the replica that made it.</param>
/// <param name="Ttl">What each renewal gives.</param>
/// <param name="MaxTtl">Its last end, counted from <paramref name="IssuedAt"/>; null: it lives as long as it is renewed (it is periodic).</param>
internal sealed record ClientToken(
    string Accessor, string Mount, string DisplayName, string Issuer, string Subject, IReadOnlyList<KeyValuePair<string, string>> Claims,
    IReadOnlyList<string> Policies, IReadOnlyDictionary<string, string> Metadata, DateTimeOffset IssuedAt, TimeSpan Ttl, TimeSpan? MaxTtl)
{
    /// <summary>What proved the caller, looked at again while it is good: whatever takes that proof away takes the token away.</summary>
    public string? Proof { get; init; }

    /// <summary>Until when it is looked at: its own end.</summary>
    public DateTimeOffset ProofEndsAt { get; init; }

    /// <summary>The thumbprint of the key that signed it: when its issuer withdraws that, the token is over. Null: none did.</summary>
    public string? SigningKey { get; init; }

    /// <summary>With AppRole: the secret id it was made with, as <c>role/name</c>.</summary>
    public string? SecretId { get; init; }

    /// <summary>When it was renewed last; null: never.</summary>
    public DateTimeOffset? RenewedAt { get; init; }

    /// <summary>The same for every login of one caller: an UUID made of issuer and subject.</summary>
    [JsonIgnore]
    public string EntityId => new Guid(SHA256.HashData(Encoding.UTF8.GetBytes($"{Issuer}\n{Subject}")).AsSpan(0, 16)).ToString();

    public string Write() => JsonSerializer.Serialize(this);

    public static ClientToken Read(string text) => JsonSerializer.Deserialize<ClientToken>(text)!;

    /// <summary>Who comes by it.</summary>
    public Caller Caller(DateTimeOffset endsAt, string? proofHash, string? cluster) =>
        new(Issuer, Subject, Claims.ToLookup(claim => claim.Key, claim => claim.Value, StringComparer.Ordinal), endsAt, cluster)
        {
            ProofHash = proofHash,
            SigningKey = SigningKey,
        };

    /// <summary>When it is over unless it is renewed or has been since, by the clock of the replica that wrote it, whatever end the ledger says (law L14).</summary>
    [JsonIgnore]
    public DateTimeOffset LastEnd => MaxTtl is { } max ? IssuedAt + max : (RenewedAt ?? IssuedAt) + Ttl;

    /// <summary>How long it may still live at most, whatever is asked for; null: no end.</summary>
    public TimeSpan? MostLeft(DateTimeOffset now) => MaxTtl is { } max ? IssuedAt + max - now : null;
}

/// <summary>The text of a token: <c>hvs.</c> and 256 random bits.</summary>
internal static class ClientTokenText
{
    /// <summary>What each begins with, as Vault's own service tokens do.</summary>
    public const string Prefix = "hvs.";

    private const int Length = 43;

    private static readonly SearchValues<char> Letters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    public static Secret New() => new(Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32)));

    /// <summary>Whether it can be one at all; nothing else is looked for.</summary>
    public static bool IsOne(ReadOnlySpan<char> text) =>
        text.Length == Prefix.Length + Length && text.StartsWith(Prefix, StringComparison.Ordinal) && !text[Prefix.Length..].ContainsAnyExcept(Letters);

    /// <summary>What the ledger knows it by.</summary>
    public static string IdOf(string text) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
