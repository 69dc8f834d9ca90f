using System.Globalization;
using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Databases;
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
        var guaranteed = Parties.TermsOf(catalog, database.Name).Parties.Where(static party => party.Guaranteed > 0).ToArray();
        var sum = guaranteed.Sum(static party => (long)party.Guaranteed);
        return sum <= ceiling ? null : string.Create(
            CultureInfo.InvariantCulture,
            $"{sum} connections are guaranteed on database '{database.Name}' ({string.Join(", ", guaranteed.Select(static party => $"{party.Guaranteed} to {party.Name}"))}), and no more than {ceiling} may be promised on it: guarantee less, or raise the ceiling");
    }
}

/// <summary>What is configured cannot be kept on the server that there is.</summary>
internal sealed class CannotBeKeptException(string message) : Exception(message);
