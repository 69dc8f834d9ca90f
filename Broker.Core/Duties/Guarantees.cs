using System.Globalization;
using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Leases.Locating;
using Broker.Core.Ledger;
using Broker.Core.Limits;

namespace Broker.Core.Duties;

/// <summary>
/// Checks that the guarantees on a database, and on all databases of its server together, can be kept when nobody else uses it. Where the configuration
/// says how many connections there are, it is refused when it is read; where only the server knows, as soon as the server has been asked.
/// </summary>
internal static class Guarantees
{
    private static readonly Dictionary<string, int> Nobody = [];

    /// <summary>Why the guarantees on a database cannot be kept, given this count; null when they can. Temporary ceilings of operators are ignored.</summary>
    public static string? WhyNot(CatalogSnapshot catalog, Database database, ConnectionSample sample)
    {
        var ceiling = BudgetCount.Of(sample, database.Budget, Nobody).Ceiling;
        var terms = Parties.TermsOf(catalog, database.Name);
        var sum = SumOf(terms);
        return sum <= ceiling ? null : string.Create(
            CultureInfo.InvariantCulture,
            $"{sum} connections are guaranteed on database '{database.Name}' ({ByParty(terms)}), but no more than {ceiling} may be promised on it: guarantee less, or raise the ceiling");
    }

    /// <summary>Why the guarantees on all databases of a server together cannot be kept, given this count; null when they can.</summary>
    /// <param name="catalog">The catalog.</param>
    /// <param name="database">The database that was counted.</param>
    /// <param name="sample">The count.</param>
    /// <param name="others">The other databases of the server.</param>
    public static string? WhyNotOnServer(CatalogSnapshot catalog, Database database, ConnectionSample sample, IReadOnlyList<Database> others)
    {
        // Guarantees to a pooler's clients are not connections of the server.
        if (database.Pooler is not null || others.Count == 0) return null;
        var ceiling = BudgetCount.Of(sample, database.Budget, Nobody, new([.. others.Select(static other => other.Budget)], Nobody)).ServerCeiling;
        var on = others.Append(database).Where(static one => one.Pooler is null).Select(one => (one.Name, Terms: Parties.TermsOf(catalog, one.Name))).Where(static of => SumOf(of.Terms) > 0)
            .OrderBy(static of => of.Name, StringComparer.Ordinal).ToArray();
        var sum = on.Sum(static of => SumOf(of.Terms));
        return sum <= ceiling ? null : string.Create(
            CultureInfo.InvariantCulture,
            $"{sum} connections are guaranteed on the databases of one server ({string.Join("; ", on.Select(static of => $"on '{of.Name}' {ByParty(of.Terms)}"))}), but no more than {ceiling} may be promised on it: guarantee less, or raise what may be promised on the server");
    }

    /// <summary>The guarantees on the server's other databases without a pooler, including databases that this replica has not seen before.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public static async Task<IReadOnlyList<DatabaseTerms>> BesideAsync(Servers servers, CatalogSnapshot catalog, Database database, CancellationToken cancellation)
    {
        var guaranteed = catalog.Roles.Values.Select(static role => (role.Database, role.Connections.Guaranteed))
            .Concat(catalog.Identity.Teams.SelectMany(static team => team.Division?.Guaranteed.Select(static of => (Database: of.Key, Guaranteed: of.Value)) ?? []))
            .Where(of => of.Guaranteed > 0 && of.Database != database.Name && catalog.Databases[of.Database].Pooler is null)
            .GroupBy(static of => of.Database, static of => (long)of.Guaranteed, StringComparer.Ordinal)
            .Select(static of => new DatabaseTerms(of.Key, (int)Math.Min(int.MaxValue, of.Sum()))).ToArray();
        if (guaranteed.Length == 0) return [];
        await Task.WhenAll(guaranteed.Select(of => servers.AddressAsync(of.Database, cancellation).AsTask()));
        var beside = servers.OthersBeside(database, catalog).Select(static other => other.Name).ToHashSet(StringComparer.Ordinal);
        return [.. guaranteed.Where(of => beside.Contains(of.Database))];
    }

    /// <summary>The poolers of the server's other databases, including databases that this replica has not seen before.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public static async Task<IReadOnlyList<NeighbourPooler>> PoolersBesideAsync(Servers servers, CatalogSnapshot catalog, Database database, CancellationToken cancellation)
    {
        var pooled = catalog.Databases.Values.Where(other => other.Pooler is not null && other.Name != database.Name).ToArray();
        if (pooled.Length == 0) return [];
        await Task.WhenAll(pooled.Select(other => servers.AddressAsync(other.Name, cancellation).AsTask()));
        return [.. servers.OthersBeside(database, catalog).Where(other => other.Pooler is not null).Select(other => new NeighbourPooler(other.Name, other.Pooler!.PoolSize))];
    }

    /// <summary>The sum of the guarantees, in connections.</summary>
    public static long SumOf(DivisionTerms terms) => terms.Parties.Sum(static party => (long)party.Guaranteed);

    /// <summary>The guarantees by party, for display.</summary>
    public static string ByParty(DivisionTerms terms) =>
        string.Join(", ", terms.Parties.Where(static party => party.Guaranteed > 0).Select(static party => $"{party.Guaranteed} to {party.Name}"));
}

/// <summary>The configured guarantees cannot be kept on the actual server.</summary>
internal sealed class CannotBeKeptException(string message) : Exception(message);
