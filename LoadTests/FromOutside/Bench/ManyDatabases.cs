using System.Globalization;
using System.Text.Json.Nodes;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Bench;

/// <summary>Many databases that are servers of their own by their configuration, so that nothing of one is decided with another; what answers for all of them is one PostgreSQL.</summary>
internal static class ManyDatabases
{
    public static string DatabaseOf(int number) => string.Create(CultureInfo.InvariantCulture, $"db-{number:00}");

    public static string ServerOf(int number) => "server-of-" + DatabaseOf(number);

    public static string RoleOf(int number) => string.Create(CultureInfo.InvariantCulture, $"role-{number:000}");

    /// <summary>Multiplies a stage's one database and role; the roles are on the databases in turn.</summary>
    public static void Multiply(JsonNode broker, int count, int roleCount)
    {
        var (databases, roles) = (broker["Databases"]!.AsObject(), broker["Roles"]!.AsObject());
        var (database, role) = (databases[StageSettings.DatabaseName]!, roles[StageSettings.RoleName]!);
        databases.Clear();
        roles.Clear();
        for (var i = 0; i < count; i++)
        {
            databases[DatabaseOf(i)] = database.DeepClone();
            databases[DatabaseOf(i)]!["Server"] = ServerOf(i);
        }

        for (var i = 0; i < roleCount; i++)
        {
            var one = role.DeepClone();
            one["Database"] = DatabaseOf(i % count);
            roles[RoleOf(i)] = one;
        }
    }
}
