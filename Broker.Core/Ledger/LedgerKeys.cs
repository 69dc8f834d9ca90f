using Broker.Core.Catalog;

namespace Broker.Core.Ledger;

/// <summary>
/// The names of one database's keys. Those of all databases on one server carry the same hash tag, so that on a Redis Cluster they live in
/// one slot and one script may use them together. Where a database's records are is written <c>SERVER/DATABASE</c>; a name alone is a
/// database on a server of the same name.
/// </summary>
public static class LedgerKeys
{
    internal static readonly string[] Parts =
    [
        "budget", "leases", "order", "pools", "holders", "ends", "line", "tickets", "duties", "takes", "flights", "failing", "leftovers", "released", "given_up", "places", "silent", "over",
        "voices", "news", "classes", "breathing", "asked_of", "fewer", "server",
    ];

    /// <summary>The place of records that belong to no database; no database can have these names.</summary>
    internal static readonly string[] OfNoDatabase =
        [SharedLedger.Issuers, "~shares", "~sessions", "~handles", "~client-tokens", "~wrapped", "~upstream-tokens", "~secret-ids", "~shadow"];

    // The keys that the databases of a server share.
    private static readonly string[] OfServer = ["flights", "server"];

    /// <summary>In the order of their names in scripts.</summary>
    public static string[] Of(string address, string prefix = LedgerSettings.DefaultPrefix)
    {
        var (server, database) = Parse(address);
        return Array.ConvertAll(
            Parts, part => server == database || OfServer.Contains(part) ? $"{prefix}:{{{server}}}:{part}" : $"{prefix}:{{{server}}}:{database}:{part}");
    }

    /// <summary>The channel on which decisions signal: a database's own, whichever server it is on.</summary>
    public static string Channel(string address, string prefix = LedgerSettings.DefaultPrefix) => $"{prefix}:{{{Parse(address).Database}}}:signals";

    /// <summary>Where the records of a database are.</summary>
    public static string Address(string server, string database) => server == database ? database : $"{server}/{database}";

    /// <summary>The server in an address.</summary>
    public static string ServerOf(string address) => Parse(address).Server;

    private static (string Server, string Database) Parse(string address) =>
        address.IndexOf('/', StringComparison.Ordinal) is var at and >= 0 ? (address[..at], address[(at + 1)..]) : (address, address);
}
