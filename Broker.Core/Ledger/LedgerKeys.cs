using Broker.Core.Catalog;

namespace Broker.Core.Ledger;

/// <summary>
/// The names of one database's keys. All carry the same hash tag, so that on a Redis Cluster they live in one slot and one
/// script may use them together.
/// </summary>
public static class LedgerKeys
{
    internal static readonly string[] Parts =
        ["budget", "leases", "order", "pools", "holders", "ends", "line", "tickets", "duties", "takes", "flights", "failing", "leftovers", "released", "given_up", "places", "silent", "over", "voices", "news", "classes", "breathing", "asked_of", "fewer"];

    /// <summary>In the order of their names in scripts.</summary>
    public static string[] Of(string database, string prefix = LedgerSettings.DefaultPrefix) => Array.ConvertAll(Parts, part => $"{prefix}:{{{database}}}:{part}");

    /// <summary>The channel on which decisions signal.</summary>
    public static string Channel(string database, string prefix = LedgerSettings.DefaultPrefix) => $"{prefix}:{{{database}}}:signals";
}
