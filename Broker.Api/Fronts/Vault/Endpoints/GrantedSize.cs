using System.Globalization;
using Broker.Core.Leases;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>How a client of Vault, whose answers have no place for it, is told how many connections it was granted.</summary>
internal static class GrantedSize
{
    /// <summary>The header that says how many.</summary>
    public static IReadOnlyList<(string Name, string Value)> HeadersOf(Grant grant) => [("X-Broker-Connections", grant.Connections.ToString(CultureInfo.InvariantCulture))];

    /// <summary>Why it is fewer than were wanted; empty: it is not.</summary>
    public static IReadOnlyList<string> WarningsOf(Grant grant) => grant.FewerBecause is { } why ? [$"Connections: {why}"] : [];
}
