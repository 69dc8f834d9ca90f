using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Broker.Core.Catalog;

namespace Broker.Core.Audit;

/// <summary>
/// The keyed hash that stands for a token in the audit: the same token has the same hash, and without the key nobody can tell
/// whether a given token is the one (law L6).
/// </summary>
public sealed class ProofHasher
{
    private readonly byte[] key;

    public ProofHasher(AuditSettings settings) =>
        key = settings.HashKey is { } given ? Encoding.UTF8.GetBytes(given.Reveal()) : RandomNumberGenerator.GetBytes(32);

    /// <summary>22 characters for a token.</summary>
    public string Hash(ReadOnlySpan<char> token)
    {
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(token.ToArray()), hash);
        return Base64Url.EncodeToString(hash[..16]);
    }
}
