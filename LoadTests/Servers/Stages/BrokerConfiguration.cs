using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;

namespace LoadTests.Servers.Stages;

/// <summary>The broker's configuration for a stage: what an operator would write into <c>appsettings.json</c>.</summary>
internal static class BrokerConfiguration
{
    public static JsonObject For(StageSettings settings, Stage stage, string sealingDirectory, string auditPath) => new()
    {
        ["Broker"] = new JsonObject
        {
            ["Ledger"] = stage.Ledger is { } redis
                ? new JsonObject { ["Kind"] = "Redis", ["ConnectionString"] = redis.ConnectionString }
                : settings.Ledger == LedgerKind.File
                    ? new JsonObject { ["Kind"] = "File", ["Path"] = Path.ChangeExtension(auditPath, ".ledger") }
                    : new JsonObject { ["Kind"] = "InProcess" },
            ["Sealing"] = new JsonObject { ["Directory"] = sealingDirectory },
            ["Audit"] = new JsonObject { ["Path"] = auditPath },
            ["Issuers"] = new JsonObject { ["issuer"] = Issuer(settings, stage) },
            ["Databases"] = new JsonObject { [StageSettings.DatabaseName] = Database(settings, stage) },
            ["Roles"] = new JsonObject { [StageSettings.RoleName] = Role(settings, stage) },
            ["Identity"] = Identity(stage.Identity),
        },
    };

    private static JsonObject Issuer(StageSettings settings, Stage stage) => settings.Issuer switch
    {
        IssuerKind.Vault => Vault(stage.Vault!.Address, stage.Vault.Token),
        // The token lives as long as it is renewed within its period, so the leases' lives do not depend on it.
        IssuerKind.SimulatedVault => Vault(stage.SimulatedVault!.Address, stage.SimulatedVault.CreateToken(new() { Period = TimeSpan.FromHours(1) })),
        _ => new() { ["Kind"] = "BuiltIn" },
    };

    private static JsonObject Vault(Uri address, string token) => new()
    {
        ["Kind"] = "Vault",
        ["Address"] = address.OriginalString,
        ["Auth"] = new JsonObject { ["Method"] = "Token", ["Token"] = token },
    };

    private static JsonObject Database(StageSettings settings, Stage stage)
    {
        var database = Database(settings, stage.Database);
        if (stage.PgBouncer is { } pooler)
        {
            database["Pooler"] = new JsonObject
            {
                ["Kind"] = "PgBouncer",
                ["Host"] = "127.0.0.1",
                ["Port"] = pooler.Port,
                ["PoolSize"] = settings.PoolSize,
                ["ConsoleConnectionString"] = pooler.ConsoleConnectionString,
                [settings.UserList ? "UserList" : "AuthUser"] = settings.UserList ? pooler.UserList : LocalPgBouncer.AuthUser,
            };
        }

        return database;
    }

    private static JsonObject Database(StageSettings settings, ILocalDatabase server)
    {
        var database = Database(settings.Engine.Kind, server);
        database["Budget"] = new JsonObject { ["CeilingPercent"] = settings.CeilingPercent };
        database["Issuing"] = new JsonObject { ["UsersPerSecond"] = settings.UsersPerSecond, ["Burst"] = settings.Burst, ["InFlight"] = settings.InFlight };
        return database;
    }

    /// <summary>A server's database, with the defaults for everything else.</summary>
    /// <param name="engine">As the configuration names it.</param>
    /// <param name="server">The server.</param>
    public static JsonObject Database(string engine, ILocalDatabase server) => new()
    {
        ["Engine"] = engine,
        ["Host"] = server.Host,
        ["Port"] = server.Port,
        ["Name"] = server.Database,
        ["AdminConnectionString"] = server.AdminConnectionString,
    };

    private static JsonObject Role(StageSettings settings, Stage stage)
    {
        var role = new JsonObject
        {
            ["Database"] = StageSettings.DatabaseName,
            ["Issuer"] = "issuer",
            ["Sharing"] = settings.Sharing,
            ["MaxHoldersPerLease"] = settings.MaxHoldersPerLease,
            ["HolderTtl"] = "00:30:00",
            ["Connections"] = new JsonObject
            {
                ["Default"] = settings.Connections,
                ["Min"] = 1,
                ["Max"] = Math.Max(20, settings.Connections),
                ["ExpectedHolders"] = settings.ExpectedHolders,
                ["SurgePercent"] = settings.SurgePercent,
            },
            ["Allow"] = new JsonArray(new JsonObject
            {
                ["Issuer"] = StageSettings.ClusterName,
                ["Claims"] = new JsonObject { ["namespace"] = "orders", ["serviceaccount"] = StageSettings.RoleName },
            }),
        };
        if (stage.VaultPath is { } path)
            role["VaultPath"] = path;
        else
            role["CreationStatements"] = new JsonArray([.. settings.CreationStatements.Select(statement => JsonValue.Create(statement))]);
        return role;
    }

    private static JsonObject Identity(LocalIdentity identity) => new()
    {
        ["Issuers"] = new JsonObject
        {
            [StageSettings.ClusterName] = new JsonObject { ["Authority"] = identity.Authority.OriginalString, ["Audience"] = "broker" },
        },
        ["Viewers"] = People(LocalIdentity.Viewers),
        ["Operators"] = People(LocalIdentity.Operators),
    };

    private static JsonArray People(string group) => new(new JsonObject
    {
        ["Issuer"] = StageSettings.ClusterName,
        ["Claims"] = new JsonObject { ["groups"] = group },
    });
}
