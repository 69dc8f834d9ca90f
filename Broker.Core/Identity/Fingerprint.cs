using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace Broker.Core.Identity;

/// <summary>Short fingerprints of lists of strings.</summary>
internal static class Fingerprint
{
    // Enough for a caller's parts; longer input is allocated on the heap.
    private const int OnStack = 512;

    /// <summary>
    /// The first characters of the base64url of a SHA-256 over a purpose and parts. Each part is preceded by its length
    /// and by whether it is there at all, so no two different lists are ever hashed from the same bytes.
    /// </summary>
    public static string Of(string purpose, int characters, params ReadOnlySpan<string?> parts)
    {
        var most = Most(purpose);
        foreach (var part in parts) most += Most(part);
        Span<byte> bytes = most <= OnStack ? stackalloc byte[OnStack] : new byte[most];
        var length = Append(bytes, purpose);
        foreach (var part in parts) length += Append(bytes[length..], part);

        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(bytes[..length], hash);
        return Base64Url.EncodeToString(hash)[..characters];
    }

    private static int Most(string? part) => sizeof(int) + Encoding.UTF8.GetMaxByteCount(part?.Length ?? 0);

    private static int Append(Span<byte> bytes, string? part)
    {
        var length = Encoding.UTF8.GetBytes(part, bytes[sizeof(int)..]);
        BinaryPrimitives.WriteInt32BigEndian(bytes, part is null ? -1 : length);
        return sizeof(int) + length;
    }
}
