using System.Globalization;
using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Leases.Locating;
using Broker.Core.Ledger;
using Broker.Core.Limits;

namespace Broker.Core.Duties;

/// <summary>
/// What is guaranteed on a database, and on all databases of its server together, is to be kept when nobody else uses it. Where the configuration
/// says how many connections there are, it is refused when it is read; where only the server says it, as soon as that has been asked.
/// </summary>
internal static class Guarantees
{
    private static readonly Dictionary<string, int> Nobody = [];

    /// <summary>Why what is guaranteed on a database cannot be kept on a server that shows this; null: it can. What an operator set for a while is left out of account.</summary>
    public static string? WhyNot(CatalogSnapshot catalog, Database database, ConnectionSample sample)
    {
        var ceiling = BudgetCount.Of(sample, database.Budget, Nobody).Ceiling;
        var terms = Parties.TermsOf(catalog, database.Name);
        var sum = SumOf(terms);
        return sum <= ceiling ? null : string.Create(
            CultureInfo.InvariantCulture,
            $"{sum} connections are guaranteed on database '{database.Name}' ({ByParty(terms)}), but no more than {ceiling} may be promised on it: guarantee less, or raise the ceiling");
    }

    /// <summary>Why what is guaranteed on all databases of a server together cannot be kept where it shows this; null: it can.</summary>
    /// <param name="catalog">The catalog.</param>
    /// <param name="database">The one that was asked.</param>
    /// <param name="sample">What it shows.</param>
    /// <param name="others">The other databases of the server.</param>
    public static string? WhyNotOnServer(CatalogSnapshot catalog, Database database, ConnectionSample sample, IReadOnlyList<Database> others)
    {
        // What a pooler's clients are guaranteed are no connections of the server's.
        if (database.Pooler is not null || others.Count == 0) return null;
        var ceiling = BudgetCount.Of(sample, database.Budget, Nobody, new([.. others.Select(static other => other.Budget)], Nobody)).ServerCeiling;
        var on = others.Append(database).Where(static one => one.Pooler is null).Select(one => (one.Name, Terms: Parties.TermsOf(catalog, one.Name))).Where(static of => SumOf(of.Terms) > 0)
            .OrderBy(static of => of.Name, StringComparer.Ordinal).ToArray();
        var sum = on.Sum(static of => SumOf(of.Terms));
        return sum <= ceiling ? null : string.Create(
            CultureInfo.InvariantCulture,
            $"{sum} connections are guaranteed on the databases of one server ({string.Join("; ", on.Select(static of => $"on '{of.Name}' {ByParty(of.Terms)}"))}), but no more than {ceiling} may be promised on it: guarantee less, or raise what may be promised on the server");
    }

    /// <summary>What is guaranteed on the other databases of a server that have no pooler, those included that this replica has not looked at before.</summary>
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

    /// <summary>All that is guaranteed, in connections.</summary>
    public static long SumOf(DivisionTerms terms) => terms.Parties.Sum(static party => (long)party.Guaranteed);

    /// <summary>To whom, for people.</summary>
    public static string ByParty(DivisionTerms terms) =>
        string.Join(", ", terms.Parties.Where(static party => party.Guaranteed > 0).Select(static party => $"{party.Guaranteed} to {party.Name}"));
}

/// <summary>What is configured cannot be kept on the server that there is.</summary>
internal sealed class CannotBeKeptException(string message) : Exception(message);
