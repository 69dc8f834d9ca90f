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
/// The result of a login at the Vault-compatible API: who logged in, with what, and for how long. The ledger holds this, sealed, under
/// the hash of the token; never the token.
/// </summary>
/// <param name="Accessor">Names it without letting anybody use it.</param>
/// <param name="Mount">The auth mount it was made at.</param>
/// <param name="DisplayName">For people.</param>
/// <param name="Issuer">The prover of its caller: an identity issuer, or an AppRole mount.</param>
/// <param name="Subject">The caller's <c>sub</c>.</param>
/// <param name="Claims">The caller's claims, flat.</param>
/// <param name="Policies">The policies that Vault's clients expect to see: <c>default</c> and the role of the login.</param>
/// <param name="Metadata">The auth method's data about the login.</param>
/// <param name="IssuedAt">When it was made, by the clock of the replica that made it.</param>
/// <param name="Ttl">The time that each renewal gives.</param>
/// <param name="MaxTtl">Its final end, counted from <paramref name="IssuedAt"/>; null: it lives as long as it is renewed (it is periodic).</param>
internal sealed record ClientToken(
    string Accessor, string Mount, string DisplayName, string Issuer, string Subject, IReadOnlyList<KeyValuePair<string, string>> Claims,
    IReadOnlyList<string> Policies, IReadOnlyDictionary<string, string> Metadata, DateTimeOffset IssuedAt, TimeSpan Ttl, TimeSpan? MaxTtl)
{
    /// <summary>The caller's proof, which is checked again while it is valid: when the proof is taken away, so is the token.</summary>
    public string? Proof { get; init; }

    /// <summary>Until when it is checked: the proof's own end.</summary>
    public DateTimeOffset ProofEndsAt { get; init; }

    /// <summary>The thumbprint of the key that signed the proof: when its issuer withdraws the key, the token is over. Null: there is no key.</summary>
    public string? SigningKey { get; init; }

    /// <summary>With AppRole: the secret id it was made with, as <c>role/name</c>.</summary>
    public string? SecretId { get; init; }

    /// <summary>With AppRole: the secret id's hash, so that another one under the same name ends the token; null: an earlier version made it, and its next renewal notes it.</summary>
    public string? SecretHash { get; init; }

    /// <summary>The id of the token that made it, and with which it ends; null: a login did.</summary>
    public string? Parent { get; init; }

    /// <summary>Whether it can be renewed.</summary>
    public bool Renewable { get; init; } = true;

    /// <summary>The final end that its maker asked for, counted from <see cref="IssuedAt"/>; null: none.</summary>
    public TimeSpan? ExplicitMaxTtl { get; init; }

    /// <summary>When it was last renewed; null: never.</summary>
    public DateTimeOffset? RenewedAt { get; init; }

    /// <summary>The same for every login of one caller: a UUID made from issuer and subject.</summary>
    [JsonIgnore]
    public string EntityId => new Guid(SHA256.HashData(Encoding.UTF8.GetBytes($"{Issuer}\n{Subject}")).AsSpan(0, 16)).ToString();

    public string Write() => JsonSerializer.Serialize(this);

    public static ClientToken Read(string text) => JsonSerializer.Deserialize<ClientToken>(text)!;

    /// <summary>The caller that it proves.</summary>
    public Caller Caller(DateTimeOffset endsAt, string? proofHash, string? cluster) =>
        new(Issuer, Subject, Claims.ToLookup(claim => claim.Key, claim => claim.Value, StringComparer.Ordinal), endsAt, cluster)
        {
            ProofHash = proofHash,
            SigningKey = SigningKey,
        };

    /// <summary>When it is over unless it is renewed (or has been), by the clock of the replica that wrote it, whatever end the ledger says (law L14).</summary>
    [JsonIgnore]
    public DateTimeOffset LastEnd => MaxTtl is { } max ? IssuedAt + max : (RenewedAt ?? IssuedAt) + Ttl;

    /// <summary>The longest that it may still live, whatever is requested; null: no end.</summary>
    public TimeSpan? MostLeft(DateTimeOffset now) => MaxTtl is { } max ? IssuedAt + max - now : null;
}

/// <summary>The text of a token: <c>hvs.</c> and 256 random bits.</summary>
internal static class ClientTokenText
{
    /// <summary>The beginning of each, as of Vault's own service tokens.</summary>
    public const string Prefix = "hvs.";

    private const int Length = 43;

    private static readonly SearchValues<char> Letters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    public static Secret New() => new(Prefix + Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32)));

    /// <summary>Whether a text can be a token at all; others are not looked up.</summary>
    public static bool IsOne(ReadOnlySpan<char> text) =>
        text.Length == Prefix.Length + Length && text.StartsWith(Prefix, StringComparison.Ordinal) && !text[Prefix.Length..].ContainsAnyExcept(Letters);

    /// <summary>Its id in the ledger.</summary>
    public static string IdOf(string text) => Base64Url.EncodeToString(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
