using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.DataProtection;

namespace LoadTests.FromInside.Simulation;

/// <summary>
/// A seal that hides nothing and costs little: the same text each time. As with the real one, what was altered, or sealed for another
/// purpose, does not open.
/// </summary>
internal sealed class OpenSeal(string purposes = "", OpenSeal? root = null) : IDataProtectionProvider, IDataProtector
{
    private const int CodeLength = 16;

    /// <summary>Sabotage: what was sealed for one purpose opens for any other.</summary>
    public bool BindsNothing { get; set; }

    public IDataProtector CreateProtector(string purpose) => new OpenSeal($"{purposes}{purpose.Length}:{purpose}", root ?? this);

    public byte[] Protect(byte[] plaintext) => [.. Code(plaintext), .. Turn(plaintext)];

    public byte[] Unprotect(byte[] protectedData)
    {
        var text = protectedData.Length < CodeLength ? [] : Turn(protectedData.AsSpan(CodeLength));
        return protectedData.Length >= CodeLength && protectedData.AsSpan(0, CodeLength).SequenceEqual(Code(text))
            ? text
            : throw new CryptographicException("The text was not sealed for this.");
    }

    private byte[] Code(byte[] text) => SHA256.HashData([.. Encoding.UTF8.GetBytes((root ?? this).BindsNothing ? "" : purposes), 0, .. text])[..CodeLength];

    private static byte[] Turn(ReadOnlySpan<byte> bytes)
    {
        var turned = bytes.ToArray();
        for (var i = 0; i < turned.Length; i++) turned[i] ^= 0x5A;
        return turned;
    }
}
