using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using MySqlConnector;
using Npgsql;
using Xunit;

namespace Broker.Tests.Failure;

/// <summary>Real brokers that a test configures one by one, with an identity that all of them believe, and roles of pods of the namespace <c>orders</c>.</summary>
public abstract class BrokersOfOneServer : IAsyncLifetime
{
    private readonly List<LocalBroker> brokers = [];
    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("broker-one-server-");

    /// <summary>Who signs the tokens of pods, viewers and operators.</summary>
    protected LocalIdentity Identity { get; private set; } = null!;

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public virtual async ValueTask InitializeAsync() => Identity = await LocalIdentity.StartAsync();

    public virtual async ValueTask DisposeAsync()
    {
        await EndAsync();
        await Identity.DisposeAsync();
        directory.Delete(recursive: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Ends every broker that was started.</summary>
    protected async Task EndAsync()
    {
        foreach (var broker in brokers) await broker.DisposeAsync();
        brokers.Clear();
    }

    /// <summary>A database of the server by one of its names, with its administrator or another.</summary>
    protected static JsonObject OnPostgres(LocalPostgres postgres, string host = "127.0.0.1", string? admin = null) =>
        By(host, BrokerConfiguration.Database("PostgreSql", postgres), new NpgsqlConnectionStringBuilder(admin ?? postgres.AdminConnectionString) { Host = host }.ConnectionString);

    /// <inheritdoc cref="OnPostgres"/>
    protected static JsonObject OnMariaDb(LocalMariaDb mariaDb, string host = "127.0.0.1") =>
        By(host, BrokerConfiguration.Database("MySql", mariaDb), new MySqlConnectionStringBuilder(mariaDb.AdminConnectionString) { Server = host }.ConnectionString);

    private static JsonObject By(string host, JsonObject database, string admin)
    {
        (database["Host"], database["AdminConnectionString"]) = (host, admin);
        return database;
    }

    /// <summary>How users are made there.</summary>
    protected static string[] CreationOn(LocalMariaDb mariaDb) => ["CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'", $"GRANT SELECT ON {mariaDb.Database}.* TO '{{{{name}}}}'@'%'"];

    /// <summary>A role of the database.</summary>
    /// <param name="database">The database.</param>
    /// <param name="creation">How its users are made; none: as on PostgreSQL.</param>
    protected static JsonObject Role(string database, params string[] creation) => new()
    {
        ["Database"] = database,
        ["Issuer"] = "here",
        ["CreationStatements"] = new JsonArray([.. (creation.Length > 0 ? creation : ["CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"]).Select(statement => (JsonNode)statement)]),
        ["Allow"] = new JsonArray(new JsonObject { ["Issuer"] = "local", ["Claims"] = new JsonObject { ["namespace"] = "orders" } }),
    };

    /// <summary>Starts one.</summary>
    /// <param name="keys">Brokers of the same name share their sealing keys.</param>
    /// <param name="ledger">Null: in its process.</param>
    /// <param name="databases">Its databases.</param>
    /// <param name="roles">Its roles.</param>
    protected async Task<HttpClient> StartAsync(string keys, JsonObject? ledger, JsonObject databases, JsonObject roles)
    {
        var rule = """{ "Issuer": "local", "Claims": { "groups": """;
        var configuration = JsonNode.Parse($$"""
            { "Broker": {
                "Audit": { "Path": "{{Path.Combine(directory.FullName, Guid.NewGuid().ToString("N") + ".jsonl")}}" },
                "Sealing": { "Directory": "{{directory.CreateSubdirectory(keys).FullName}}" },
                "Issuers": { "here": { "Kind": "BuiltIn" } },
                "Identity": {
                  "Issuers": { "local": { "Authority": "{{Identity.Authority.OriginalString}}", "Audience": "broker" } },
                  "Viewers": [ {{rule}}"{{LocalIdentity.Viewers}}" } } ],
                  "Operators": [ {{rule}}"{{LocalIdentity.Operators}}" } } ] } } }
            """)!.AsObject();
        var broker = configuration["Broker"]!;
        if (ledger is not null) broker["Ledger"] = ledger;
        (broker["Databases"], broker["Roles"]) = (databases, roles);
        var started = await LocalBroker.StartAsync(new() { Configuration = configuration });
        brokers.Add(started);
        return new HttpClient { BaseAddress = started.Address, Timeout = TimeSpan.FromMinutes(1) };
    }

    /// <summary>Asks a broker.</summary>
    protected static async Task<(System.Net.HttpStatusCode Status, JsonObject Body)> SendAsync(HttpClient broker, HttpMethod method, string path, string token, JsonObject? body = null, int? wait = null)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = new("Bearer", token);
        if (wait is not null) request.Headers.Add("Prefer", $"wait={wait}");
        if (body is not null) request.Content = new StringContent(body.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
        using var response = await broker.SendAsync(request, Cancellation);
        var text = await response.Content.ReadAsStringAsync(Cancellation);
        return (response.StatusCode, text.Length > 0 ? JsonNode.Parse(text)!.AsObject() : []);
    }
}
