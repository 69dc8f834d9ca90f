using System.Globalization;

namespace Broker.Core.Catalog.Reading;

/// <summary>Checks whether the guarantees of roles and teams can be kept, as far as that is known before the server is asked.</summary>
internal static class GuaranteesReading
{
    public static void Check(
        SectionReader reader, IReadOnlyDictionary<string, Database> databases, IReadOnlyDictionary<string, Role> roles, IReadOnlyList<Team> teams)
    {
        foreach (var team in teams)
        {
            foreach (var name in team.Division?.Guaranteed.Keys.Where(name => !databases.ContainsKey(name)) ?? [])
                reader.Error($"Identity:Teams:{team.Name}:Guaranteed:{name}", "is not one of Broker:Databases.", "Write the name of a database.");
        }

        foreach (var (name, database) in databases)
        {
            var guaranteed = On(name).ToArray();
            if (MostOf(database) is not { } most || guaranteed.Sum(of => (long)of.Guaranteed) is var sum && sum <= most) continue;
            reader.Error(
                $"Databases:{name}:Budget",
                string.Create(CultureInfo.InvariantCulture, $"lets {most} connections be promised, but {sum} are guaranteed: {string.Join(", ", guaranteed.Select(of => $"{of.Guaranteed} to {of.Who}"))}."),
                "Guarantee less, or raise the ceiling.");
        }

        // Databases that are reached under different names are recognised when their server identifies itself.
        foreach (var server in ServersOf(databases.Values).Where(server => server.Count > 1))
        {
            var guaranteed = server.Where(database => database.Pooler is null).SelectMany(database => On(database.Name).Select(of => (of.Who, of.Guaranteed, database.Name))).ToArray();
            if (MostOf(server) is not { } most || guaranteed.Sum(of => (long)of.Guaranteed) is var sum && sum <= most) continue;
            reader.Error(
                $"Databases:{server[0].Name}:Budget",
                string.Create(CultureInfo.InvariantCulture, $"lets {most} connections be promised on the server that it shares with {string.Join(", ", server.Skip(1).Select(other => other.Name))}, but {sum} are guaranteed on them together: {string.Join(", ", guaranteed.Select(of => $"{of.Guaranteed} to {of.Who} on {of.Name}"))}."),
                "Guarantee less, or raise what may be promised on the server.");
        }

        IEnumerable<(string Who, int Guaranteed)> On(string name) =>
            roles.Values.Where(role => role.Database == name && role.Connections.Guaranteed > 0).Select(role => (Who: $"role {role.Name}", role.Connections.Guaranteed))
                .Concat(teams.Select(team => (Who: $"team {team.Name}", Guaranteed: team.Division?.Guaranteed.GetValueOrDefault(name) ?? 0)).Where(of => of.Guaranteed > 0));
    }

    /// <summary>The databases by server: by the <c>Server</c> that the configuration names, or by its identity.</summary>
    /// <param name="databases">The databases.</param>
    /// <param name="identity">The identity of a database's server; null: the configured endpoint where it is counted.</param>
    public static IEnumerable<IReadOnlyList<Database>> ServersOf(IEnumerable<Database> databases, Func<Database, string>? identity = null)
    {
        identity ??= CountedEndpoint.Of;
        Database[] all = [.. databases.OrderBy(database => database.Name, StringComparer.Ordinal)];
        return all.GroupBy(database => database.Server ?? Named(database) ?? identity(database), StringComparer.Ordinal).Select(server => server.ToArray());

        string? Named(Database database) => all.FirstOrDefault(other => other.Server is not null && identity(other) == identity(database))?.Server;
    }

    // The same arithmetic as BudgetCount's, without what only the server knows.
    private static long? MostOf(IReadOnlyList<Database> server)
    {
        var budgets = server.Select(database => database.Budget).ToArray();
        return budgets.Min(budget => budget.Limit) is { } limit ? (long)limit * (budgets.Min(budget => budget.ServerCeilingPercent) ?? budgets.Max(budget => budget.CeilingPercent)) / 100 : null;
    }

    /// <summary>How many connections its configuration allows to be promised; null when only the server, or the pooler in front of it, knows.</summary>
    public static long? MostOf(Database database)
    {
        var budget = database.Budget;
        long? limited = database.Pooler is null && budget.Limit is { } limit ? (long)limit * budget.CeilingPercent / 100 : null;
        return budget.Ceiling is { } ceiling && !(limited < ceiling) ? ceiling : limited;
    }
}
