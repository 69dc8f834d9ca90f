using System.Text.RegularExpressions;
using Broker.Core.Model;

namespace Broker.Core.Catalog.Reading;

internal static partial class DatabaseReading
{
    private static readonly Secret Missing = new("missing");

    public static Database Read(string name, SectionReader reader)
    {
        var engine = Engine(reader);
        var database = new Database
        {
            Name = name,
            Engine = engine,
            Host = PodsReading.Hosts(reader, reader.RequiredText("Host", "Write the host that pods connect to."), engine),
            Port = reader.Int("Port", engine.DefaultPort(), 1, 65_535),
            DatabaseName = reader.RequiredText("Name", "Write the name of the database that pods open."),
            AdminConnectionString = reader.Secret("AdminConnectionString", required: true) ?? Missing,
            ReplicaConnectionString = reader.Secret("ReplicaConnectionString", required: false),
            Server = Server(reader),
            ReplicaLag = reader.Duration("ReplicaLag", TimeSpan.Zero, TimeSpan.Zero, TimeSpan.FromSeconds(60)),
            AuthSource = AuthSource(reader, engine),
            Pods = PodsReading.ReadOfDatabase(reader),
            Pooler = PoolerReading.Read(reader),
            Budget = Budget(reader.Child("Budget")),
            Issuing = Pace(reader.Child("Issuing")),
        };
        reader.RefuseUnknownKeys();
        PoolerReading.Check(database, reader);
        return database;
    }

    private static int DefaultPort(this DatabaseEngineKind engine) => engine switch
    {
        DatabaseEngineKind.PostgreSql => 5432,
        DatabaseEngineKind.MySql => 3306,
        _ => 27017,
    };

    private static DatabaseEngineKind Engine(SectionReader reader)
    {
        if (!reader.Has("Engine"))
            reader.Error("Engine", "is missing.", $"Write one of {string.Join(", ", Enum.GetNames<DatabaseEngineKind>())}.");
        return reader.Choice<DatabaseEngineKind>("Engine") ?? DatabaseEngineKind.PostgreSql;
    }

    private static string AuthSource(SectionReader reader, DatabaseEngineKind engine)
    {
        var source = reader.Text("AuthSource");
        if (source is not null && engine != DatabaseEngineKind.MongoDb)
            reader.Error("AuthSource", $"is set, but the engine is {engine}.", "Remove it: only MongoDb has it.");
        return source ?? "admin";
    }

    private static string? Server(SectionReader reader)
    {
        var server = reader.Text("Server");
        if (server is not null && !ServerName().IsMatch(server))
            reader.Error("Server", $"is '{server}'.", "Write 1 to 63 of a-z, 0-9, - and _, the same for all databases of the server.");
        return server;
    }

    [GeneratedRegex("^[a-z0-9_-]{1,63}$", RegexOptions.CultureInvariant)]
    private static partial Regex ServerName();

    private static BudgetSettings Budget(SectionReader reader)
    {
        var defaults = new BudgetSettings();
        var budget = new BudgetSettings
        {
            CeilingPercent = reader.Int("CeilingPercent", defaults.CeilingPercent, 1, 100),
            ServerCeilingPercent = reader.OptionalInt("ServerCeilingPercent", 1, 100),
            Limit = reader.OptionalInt("Limit", 1, int.MaxValue),
            Ceiling = reader.OptionalInt("Ceiling", 0, int.MaxValue),
            Enforce = reader.Flag("Enforce", defaults.Enforce),
            SampleEvery = reader.Duration("SampleEvery", defaults.SampleEvery, TimeSpan.FromMilliseconds(200), TimeSpan.FromMinutes(5)),
            StaleAfter = reader.Duration("StaleAfter", defaults.StaleAfter, TimeSpan.FromMilliseconds(200), TimeSpan.FromHours(1)),
            PauseAfter = reader.Duration("PauseAfter", defaults.PauseAfter, TimeSpan.Zero, TimeSpan.FromDays(365)),
        };
        if (budget.StaleAfter <= budget.SampleEvery)
            reader.Error("StaleAfter", $"is {budget.StaleAfter:c}, not longer than SampleEvery ({budget.SampleEvery:c}).",
                "Make it at least three times SampleEvery.");
        reader.RefuseUnknownKeys();
        return budget;
    }

    private static PaceSettings Pace(SectionReader reader)
    {
        var defaults = new PaceSettings();
        var pace = new PaceSettings
        {
            UsersPerSecond = reader.Number("UsersPerSecond", defaults.UsersPerSecond, 0.01, 1000),
            Burst = reader.Int("Burst", defaults.Burst, 1, 1000),
            InFlight = reader.Int("InFlight", defaults.InFlight, 1, 100),
        };
        reader.RefuseUnknownKeys();
        return pace;
    }
}
