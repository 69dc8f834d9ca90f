using System.Net;
using System.Net.Sockets;

namespace Broker.Core.Catalog;

/// <summary>
/// How much a network of trusted proxies covers: any client with one of its addresses can put any other address into the audit,
/// and is counted under whichever address it likes.
/// </summary>
internal static class ProxyNetworks
{
    // Room for parallel proxies: 256 IPv4 addresses, or one IPv6 link (RFC 4291, 2.5.1).
    private const int NarrowIPv4 = 24;
    private const int NarrowIPv6 = 64;

    // On a dual-stack socket, IPv4 addresses follow this many bits (RFC 4291, 2.5.5.2).
    private const int Mapped = 96;

    /// <summary>Whether it covers every IPv4 or every IPv6 address.</summary>
    public static bool CoversEverybody(this IPNetwork network) => Of(network).Prefix == 0;

    /// <summary>Whether it covers more than proxies need.</summary>
    public static bool IsWide(this IPNetwork network) => Of(network) is var (prefix, narrow) && prefix < narrow;

    private static (int Prefix, int Narrow) Of(IPNetwork network) =>
        network.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? (network.PrefixLength, NarrowIPv4)
        : network.BaseAddress.IsIPv4MappedToIPv6 && network.PrefixLength >= Mapped ? (network.PrefixLength - Mapped, NarrowIPv4)
        : (network.PrefixLength, NarrowIPv6);
}
