using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Broker.Tests.Endpoints;
using LoadTests.Servers.LocalServers;
using Xunit;

[assembly: AssemblyFixture(typeof(RunningBroker))]

namespace Broker.Tests.Endpoints;

/// <summary>
/// One real broker process before a PostgreSQL of its own, whose connections nobody else takes, started when the first test
/// asks: one replica, whose ledger is its own memory. A test takes pods and, where it steers leases, a role of its own, so that tests do not meet.
/// </summary>
public sealed class RunningBroker : IAsyncDisposable
{
    /// <summary>The role most tests ask for.</summary>
    public const string Role = "orders-api";

    /// <summary>A role that exists and that no pod may have.</summary>
    public const string ForbiddenRole = "payroll";

    /// <summary>Roles for tests that end leases.</summary>
    public const string RevokedRole = "orders-revoked", RotatedRole = "orders-rotated";

    /// <summary>A role on a database with room for two connections.</summary>
    public const string NarrowRole = "narrow-api";

    /// <summary>A database with room for two connections that has no role, so that nobody holds any.</summary>
    public const string PlannedDatabase = "planned";

    /// <summary>A role whose issuer is a Vault that is not there, and one on a database that is not.</summary>
    public const string VaultlessRole = "vaultless", DatabaselessRole = "databaseless";

    private readonly Lazy<Task<Running>> running = new(StartAsync);
    private int pods;

    /// <summary>The broker's address.</summary>
    public async Task<Uri> AddressAsync() => (await running.Value).Broker.Address;

    /// <summary>Who makes tokens.</summary>
    public async Task<LocalIdentity> IdentityAsync() => (await running.Value).Identity;

    /// <summary>A client that sends a token as it is; null: none.</summary>
    public async Task<HttpClient> ClientAsync(string? token)
    {
        var client = new HttpClient { BaseAddress = await AddressAsync(), Timeout = TimeSpan.FromMinutes(1) };
        if (token is not null) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    /// <summary>A client that is a pod nobody else is.</summary>
    public async Task<HttpClient> PodAsync() => await ClientAsync((await IdentityAsync()).PodToken(NextPod()));

    public async Task<HttpClient> ViewerAsync() => await ClientAsync((await IdentityAsync()).ViewerToken());

    public async Task<HttpClient> OperatorAsync() => await ClientAsync((await IdentityAsync()).OperatorToken());

    /// <summary>A pod number of the caller's own.</summary>
    public int NextPod() => Interlocked.Increment(ref pods);

    /// <summary>The audit's lines of one request.</summary>
    public async Task<IReadOnlyList<JsonObject>> AuditOfAsync(string traceId)
    {
        var path = (await running.Value).AuditPath;
        return [.. await LinesAsync(path, traceId), .. await LinesAsync(path.Replace(".jsonl", "-unproven.jsonl", StringComparison.Ordinal), traceId)];
    }

    private static async Task<IEnumerable<JsonObject>> LinesAsync(string path, string traceId)
    {
        if (!File.Exists(path)) return [];
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file);
        return [.. (await reader.ReadToEndAsync()).Split('\n').Where(line => line.Contains(traceId, StringComparison.Ordinal)).Select(line => JsonNode.Parse(line)!.AsObject())];
    }

    /// <summary>All that the process has said by now, whatever it was: lines are written in their order, a moment after what they tell of.</summary>
    public async Task<string> LogAsync()
    {
        var mark = Guid.NewGuid().ToString("N");
        using var pod = await PodAsync();
        pod.DefaultRequestHeaders.Add("traceparent", $"00-{mark}-b7ad6b7169203331-01");
        await (await pod.ClaimAsync(role: ForbiddenRole)).ShouldRefuseAsync(HttpStatusCode.Forbidden, "not-allowed");
        var said = "";
        await Eventually.HoldsAsync(
            async () => (said = await ReadLogAsync()).Contains(mark, StringComparison.Ordinal), "the refusal is logged", TestContext.Current.CancellationToken);
        return said;
    }

    private async Task<string> ReadLogAsync()
    {
        await using var file = new FileStream((await running.Value).Broker.LogFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(file);
        return await reader.ReadToEndAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!running.IsValueCreated) return;
        var (broker, identity, postgres, directory, _) = await running.Value;
        await broker.DisposeAsync();
        await identity.DisposeAsync();
        await postgres.DisposeAsync();
        directory.Delete(recursive: true);
    }

    private static async Task<Running> StartAsync()
    {
        var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 300 });
        var identity = await LocalIdentity.StartAsync();
        var directory = Directory.CreateTempSubdirectory("broker-endpoints-");
        var audit = Path.Combine(directory.FullName, "audit.jsonl");
        var broker = await LocalBroker.StartAsync(new() { Configuration = Configuration(postgres, identity, audit) });
        using var first = new HttpClient { BaseAddress = broker.Address };
        first.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", identity.PodToken(0));
        await first.GrantAsync();
        return new(broker, identity, postgres, directory, audit);
    }

    private static JsonObject Configuration(LocalPostgres postgres, LocalIdentity identity, string audit)
    {
        return JsonNode.Parse($$"""
            { "Broker": {
                "Audit": { "Path": "{{audit}}" },
                "Issuers": { "here": { "Kind": "BuiltIn" },
                             "nowhere": { "Kind": "Vault", "Address": "http://127.0.0.1:1", "Auth": { "Method": "Token", "Token": "none" } } },
                "Databases": {
                  "orders": { {{Database(postgres)}}, "Budget": { "Ceiling": 250, "CeilingPercent": 100, "StaleAfter": "00:01:00" } },
                  "narrow": { {{Database(postgres)}}, "Budget": { "Ceiling": 2, "CeilingPercent": 100, "StaleAfter": "00:01:00" } },
                  "{{PlannedDatabase}}": { {{Database(postgres)}}, "Budget": { "Ceiling": 2, "CeilingPercent": 100, "StaleAfter": "00:01:00" } },
                  "gone": { "Engine": "PostgreSql", "Host": "127.0.0.1", "Port": 1, "Name": "app", "AdminConnectionString": "Host=127.0.0.1;Port=1;Timeout=1" } },
                "Roles": {
                  "{{Role}}": { "Database": "orders", {{BuiltIn}}, {{ForPods}} },
                  "{{RevokedRole}}": { "Database": "orders", {{BuiltIn}}, {{ForPods}} },
                  "{{RotatedRole}}": { "Database": "orders", {{BuiltIn}}, {{ForPods}} },
                  "{{NarrowRole}}": { "Database": "narrow", {{BuiltIn}}, {{ForPods}} },
                  "{{VaultlessRole}}": { "Database": "orders", "Issuer": "nowhere", "VaultPath": "database/creds/app", {{ForPods}} },
                  "{{DatabaselessRole}}": { "Database": "gone", {{BuiltIn}}, {{ForPods}} },
                  "{{ForbiddenRole}}": { "Database": "orders", {{BuiltIn}}, "Allow": [ { "Issuer": "local", "Claims": { "groups": "payroll" } } ] } },
                "Identity": {
                  "Issuers": { "local": { "Authority": "{{identity.Authority.OriginalString}}", "Audience": "broker" } },
                  "Viewers": [ { "Issuer": "local", "Claims": { "groups": "{{LocalIdentity.Viewers}}" } } ],
                  "Operators": [ { "Issuer": "local", "Claims": { "groups": "{{LocalIdentity.Operators}}" } } ] } } }
            """)!.AsObject();
    }

    private static string Database(LocalPostgres postgres) =>
        $$"""
        "Engine": "PostgreSql", "Host": "{{postgres.Host}}", "Port": {{postgres.Port}}, "Name": "{{postgres.Database}}", "AdminConnectionString": "{{postgres.AdminConnectionString}}"
        """;

    private const string BuiltIn = """
        "Issuer": "here", "CreationStatements": [ "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'" ]
        """;

    private const string ForPods = """
        "Allow": [ { "Issuer": "local", "Claims": { "namespace": "orders", "serviceaccount": "orders-api" } }, { "Issuer": "local", "Claims": { "sub": "pipeline" } } ]
        """;

    private sealed record Running(LocalBroker Broker, LocalIdentity Identity, LocalPostgres Postgres, DirectoryInfo Directory, string AuditPath);
}
