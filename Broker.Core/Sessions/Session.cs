using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Model;

namespace Broker.Core.Sessions;

/// <summary>
/// A pipeline's session in exchange for its token: the claims it proved and the roles it named, for as long as its job runs. The
/// ledger holds this and the hash of the session's own token, sealed; never the token.
/// </summary>
/// <param name="Issuer">The key of the identity issuer that proved it.</param>
/// <param name="Subject">Its <c>sub</c>.</param>
/// <param name="Claims">Its claims, flat.</param>
/// <param name="Roles">The roles it was given for.</param>
/// <param name="OpenedAt">When it was opened.</param>
/// <param name="Hash">The SHA-256 of the session token's secret part, in base64url.</param>
/// <param name="SigningKey">The thumbprint of the key that signed the token: when its issuer withdraws it, the session is over.</param>
internal sealed record Session(
    string Issuer, string Subject, IReadOnlyList<KeyValuePair<string, string>> Claims, IReadOnlyList<string> Roles, DateTimeOffset OpenedAt, string Hash,
    string? SigningKey)
{
    public static Session Of(Caller caller, IReadOnlyList<string> roles, DateTimeOffset now, SessionToken token) => new(
        caller.Issuer,
        caller.Subject,
        [.. caller.Claims.SelectMany(claim => claim, static (claim, value) => KeyValuePair.Create(claim.Key, value))],
        roles,
        now,
        token.Hash,
        caller.SigningKey);

    /// <summary>Whether a session token is this session's; compared in constant time.</summary>
    public bool IsBy(SessionToken token) => CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(Hash), Encoding.ASCII.GetBytes(token.Hash));

    /// <summary>Whether it was opened by the same subject.</summary>
    public bool IsOf(Caller caller) => Issuer == caller.Issuer && Subject == caller.Subject;

    /// <summary>The caller that the session proves.</summary>
    public Caller Caller(string id, DateTimeOffset endsAt, string? proofHash, string? cluster) =>
        new(Issuer, Subject, Claims.ToLookup(claim => claim.Key, claim => claim.Value, StringComparer.Ordinal), endsAt, cluster)
        {
            Session = id,
            Roles = Roles.ToHashSet(StringComparer.Ordinal),
            ProofHash = proofHash,
            SigningKey = SigningKey,
        };
}

/// <summary>A session's token: <c>brs_{id, 16}_{secret, 43}</c>. The id is not secret, the rest is 256 random bits.</summary>
internal sealed class SessionToken
{
    /// <summary>The beginning of every session token; no JSON Web Token begins with it.</summary>
    public const string Prefix = "brs_";

    private const int IdLength = 16;
    private const int SecretLength = 43;

    private static readonly SearchValues<char> Letters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    private SessionToken(string id, Secret secret) => (Id, Value) = (id, secret);

    public string Id { get; }

    public Secret Value { get; }

    /// <summary>The SHA-256 of the whole token, in base64url.</summary>
    public string Hash => Base64Url.EncodeToString(SHA256.HashData(Encoding.ASCII.GetBytes(Value.Reveal())));

    public static SessionToken New() => Of(RandomNumberGenerator.GetBytes(IdLength * 3 / 4), RandomNumberGenerator.GetBytes(32));

    /// <summary>One of these 12 and 32 bytes; anybody who can predict them knows the token.</summary>
    internal static SessionToken Of(ReadOnlySpan<byte> name, ReadOnlySpan<byte> secret)
    {
        var id = Base64Url.EncodeToString(name);
        return new(id, new($"{Prefix}{id}_{Base64Url.EncodeToString(secret)}"));
    }

    public static bool TryRead(ReadOnlySpan<char> text, [NotNullWhen(true)] out SessionToken? token)
    {
        token = null;
        if (text.Length != Prefix.Length + IdLength + 1 + SecretLength || !text.StartsWith(Prefix, StringComparison.Ordinal)
            || text.ContainsAnyExcept(Letters))
            return false;
        token = new(text.Slice(Prefix.Length, IdLength).ToString(), new(text.ToString()));
        return true;
    }
}
