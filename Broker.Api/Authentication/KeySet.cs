using System.Text.Json;
using Broker.Core.Model;
using Microsoft.IdentityModel.Tokens;

namespace Broker.Api.Authentication;

/// <summary>A public key that an issuer signs with.</summary>
/// <param name="Key">The key.</param>
/// <param name="Thumbprint">Identifies the key independently of its key id: the SHA-256 of RFC 7638.</param>
internal sealed record SigningKey(SecurityKey Key, string Thumbprint)
{
    public static SigningKey Of(SecurityKey key) => new(key, Base64UrlEncoder.Encode(key.ComputeJwkThumbprint()));

    /// <summary>Whether this key can make signatures of that algorithm: its kind fits, and the key set does not name another algorithm for it.</summary>
    public bool Fits(string algorithm) => Key is not JsonWebKey key
        || ((string.IsNullOrEmpty(key.Alg) || string.Equals(key.Alg, algorithm, StringComparison.Ordinal))
            && key.Kty == (algorithm.StartsWith("ES", StringComparison.Ordinal) ? "EC" : "RSA"));
}

/// <summary>The keys an issuer signs with, as fetched once.</summary>
/// <param name="Issuer">The <c>iss</c> its discovery document states; null from a file.</param>
/// <param name="Keys">Its public signing keys.</param>
internal sealed record KeySet(string? Issuer, IReadOnlyList<SigningKey> Keys)
{
    // A token without a key id is tried against each of up to this many keys.
    private const int MostTried = 10;

    /// <summary>When they were requested.</summary>
    public Moment AskedAt { get; init; }

    /// <summary>
    /// The keys that may have made a token's signature: those with the key id that it gives, or, where the issuer publishes no key ids,
    /// those without one; all keys when the token gives none. A key id is only a hint: two keys may share one (RFC 7517, 4.5).
    /// </summary>
    public IEnumerable<SigningKey> For(string? kid, string algorithm)
    {
        IEnumerable<SigningKey> named = Keys;
        if (!string.IsNullOrEmpty(kid))
        {
            named = Keys.Where(key => string.Equals(key.Key.KeyId, kid, StringComparison.Ordinal));
            if (!named.Any()) named = Keys.Where(key => string.IsNullOrEmpty(key.Key.KeyId));
        }

        return named.Where(key => key.Fits(algorithm)).Take(MostTried);
    }

    /// <summary>Whether a key is among them.</summary>
    public bool Has(string thumbprint) => Keys.Any(key => string.Equals(key.Thumbprint, thumbprint, StringComparison.Ordinal));

    /// <summary>The asymmetric signing keys of a JSON Web Key Set; unusable and unreadable keys are left out, as RFC 7517, 5, says.</summary>
    /// <exception cref="InvalidDataException">The text is not a key set.</exception>
    public static IReadOnlyList<SigningKey> Parse(string json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return [.. document.RootElement.GetProperty("keys").EnumerateArray().Select(Read).OfType<SigningKey>()];
        }
        catch (Exception error) when (error is not (OutOfMemoryException or OperationCanceledException))
        {
            throw new InvalidDataException("The answer is not a JSON Web Key Set.", error);
        }
    }

    // One unreadable key does not affect the others.
    private static SigningKey? Read(JsonElement element)
    {
        try
        {
            var key = new JsonWebKey(element.GetRawText());
            return IsUsable(key) ? SigningKey.Of(key) : null;
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            return null;
        }
    }

    private static bool IsUsable(JsonWebKey key) => key.Use is null or "" or "sig" && key.Kty switch
    {
        "RSA" => !string.IsNullOrEmpty(key.N) && !string.IsNullOrEmpty(key.E),
        "EC" => !string.IsNullOrEmpty(key.Crv) && !string.IsNullOrEmpty(key.X) && !string.IsNullOrEmpty(key.Y),
        _ => false,
    };
}
