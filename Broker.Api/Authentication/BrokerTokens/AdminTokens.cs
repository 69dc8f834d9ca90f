using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Broker.Core.Audit;
using Broker.Core.Identity;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.WebUtilities;

namespace Broker.Api.Authentication.BrokerTokens;

/// <summary>
/// Tokens for the first start, before there is an identity provider: made on the server by <c>broker admin-token</c>, good
/// for minutes, sealed with the keys that all replicas share and nobody else has.
/// </summary>
internal sealed class AdminTokens(IDataProtectionProvider protection, ProofHasher hasher, TimeProvider time)
{
    /// <summary>The prefix of every such token; no JSON Web Token begins with it.</summary>
    public const string Prefix = "bra_";

    /// <summary>Their longest lifetime.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromHours(1);

    private readonly IDataProtector protector = protection.CreateProtector("Broker.AdminToken.v1");
    private readonly IDataProtector linkProtector = protection.CreateProtector("Broker.AdminLink.v1");

    /// <summary>Makes one.</summary>
    /// <param name="by">Who made it, for the audit.</param>
    /// <param name="lifetime">More than zero, at most <see cref="Longest"/>.</param>
    public Core.Model.Secret Make(string by, TimeSpan lifetime)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(lifetime, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lifetime, Longest);
        return new(Prefix + protector.Protect(JsonSerializer.Serialize(new Content(by, time.GetUtcNow() + lifetime))));
    }

    /// <summary>Makes the code of a one-time link that signs its reader in to the page.</summary>
    /// <param name="by">Who made it, for the audit.</param>
    /// <param name="lifetime">More than zero, at most <see cref="Longest"/>.</param>
    public Core.Model.Secret MakeLink(string by, TimeSpan lifetime)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(lifetime, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lifetime, Longest);
        return new(linkProtector.Protect(JsonSerializer.Serialize(new Content(by, time.GetUtcNow() + lifetime))));
    }

    /// <summary>Who made a link, its id, and how long it is still valid; null when it is not a link or has expired.</summary>
    public (string By, string Id, TimeSpan Left)? ReadLink(string code)
    {
        try
        {
            var content = Open(linkProtector, code);
            var left = content.ExpiresAt - time.GetUtcNow();
            return left > TimeSpan.Zero ? (content.By, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(code))), left) : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    /// <summary>The caller that an administrator's token proves.</summary>
    public Proof Prove(ReadOnlySpan<char> token)
    {
        try
        {
            var content = Open(protector, token[Prefix.Length..].ToString());
            if (time.GetUtcNow() >= content.ExpiresAt) return new Proof(ProofFailure.AdminTokenRefused);
            var claims = Array.Empty<KeyValuePair<string, string>>().ToLookup(claim => claim.Key, claim => claim.Value, StringComparer.Ordinal);
            return new Proof(new Caller(Caller.OwnIssuer, content.By, claims, content.ExpiresAt) { ProofHash = hasher.Hash(token) });
        }
        catch (CryptographicException)
        {
            return new Proof(ProofFailure.AdminTokenRefused);
        }
    }

    // Decoders take many texts for the same bytes, and a text's hash says whether it was used, and names it in the audit: only the one that was made is
    // opened.
    private static Content Open(IDataProtector protector, string text)
    {
        try
        {
            var made = WebEncoders.Base64UrlDecode(text);
            if (WebEncoders.Base64UrlEncode(made) != text) throw new CryptographicException("This is another text of what was made.");
            return JsonSerializer.Deserialize<Content>(protector.Unprotect(made))!;
        }
        catch (FormatException e)
        {
            throw new CryptographicException("This is no text of what is made.", e);
        }
    }

    private sealed record Content(string By, DateTimeOffset ExpiresAt);
}
