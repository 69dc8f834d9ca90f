using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Broker.Core.Ledger.OnDisk;

/// <summary>One value of the ledger: a field of a hash, or the score of a sorted set's member.</summary>
/// <param name="Ranked">Whether it is in a sorted set.</param>
/// <param name="Key">The hash's or set's name.</param>
/// <param name="Name">The field or member.</param>
internal readonly record struct Cell(bool Ranked, string Key, string Name)
{
    /// <summary>
    /// The part that the cell and its value add to the sum over all cells. The file contains the sum: it does not match if cells are missing or come from
    /// different moments.
    /// </summary>
    public UInt128 Share(string? value)
    {
        if (value is null) return 0;
        var bytes = new List<byte> { Ranked ? (byte)1 : (byte)0 };
        foreach (var text in (ReadOnlySpan<string>)[Key, Name, value])
        {
            bytes.AddRange(BitConverter.GetBytes(Encoding.UTF8.GetByteCount(text)));
            bytes.AddRange(Encoding.UTF8.GetBytes(text));
        }

        return BinaryPrimitives.ReadUInt128LittleEndian(SHA256.HashData([.. bytes]));
    }
}
