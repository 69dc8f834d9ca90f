using System.Text.Json.Nodes;
using LoadTests.LocalServers;

namespace LoadTests.Stages;

/// <summary>The broker's configuration for a stage: what an operator would write into <c>appsettings.json</c>.</summary>
internal static class BrokerConfiguration
{
    public static JsonObject For(StageSettings settings, Stage stage, string sealingDirectory, string auditPath) => new()
    {
        ["Logging"] = new JsonObject { ["LogLevel"] = new JsonObject { ["Default"] = "Information", ["Microsoft.AspNetCore"] = "Warning" } },
        ["Broker"] = new JsonObject
        {
            ["Ledger"] = settings.Ledger == LedgerKind.Redis
                ? new JsonObject { ["Kind"] = "Redis", ["ConnectionString"] = stage.Redis!.ConnectionString }
                : new JsonObject { ["Kind"] = "InProcess" },
            ["Sealing"] = new JsonObject { ["Directory"] = sealingDirectory },
            ["Audit"] = new JsonObject { ["Path"] = auditPath },
            ["Issuers"] = new JsonObject { ["issuer"] = Issuer(settings, stage) },
            ["Databases"] = new JsonObject { [StageSettings.DatabaseName] = Database(settings, stage.Database) },
            ["Roles"] = new JsonObject { [StageSettings.RoleName] = Role(settings, stage) },
            ["Identity"] = Identity(stage.Identity),
        },
    };

    private static JsonObject Issuer(StageSettings settings, Stage stage) => settings.Issuer == IssuerKind.Vault
        ? new()
        {
            ["Kind"] = "Vault",
            ["Address"] = stage.Vault!.Address.OriginalString,
            ["Auth"] = new JsonObject { ["Method"] = "Token", ["Token"] = stage.Vault.Token },
        }
        : new() { ["Kind"] = "BuiltIn" };

    private static JsonObject Database(StageSettings settings, ILocalDatabase server) => new()
    {
        ["Engine"] = settings.Engine.Kind,
        ["Host"] = server.Host,
        ["Port"] = server.Port,
        ["Name"] = server.Database,
        ["AdminConnectionString"] = server.AdminConnectionString,
        ["Budget"] = new JsonObject { ["CeilingPercent"] = settings.CeilingPercent },
        ["Issuing"] = new JsonObject { ["UsersPerSecond"] = settings.UsersPerSecond, ["Burst"] = settings.Burst, ["InFlight"] = 2 },
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
                ["Issuer"] = "local",
                ["Claims"] = new JsonObject { ["namespace"] = "orders", ["serviceaccount"] = StageSettings.RoleName },
            }),
        };
        if (settings.Issuer == IssuerKind.Vault)
            role["VaultPath"] = stage.VaultPath;
        else
            role["CreationStatements"] = new JsonArray([.. settings.CreationStatements.Select(statement => JsonValue.Create(statement))]);
        return role;
    }

    private static JsonObject Identity(LocalIdentity identity) => new()
    {
        ["Issuers"] = new JsonObject
        {
            ["local"] = new JsonObject { ["Authority"] = identity.Authority.OriginalString, ["Audience"] = "broker" },
        },
        ["Viewers"] = People(LocalIdentity.Viewers),
        ["Operators"] = People(LocalIdentity.Operators),
    };

    private static JsonArray People(string group) => new(new JsonObject
    {
        ["Issuer"] = "local",
        ["Claims"] = new JsonObject { ["groups"] = group },
    });
}
