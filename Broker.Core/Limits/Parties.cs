using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Ledger;

namespace Broker.Core.Limits;

/// <summary>The parties that share a database fairly: roles, and teams that have terms of their own.</summary>
internal static class Parties
{
    /// <summary>The party of a role's holder whose caller is in this team (null: in none).</summary>
    public static string Of(Team? team, Role role) => team?.Division is null ? role.Name : NameOf(team);

    /// <summary>The terms on which a database is divided.</summary>
    public static DivisionTerms TermsOf(CatalogSnapshot catalog, string database)
    {
        var roles = catalog.Roles.Values.Where(role => role.Database == database).OrderBy(role => role.Name, StringComparer.Ordinal).ToArray();
        return new(
            [
                .. roles.Select(role => new PartyTerms(role.Name, role.Connections.Weight, role.Connections.Guaranteed, role.Connections.Priority)).Where(IsUnusual),
                .. catalog.Identity.Teams.Where(team => team.Division is not null)
                    .Select(team => new PartyTerms(NameOf(team), team.Division!.Weight, team.Division.Guaranteed.GetValueOrDefault(database), team.Division.Priority))
                    .Where(IsUnusual),
            ],
            [
                .. roles.Where(role => role.Connections.SurgePercent > 0)
                    .Select(role => new SurgeTerms(role.Name, role.Connections.ExpectedHolders, role.Connections.SurgePercent, role.Connections.Min)),
            ]);
    }

    // No role has such a name.
    private static string NameOf(Team team) => "team/" + team.Name;

    private static bool IsUnusual(PartyTerms terms) => terms is not { Weight: 1, Guaranteed: 0, Priority: 0 };
}
