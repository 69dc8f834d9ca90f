using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Databases;
using Broker.Core.Issuing;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Broker.Tests.Authentication;
using Broker.Tests.Leases;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Trace;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>
/// Whole brokers, put together by their own Program, on one ledger and one clock; the database and what creates its users are
/// doubles. Pods come from a cluster, jobs from a pipeline, people from an identity provider: three issuers, one mint.
/// </summary>
internal sealed class BrokerWorld : IAsyncDisposable
{
    public const string PipelineIssuer = "https://ci.example";
    public const string PeopleIssuer = "https://people.example";

    private readonly List<WebApplicationFactory<RequestGuard>> replicas = [];
    private readonly Dictionary<string, string?> settings;
    private readonly InProcessLedgerStore store;
    private readonly ConcurrentDictionary<string, bool> pods = new();
    private Uri? tlsAddress;

    public BrokerWorld(params (string Key, string? Value)[] changes)
    {
        Mint = new("one", Time, 0);
        // Nobody remembers what was in it before: it grants at once.
        store = new(Time) { IsOfThisProcess = true };
        Directory = System.IO.Directory.CreateTempSubdirectory("broker-world-").FullName;
        var keys = Path.Combine(Directory, "jwks.json");
        PublishKeys(Mint);
        settings = new()
        {
            ["Identity:Issuers:kubernetes:Issuer"] = TokenMint.Issuer,
            ["Identity:Issuers:ci:Issuer"] = PipelineIssuer,
            ["Identity:Issuers:ci:Sessions"] = "true",
            ["Identity:Issuers:people:Issuer"] = PeopleIssuer,
            ["Identity:Viewers:0:Issuer"] = "people",
            ["Identity:Viewers:0:Claims:groups"] = "viewers",
            ["Identity:Operators:0:Issuer"] = "people",
            ["Identity:Operators:0:Claims:groups"] = "operators",
            ["Identity:Admins:0:Issuer"] = "people",
            ["Identity:Admins:0:Claims:groups"] = "admins",
            ["Issuers:here:Kind"] = "BuiltIn",
            ["Databases:orders:Engine"] = "PostgreSql",
            ["Databases:orders:Host"] = "db",
            ["Databases:orders:Name"] = "app",
            ["Databases:orders:AdminConnectionString"] = "Host=db;Password=admin-password-of-the-database",
            ["Databases:orders:Budget:CeilingPercent"] = "100",
            ["Databases:orders:Issuing:UsersPerSecond"] = "1000",
            ["Databases:orders:Issuing:Burst"] = "1000",
            ["Audit:Path"] = AuditPath(0),
            ["Sealing:Directory"] = System.IO.Directory.CreateDirectory(Path.Combine(Directory, "sealing")).FullName,
        };
        foreach (var issuer in new[] { "kubernetes", "ci", "people" })
        {
            settings[$"Identity:Issuers:{issuer}:JwksFile"] = keys;
            settings[$"Identity:Issuers:{issuer}:Audience"] = "broker";
        }

        AddRole("orders-api", "kubernetes", ("namespace", "shop"));
        AddRole("deploy", "ci", ("repository", "octo/shop"), ("ref", "refs/heads/release/*"));
        AddRole("migrate", "ci", ("repository", "octo/shop"));
        foreach (var (key, value) in changes) settings[key] = value;
    }

    public ShiftedTime Time { get; } = new();

    /// <summary>
    /// Moves the clock when no duty is late or under way: what a duty writes down while the clock leaps, such as when it is due again,
    /// would lie too far ahead by the leap.
    /// </summary>
    public async Task ForwardAsync(TimeSpan by)
    {
        await Eventually.HoldsAsync(
            async () => (await Service<SharedLedger>().Duties.DutiesAsync("orders", 100, TestContext.Current.CancellationToken)).All(duty => !duty.UnderWay && duty.DueAt > Time.GetUtcNow()),
            "no duty is late or under way", TestContext.Current.CancellationToken);
        Time.Forward(by);
    }

    /// <summary>Which parts of the ledger are away, by their database; null: none.</summary>
    public Func<string, bool>? Cut { get; set; }

    public TokenMint Mint { get; }

    public Heard Heard { get; } = new();

    public DoubleEngine Engine { get; } = new(100);

    public DoubleIssuer Issuer { get; private set; } = null!;

    public string Directory { get; }

    /// <summary>From now on every issuer's keys are these mints', and no others.</summary>
    public void PublishKeys(params TokenMint[] mints) => File.WriteAllText(Path.Combine(Directory, "jwks.json"), TokenMint.KeySet(mints));

    public string AuditPath(int replica) => Path.Combine(Directory, $"audit-{replica}.jsonl");

    /// <summary>The record of what one replica gave out.</summary>
    public IEnumerable<string> AuditLines(int replica) => ReadShared(AuditPath(replica));

    public IEnumerable<string> AuditLines() => System.IO.Directory.GetFiles(Directory, "audit-*.jsonl").SelectMany(ReadShared);

    public JsonObject[] Audited(string action) => Of(action, AuditLines());

    /// <summary>What one replica has on record of an action behind so many bytes: a long record is not read again and again.</summary>
    public JsonObject[] Audited(string action, int replica, long after) => Of(action, ReadFrom(AuditPath(replica), after));

    /// <summary>Starts a replica and waits until it is ready.</summary>
    public Task<HttpClient> ReplicaAsync() => ReadyAsync(NextReplica().CreateClient());

    /// <summary>Starts one that listens on a port of 127.0.0.1, for clients of others.</summary>
    public async Task<Uri> ListeningReplicaAsync()
    {
        var factory = NextReplica();
        factory.UseKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        factory.StartServer();
        var address = new Uri(factory.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        using var client = new HttpClient { BaseAddress = address };
        await ReadyAsync(client);
        return address;
    }

    /// <summary>Starts one that listens on a port of 127.0.0.1 and speaks TLS as it is configured to.</summary>
    public async Task<HttpClient> TlsReplicaAsync(HttpMessageHandler handler)
    {
        var factory = NextReplica();
        factory.UseKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, static listen => listen.UseHttps()));
        factory.StartServer();
        tlsAddress = new Uri(factory.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
        return await ReadyAsync(TlsClient(handler));
    }

    /// <summary>What replicas that are started from now on have otherwise.</summary>
    public Action<IServiceCollection>? Services { get; init; }

    /// <summary>Another client of the replica that speaks TLS.</summary>
    public HttpClient TlsClient(HttpMessageHandler handler) => new(handler) { BaseAddress = tlsAddress };

    private WebApplicationFactory<RequestGuard> NextReplica()
    {
        Issuer ??= new(Time);
        var audit = AuditPath(replicas.Count);
        var factory = new WebApplicationFactory<RequestGuard>().WithWebHostBuilder(builder =>
        {
            builder.UseContentRoot(Directory);
            foreach (var (key, value) in settings) builder.UseSetting("Broker:" + key, value);
            builder.UseSetting("Broker:Audit:Path", audit);
            // Nobody changes the files of this world, and the system has few watchers for all tests together.
            builder.UseSetting("hostBuilder:reloadConfigOnChange", "false");
            builder.ConfigureLogging(logging => logging.ClearProviders().SetMinimumLevel(LogLevel.Trace).AddFilter(_ => true).AddProvider(Heard));
            builder.ConfigureTestServices(services =>
            {
                services.Replace(ServiceDescriptor.Singleton<TimeProvider>(Time));
                services.Replace(ServiceDescriptor.Singleton<ILedgerStore>(new OverheardStore(store, Heard, database => Cut?.Invoke(database) == true)));
                services.AddKeyedSingleton<IDatabaseEngine>(DatabaseEngineKind.PostgreSql, Engine);
                services.Replace(ServiceDescriptor.Singleton(new Issuers(_ => Issuer)));

                // It listens to every HttpClient of the process, whose requests would then carry traces that other tests did not give them.
                services.RemoveAll<TracerProvider>();
                Services?.Invoke(services);
            });
        });
        replicas.Add(factory);
        return factory;
    }

    private async Task<HttpClient> ReadyAsync(HttpClient client)
    {
        try
        {
            await Eventually.HoldsAsync(
                async () => (await client.GetAsync(new Uri("/health/ready", UriKind.Relative), TestContext.Current.CancellationToken)).IsSuccessStatusCode,
                "the replica is ready", TestContext.Current.CancellationToken);
            return client;
        }
        catch (ObjectDisposedException e)
        {
            var said = Heard.All.Where(heard => heard.Where == "log" && heard.Text.Contains("Exception", StringComparison.Ordinal)).Select(heard => heard.Text).TakeLast(10);
            throw new InvalidOperationException($"The replica ended while it started. It said:\n{string.Join('\n', said)}", e);
        }
    }

    /// <summary>A service of the first replica's.</summary>
    public T Service<T>()
        where T : notnull => replicas[0].Services.GetRequiredService<T>();

    public string Pod(string uid = "uid-1", string space = "shop")
    {
        var token = Mint.Token(payload =>
        {
            payload["kubernetes.io"]!["namespace"] = space;
            payload["kubernetes.io"]!["pod"]!["uid"] = uid;
        });
        pods[token] = true;
        return token;
    }

    /// <summary>A GitHub Actions token: five minutes, with the claims that GitHub writes.</summary>
    public string Job(string reference = "refs/heads/release/7", string repository = "octo/shop", int seconds = 300) => Mint.Token(payload =>
    {
        payload.Remove("kubernetes.io");
        payload["iss"] = PipelineIssuer;
        payload["sub"] = $"repo:{repository}:ref:{reference}";
        payload["repository"] = repository;
        payload["ref"] = reference;
        payload["exp"] = Time.GetUtcNow().ToUnixTimeSeconds() + seconds;
    });

    public string Person(string group) => Mint.Token(payload =>
    {
        payload.Remove("kubernetes.io");
        payload["iss"] = PeopleIssuer;
        payload["sub"] = $"{group}@example.org";
        payload["groups"] = new JsonArray(group);
    });

    public async Task<Answer> SendAsync(HttpClient replica, HttpMethod method, string path, string? token, JsonObject? body = null)
    {
        using var request = new HttpRequestMessage(method, path);
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (body is not null) request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        using var response = await replica.SendAsync(request, TestContext.Current.CancellationToken);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        if (!response.IsSuccessStatusCode) Heard.Hear("problem", text);
        foreach (var header in response.Headers) Heard.Hear("header", $"{header.Key}: {string.Join(", ", header.Value)}");
        return new((int)response.StatusCode, text.StartsWith('{') ? JsonNode.Parse(text)!.AsObject() : [], response.Headers);
    }

    /// <summary>Claims; who is neither a pod nor a session says which of its processes it is.</summary>
    public Task<Answer> ClaimAsync(HttpClient replica, string? token, string role = "orders-api", JsonObject? body = null)
    {
        if (body?["holder"] is null && token is not null && !token.StartsWith("brs_", StringComparison.Ordinal) && !pods.ContainsKey(token))
            (body ??= [])["holder"] = "job-1";
        return SendAsync(replica, HttpMethod.Post, $"/api/v1/roles/{role}/credentials", token, body);
    }

    public Task<Answer> OpenAsync(HttpClient replica, string token, params string[] roles) =>
        SendAsync(replica, HttpMethod.Post, "/api/v1/sessions", token, new JsonObject { ["roles"] = new JsonArray([.. roles.Select(role => JsonValue.Create(role))]) });

    public async ValueTask DisposeAsync()
    {
        foreach (var replica in replicas)
        {
            try
            {
                await replica.DisposeAsync();
            }
            catch (ObjectDisposedException)
            {
                // Program closes its broker itself when it is told to stop, and was faster.
            }
        }

        // What is started once in a process (a library's timer) keeps the first world for good, by the context that it is started in.
        replicas.Clear();
        await store.DisposeAsync();
        Heard.Dispose();
        Mint.Dispose();

        // Program itself closes its broker too, on a thread of its own: its last checkpoint may still be on its way.
        await Eventually.HoldsAsync(() => Task.FromResult(Gone()), "the brokers have closed their audits", CancellationToken.None);
    }

    private bool Gone()
    {
        try
        {
            System.IO.Directory.Delete(Directory, recursive: true);
            return true;
        }
        catch (IOException)
        {
            return !System.IO.Directory.Exists(Directory);
        }
    }

    private void AddRole(string name, string issuer, params (string Path, string Value)[] claims)
    {
        settings[$"Roles:{name}:Database"] = "orders";
        settings[$"Roles:{name}:Issuer"] = "here";
        settings[$"Roles:{name}:CreationStatements:0"] = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'";
        settings[$"Roles:{name}:Allow:0:Issuer"] = issuer;
        foreach (var (path, value) in claims) settings[$"Roles:{name}:Allow:0:Claims:{path}"] = value;
    }

    private static JsonObject[] Of(string action, IEnumerable<string> lines) =>
        [.. lines.Select(line => JsonNode.Parse(line)!.AsObject()).Where(line => (string?)line["action"] == action)];

    private static string[] ReadShared(string path) => ReadFrom(path, 0);

    private static string[] ReadFrom(string path, long after)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        file.Position = after;
        using var reader = new StreamReader(file);
        return reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}

/// <summary>An answer of the broker's.</summary>
internal sealed record Answer(int Status, JsonObject Body, HttpResponseHeaders Headers)
{
    public string? Code => (string?)Body["code"];
}
