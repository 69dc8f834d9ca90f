using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Broker.Core.Audit.Chain;

/// <summary>The end of a chain so far: the last record's number and hash.</summary>
/// <param name="Chain">The chain's id; every replica's file has its own chain.</param>
/// <param name="Seq">The last record's number; 0: none yet.</param>
/// <param name="Hash">Its hash, in base64url.</param>
internal sealed record ChainHead(string Chain, long Seq, string Hash)
{
    /// <summary>Base64url characters of a SHA-256.</summary>
    public const int HashLength = 43;

    /// <summary>The hash that the first record of every chain follows: all zeros.</summary>
    public static readonly string Nothing = Base64Url.EncodeToString(new byte[SHA256.HashSizeInBytes]);

    /// <summary>A chain that begins.</summary>
    public static ChainHead New() => new(Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(9)), 0, Nothing);

    /// <summary>
    /// What a checkpoint after this record signs: this record, through the chain everything before it, and the checkpoint's own line
    /// up to its signature.
    /// </summary>
    public byte[] Statement(ReadOnlySpan<byte> line) =>
        [.. Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"broker-audit-v2\n{Chain}\n{Seq}\n{Hash}\n")), .. line];
}
