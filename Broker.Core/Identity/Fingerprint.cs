using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Broker.Core.Identity;

/// <summary>Short names for lists of texts.</summary>
internal static class Fingerprint
{
    /// <summary>
    /// The first characters of the base64url of a SHA-256 over a purpose and parts. Each part is preceded by its length
    /// and by whether it is there at all, so no two different lists are ever hashed from the same bytes.
    /// </summary>
    public static string Of(string purpose, int characters, params ReadOnlySpan<string?> parts)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(hash, purpose);
        foreach (var part in parts) Append(hash, part);
        return Base64Url.EncodeToString(hash.GetHashAndReset())[..characters];
    }

    private static void Append(IncrementalHash hash, string? part)
    {
        var bytes = part is null ? [] : Encoding.UTF8.GetBytes(part);
        Span<byte> length = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(length, part is null ? -1 : bytes.Length);
        hash.AppendData(length);
        hash.AppendData(bytes);
    }
}
