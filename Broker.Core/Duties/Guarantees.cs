using System.Globalization;
using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Ledger;
using Broker.Core.Limits;

namespace Broker.Core.Duties;

/// <summary>
/// What is guaranteed on a database is to be kept when nobody else uses it. Where the configuration says how many connections there are, it is
/// refused when it is read; where only the server says it, as soon as that has been asked.
/// </summary>
internal static class Guarantees
{
    private static readonly Dictionary<string, int> Nobody = [];

    /// <summary>Why what is guaranteed cannot be kept on a server that shows this; null: it can. What an operator set for a while is left out of account.</summary>
    public static string? WhyNot(CatalogSnapshot catalog, Database database, ConnectionSample sample)
    {
        var ceiling = BudgetCount.Of(sample, database.Budget, Nobody).Ceiling;
        var terms = Parties.TermsOf(catalog, database.Name);
        var sum = SumOf(terms);
        return sum <= ceiling ? null : string.Create(
            CultureInfo.InvariantCulture,
            $"{sum} connections are guaranteed on database '{database.Name}' ({ByParty(terms)}), and no more than {ceiling} may be promised on it: guarantee less, or raise the ceiling");
    }

    /// <summary>All that is guaranteed, in connections.</summary>
    public static long SumOf(DivisionTerms terms) => terms.Parties.Sum(static party => (long)party.Guaranteed);

    /// <summary>To whom, for people.</summary>
    public static string ByParty(DivisionTerms terms) =>
        string.Join(", ", terms.Parties.Where(static party => party.Guaranteed > 0).Select(static party => $"{party.Guaranteed} to {party.Name}"));
}

/// <summary>What is configured cannot be kept on the server that there is.</summary>
internal sealed class CannotBeKeptException(string message) : Exception(message);
