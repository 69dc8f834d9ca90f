using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using Npgsql;
using StackExchange.Redis;
using Xunit;

namespace Broker.Tests.Security.Redis;

/// <summary>
/// Real brokers on a real Redis of their own, whose sealing keys stand in that Redis, and a real PostgreSQL; and somebody who can
/// write anything into the Redis.
/// </summary>
internal sealed class RedisStage : IAsyncDisposable
{
    public const string Orders = "orders-api", Payroll = "payroll", Own = "own-api";

    private readonly List<LocalBroker> brokers = [];
    private readonly LocalPostgres postgres;

    private RedisStage(LocalRedis redis, LocalPostgres postgres, LocalIdentity identity, IConnectionMultiplexer writer)
    {
        (Redis, this.postgres, Identity, Writer) = (redis, postgres, identity, writer);
        Directory = System.IO.Directory.CreateTempSubdirectory("broker-redis-").FullName;
        using var key = RSA.Create(2048);
        (Certificate, CertificateKey) = WriteCertificate("sealing", key);
    }

    public LocalRedis Redis { get; }

    public LocalIdentity Identity { get; }

    /// <summary>Whoever can write anything into Redis: a plain connection.</summary>
    public IConnectionMultiplexer Writer { get; }

    public IDatabase Written => Writer.GetDatabase();

    public string Directory { get; }

    public string Certificate { get; }

    public string CertificateKey { get; }

    /// <summary>Runs SQL as the server's administrator, and answers the first value.</summary>
    public async Task<string?> SqlAsync(string sql)
    {
        await using var source = NpgsqlDataSource.Create(postgres.AdminConnectionString);
        await using var command = source.CreateCommand(sql);
        return (await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))?.ToString();
    }

    public static async Task<RedisStage> StartAsync(SharedServers servers)
    {
        var redis = await LocalRedis.StartAsync();
        return new(redis, await servers.PostgresAsync(), await LocalIdentity.StartAsync(), await ConnectionMultiplexer.ConnectAsync(redis.ConnectionString + LocalRedis.Patience));
    }

    /// <summary>Writes a sealing certificate for a key: the path of it, and that of the key.</summary>
    public (string Certificate, string Key) WriteCertificate(string name, RSA key)
    {
        using var certificate = new CertificateRequest("CN=broker sealing", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            .CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddYears(100));
        return (Write(name + ".pem", certificate.ExportCertificatePem()), Write(name + ".key", key.ExportPkcs8PrivateKeyPem()));
    }

    /// <summary>Stops all brokers, as Kubernetes does.</summary>
    public Task StopAsync() => Task.WhenAll(brokers.Select(static broker => broker.TerminateAsync()));

    /// <summary>Starts one more broker.</summary>
    public async Task<HttpClient> BrokerAsync(Action<JsonObject>? change = null)
    {
        var configuration = Configuration();
        change?.Invoke(configuration);
        var broker = await LocalBroker.StartAsync(new() { Configuration = configuration });
        brokers.Add(broker);
        return new HttpClient { BaseAddress = broker.Address, Timeout = TimeSpan.FromMinutes(1) };
    }

    public string Pod(int pod, string account = Orders) => Identity.PodToken(pod, new() { ServiceAccount = account });

    public string Job() => Identity.SignNow(new() { ["sub"] = "pipeline", ["jti"] = Guid.NewGuid().ToString() });

    public static async Task<(int Status, JsonObject Body)> SendAsync(HttpClient broker, HttpMethod method, string path, string token, JsonObject? body = null)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (body is not null) request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using var response = await broker.SendAsync(request, TestContext.Current.CancellationToken);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return ((int)response.StatusCode, text.StartsWith('{') ? JsonNode.Parse(text)!.AsObject() : []);
    }

    public static Task<(int Status, JsonObject Body)> ClaimAsync(HttpClient broker, string token, string role = Orders) =>
        SendAsync(broker, HttpMethod.Post, $"/api/v1/roles/{role}/credentials", token);

    /// <summary>Claims until it is granted, as a pod does.</summary>
    public static async Task<JsonObject> GrantAsync(HttpClient broker, string token, string role = Orders)
    {
        JsonObject? grant = null;
        await Eventually.HoldsAsync(
            async () =>
            {
                var (status, body) = await ClaimAsync(broker, token, role);
                grant = status == 200 ? body : null;
                return grant is not null || status is not (503 or 429 or 502);
            },
            "a grant",
            TestContext.Current.CancellationToken);
        return grant ?? throw new InvalidOperationException("It was refused for good.");
    }

    public static string UserOf(JsonObject grant) => (string)grant["credentials"]!["username"]!;

    public static string LeaseOf(JsonObject grant) => (string)grant["lease"]!["id"]!;

    /// <summary>Returns when a broker has logged this: what it logs stands in its file a moment later.</summary>
    public Task SaysAsync(string words) => Eventually.HoldsAsync(
        () => Task.FromResult(Logs().Contains(words, StringComparison.Ordinal)), $"a broker logs: {words}", TestContext.Current.CancellationToken, Logs);

    public async ValueTask DisposeAsync()
    {
        foreach (var broker in brokers) await broker.DisposeAsync();
        await Writer.DisposeAsync();
        await Identity.DisposeAsync();
        await Redis.DisposeAsync();
        System.IO.Directory.Delete(Directory, recursive: true);
    }

    public JsonObject Configuration() => JsonNode.Parse($$$"""
        { "Broker": {
            "Ledger": { "Kind": "Redis", "ConnectionString": "{{{Redis.ConnectionString}}}" },
            "Sealing": { "CertificateFile": "{{{Certificate}}}", "CertificateKeyFile": "{{{CertificateKey}}}" },
            "Audit": { "Path": "{{{Path.Combine(Directory, Guid.NewGuid().ToString("N") + ".jsonl")}}}" },
            "Issuers": { "here": { "Kind": "BuiltIn" } },
            "Databases": { "orders": {
              "Engine": "PostgreSql", "Server": "orders", "Host": "{{{postgres.Host}}}", "Port": {{{postgres.Port}}}, "Name": "{{{postgres.Database}}}",
              "AdminConnectionString": "{{{postgres.AdminConnectionString}}}",
              "Budget": { "Ceiling": 60, "CeilingPercent": 100, "StaleAfter": "00:01:00" },
              "Issuing": { "UsersPerSecond": 20, "Burst": 20 } } },
            "Roles": {
              "{{{Orders}}}": { {{{Role}}}, {{{For(Orders)}}} },
              "{{{Payroll}}}": { {{{Role}}}, {{{For(Payroll)}}} },
              "{{{Own}}}": { {{{Role}}}, "Sharing": "Holder", {{{For(Own)}}} },
              "deploy": { {{{Role}}}, "Allow": [ { "Issuer": "local", "Claims": { "sub": "pipeline" } } ] } },
            "Identity": {
              "Issuers": { "local": { "Authority": "{{{Identity.Authority.OriginalString}}}", "Audience": "broker", "Sessions": true } },
              "Viewers": [ { "Issuer": "local", "Claims": { "groups": "{{{LocalIdentity.Viewers}}}" } } ],
              "Operators": [ { "Issuer": "local", "Claims": { "groups": "{{{LocalIdentity.Operators}}}" } } ] } } }
        """)!.AsObject();

    private const string Role = """
        "Database": "orders", "Issuer": "here", "Connections": { "Default": 2, "Min": 1, "Max": 5 },
        "CreationStatements": [ "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'" ]
        """;

    private static string For(string account) =>
        $$"""
        "Allow": [ { "Issuer": "local", "Claims": { "namespace": "orders", "serviceaccount": "{{account}}" } } ]
        """;

    private string Logs() => string.Concat(brokers.Select(static broker => TextOf(broker.LogFile)));

    private string Write(string name, string text)
    {
        var path = Path.Combine(Directory, name);
        File.WriteAllText(path, text);
        return path;
    }

    /// <summary>The text of a file that another process writes; empty where there is none yet.</summary>
    public static string TextOf(string path)
    {
        if (!File.Exists(path)) return "";
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(file);
        return reader.ReadToEnd();
    }
}
