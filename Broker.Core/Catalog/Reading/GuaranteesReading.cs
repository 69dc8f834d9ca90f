using System.Globalization;

namespace Broker.Core.Catalog.Reading;

/// <summary>Whether what is guaranteed to roles and teams can be kept, as far as that is known before the server is asked.</summary>
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
            var guaranteed = roles.Values.Where(role => role.Database == name && role.Connections.Guaranteed > 0)
                .Select(role => (Who: $"role {role.Name}", role.Connections.Guaranteed))
                .Concat(teams.Select(team => (Who: $"team {team.Name}", Guaranteed: team.Division?.Guaranteed.GetValueOrDefault(name) ?? 0)).Where(of => of.Guaranteed > 0))
                .ToArray();
            if (MostOf(database) is not { } most || guaranteed.Sum(of => (long)of.Guaranteed) is var sum && sum <= most) continue;
            reader.Error(
                $"Databases:{name}:Budget",
                string.Create(CultureInfo.InvariantCulture, $"lets {most} connections be promised, and {sum} are guaranteed: {string.Join(", ", guaranteed.Select(of => $"{of.Guaranteed} to {of.Who}"))}."),
                "Guarantee less, or raise the ceiling.");
        }
    }

    /// <summary>How many connections its configuration lets be promised; null: only the server knows, or the pooler before it.</summary>
    public static long? MostOf(Database database)
    {
        var budget = database.Budget;
        long? limited = database.Pooler is null && budget.Limit is { } limit ? (long)limit * budget.CeilingPercent / 100 : null;
        return budget.Ceiling is { } ceiling && !(limited < ceiling) ? ceiling : limited;
    }
}
