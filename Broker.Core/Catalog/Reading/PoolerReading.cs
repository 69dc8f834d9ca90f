using System.Data.Common;
using System.Globalization;
using Broker.Core.Model;

namespace Broker.Core.Catalog.Reading;

/// <summary>Reads a database's pooler, and checks that the rest of the configuration is compatible with it.</summary>
internal static class PoolerReading
{
    /// <summary>Of a process: two connections are kept for logins, and two users share the rest while one lease follows another.</summary>
    private const int LeastOfProcess = 4;

    private static readonly Secret Missing = new("missing");

    /// <summary>The pooler; null when there is none.</summary>
    public static PoolerSettings? Read(SectionReader parent)
    {
        if (!parent.HasGroup("Pooler")) return null;
        var reader = parent.Child("Pooler");
        if (!reader.Has("Kind")) reader.Error("Kind", "is missing.", $"Write one of {string.Join(", ", Enum.GetNames<PoolerKind>())}.");
        if (!reader.Has("PoolSize")) reader.Error("PoolSize", "is missing.", "Write how many of the server's connections the pooler may have, e.g. 20.");
        var pooler = new PoolerSettings
        {
            Kind = reader.Choice<PoolerKind>("Kind") ?? PoolerKind.PgBouncer,
            Host = PodsReading.Hosts(reader, reader.RequiredText("Host", "Write the host that pods connect to."), DatabaseEngineKind.PostgreSql),
            Port = reader.Int("Port", 6432, 1, 65_535),
            DatabaseName = reader.Text("Name"),
            PoolSize = reader.OptionalInt("PoolSize", LeastOfProcess, 10_000) ?? LeastOfProcess,
            ConsoleConnectionString = reader.Secret("ConsoleConnectionString", required: true) ?? Missing,
            AuthUser = reader.Text("AuthUser"),
            UserList = reader.Text("UserList"),
        };
        if (pooler is { UserList: not null, AuthUser: not null })
            reader.Error("AuthUser", "is set beside UserList: a pooler that reads its users from a file looks none of them up.", "Keep one of the two.");
        if (ProcessesOf(pooler) is var processes && pooler.PoolSize < LeastOfProcess * processes)
            reader.Error("PoolSize", Text($"is {pooler.PoolSize}, but ConsoleConnectionString names {processes} processes, which share it, and each needs {LeastOfProcess}."), Text($"Make it {LeastOfProcess * processes} or more, or run fewer processes."));
        reader.RefuseUnknownKeys();
        return pooler;
    }

    // A string that cannot be read is reported when the console is opened, by the driver's own rules.
    private static int ProcessesOf(PoolerSettings pooler)
    {
        try
        {
            var settings = new DbConnectionStringBuilder { ConnectionString = pooler.ConsoleConnectionString.Reveal() };
            var hosts = settings.TryGetValue("Host", out var named) || settings.TryGetValue("Server", out named) ? (string)named : pooler.Host;
            return ServerAddress.ListOf(hosts, pooler.Port).Count;
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException)
        {
            return 1;
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    /// <summary>Checks the database's other settings.</summary>
    public static void Check(Database database, SectionReader reader)
    {
        if (database.Pooler is null) return;
        if (database.Engine != DatabaseEngineKind.PostgreSql)
            reader.Error("Pooler", $"is set, but the engine is {database.Engine}.", "Remove it: PgBouncer serves only PostgreSql.");
        if (database.ReplicaConnectionString is not null)
            reader.Error("ReplicaConnectionString", "is set beside a Pooler.", "Let AdminConnectionString reach the server behind the pooler, and remove this.");
        if (database.Budget.Enforce)
            reader.Error("Budget:Enforce", "is set beside a Pooler: the server sees the pooler's connections, and not what each pod opens.", "Remove it: the pooler refuses clients beyond its max_client_conn, and never opens more than PoolSize.");
    }

    /// <summary>Checks the settings of roles on a database with a pooler, and of two databases with the same pooler.</summary>
    public static void CheckTogether(IReadOnlyDictionary<string, Database> databases, IEnumerable<Role> roles, SectionReader reader)
    {
        foreach (var role in roles.Where(role => databases.GetValueOrDefault(role.Database)?.Pooler is not null && role.Pods is { } pods && (pods.Host ?? pods.DatabaseName ?? pods.Port as object) is not null))
            reader.Error($"Roles:{role.Name}:Pods", $"bypasses the pooler of database '{role.Database}', which is where its connections are counted.", "Remove Host, Port and Name, or name a database without a Pooler.");
        foreach (var same in databases.Values.Where(database => database.Pooler is not null).GroupBy(database => (database.Pooler!.Host.ToUpperInvariant(), database.Pooler.Port)).Where(same => same.Count() > 1))
            reader.Error($"Databases:{same.Last().Name}:Pooler", $"is also the pooler of '{same.First().Name}', but its pool sizes apply to all its databases alike.", "Give each database its own PgBouncer.");
        foreach (var same in databases.Values.Where(database => database.Pooler?.UserList is not null).GroupBy(database => Path.GetFullPath(database.Pooler!.UserList!), StringComparer.Ordinal).Where(same => same.Count() > 1))
            reader.Error($"Databases:{same.Last().Name}:Pooler:UserList", $"is also the file of '{same.First().Name}', and each would remove the other's users.", "Give each pooler its own file.");
    }
}
