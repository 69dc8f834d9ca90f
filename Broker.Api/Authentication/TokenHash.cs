using System.Buffers;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Broker.Api.Authentication;

/// <summary>The SHA-256 of a token: the key under which a proven token is remembered, so that no token stays in memory.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct TokenHash
{
    private const int OnStack = 4096;

    private readonly ulong a, b, c, d;

    private TokenHash(ReadOnlySpan<byte> hash)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(hash);
        (a, b, c, d) = (words[0], words[1], words[2], words[3]);
    }

    public static TokenHash Of(ReadOnlySpan<char> token)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        var most = Encoding.UTF8.GetMaxByteCount(token.Length);
        if (most <= OnStack)
        {
            Span<byte> bytes = stackalloc byte[OnStack];
            SHA256.HashData(bytes[..Encoding.UTF8.GetBytes(token, bytes)], hash);
            return new TokenHash(hash);
        }

        var rented = ArrayPool<byte>.Shared.Rent(most);
        try
        {
            SHA256.HashData(rented.AsSpan(0, Encoding.UTF8.GetBytes(token, rented)), hash);
            return new TokenHash(hash);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented, clearArray: true);
        }
    }

    // A SHA-256 is evenly distributed, so any word of it serves as the hash code.
    public override int GetHashCode() => (int)a;
}
