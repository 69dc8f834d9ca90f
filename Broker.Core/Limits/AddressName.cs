using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Broker.Core.Limits;

/// <summary>
/// The key of an address where addresses are counted: an IPv4 address itself, however it is written; of an IPv6 address the
/// first 64 bits, because whoever has one such address has its whole network (RFC 4291, 2.5.1).
/// </summary>
internal static class AddressName
{
    /// <summary>The name; empty where there is no address.</summary>
    public static string Of(IPAddress? address)
    {
        if (address is null) return "";
        if (address.IsIPv4MappedToIPv6) return address.MapToIPv4().ToString();
        if (address.AddressFamily != AddressFamily.InterNetworkV6) return address.ToString();
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        return string.Create(CultureInfo.InvariantCulture, $"{BinaryPrimitives.ReadUInt64BigEndian(bytes):x16}/64");
    }
}
