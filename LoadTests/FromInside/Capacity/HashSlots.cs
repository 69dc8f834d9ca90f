using System.Text;

namespace LoadTests.FromInside.Capacity;

/// <summary>In which of a Redis Cluster's slots a key lies, and on which master, as Redis decides it (the Cluster specification: CRC-16/XMODEM of the hash tag, modulo 16384).</summary>
internal static class HashSlots
{
    private const int Slots = 16_384;

    /// <summary>The slot of a key: of what stands between its first brace and the next closing one, where that is not empty.</summary>
    public static int Of(string key)
    {
        var open = key.IndexOf('{', StringComparison.Ordinal);
        var close = open < 0 ? -1 : key.IndexOf('}', open + 1);
        return Crc(Encoding.UTF8.GetBytes(close > open + 1 ? key[(open + 1)..close] : key)) % Slots;
    }

    /// <summary>The master that has a slot, where each has an equal range of them.</summary>
    public static int MasterOf(int slot, int masters)
    {
        for (var master = 0; master < masters - 1; master++)
        {
            if (slot < Slots * (master + 1) / masters) return master;
        }

        return masters - 1;
    }

    private static int Crc(byte[] bytes)
    {
        var crc = 0;
        foreach (var one in bytes)
        {
            crc ^= one << 8;
            for (var bit = 0; bit < 8; bit++) crc = ((crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xFFFF;
        }

        return crc;
    }
}
