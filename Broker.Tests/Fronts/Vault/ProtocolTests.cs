using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Broker.Api.Health;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>The protocol around the endpoints: verbs, bodies, paths, headers, and that nothing of the framework shows through.</summary>
public sealed class ProtocolTests
{
    [Theory]
    [InlineData("GET", "nosuch", 404)]
    [InlineData("GET", "nosuch/creds/x", 404)]
    [InlineData("PATCH", "database/creds/orders-api", 405)]
    [InlineData("DELETE", "database/creds/orders-api", 405)]
    [InlineData("PUT", "database/creds/orders-api", 405)]
    [InlineData("LIST", "database/roles", 403)]
    [InlineData("GET", "database/config/x", 403)]
    [InlineData("GET", "sys/mounts", 403)]
    [InlineData("PUT", "sys/seal", 403)]
    [InlineData("GET", "sys/policies/acl/default", 403)]
    [InlineData("GET", "identity/entity/id", 403)]
    [InlineData("GET", "cubbyhole/x", 403)]
    [InlineData("GET", "secret/data/x", 404)]
    [InlineData("GET", "", 404)]
    [InlineData("GET", "database/creds/../../nosuch/x", 404)]
    [InlineData("GET", "database/creds/..%2F..%2Fsys/health", 400)]
    [InlineData("GET", "database%2Fcreds%2F..%2Fx", 400)]
    [InlineData("POST", "auth/token/lookup-self/", 200)]
    public async Task Whatever_is_asked_is_answered_in_Vaults_shape(string method, string path, int status)
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var answer = await caller.SendAsync(method, path);

        answer.Status.ShouldBe(status, answer.Text);
        answer.ContentType.ShouldBe("application/json");
        answer.Headers.CacheControl!.NoStore.ShouldBeTrue();
        if (status >= 400) answer.Body["errors"].ShouldBeOfType<JsonArray>();
        answer.Body.ContainsKey("traceId").ShouldBeFalse();
    }

    [Theory]
    [InlineData("{", 400, "error parsing JSON")]
    [InlineData("[1]", 400, "error parsing JSON")]
    [InlineData("\"x\"", 400, "error parsing JSON")]
    [InlineData("", 400, "lease_id must be specified")]
    [InlineData("  \n", 400, "lease_id must be specified")]
    [InlineData("null", 400, "lease_id must be specified")]
    [InlineData("{\"lease_id\":null}", 400, "lease_id must be specified")]
    [InlineData("{\"lease_id\":\"\"}", 400, "lease_id must be specified")]
    [InlineData("{\"lease_id\":\"x\",\"increment\":\"soon\"}", 400, "Field validation failed")]
    [InlineData("{\"lease_id\":\"x\",\"increment\":-5}", 400, "Field validation failed")]
    [InlineData("{\"lease_id\":{}}", 400, "Field validation failed")]
    [InlineData("{\"lease_id\":\"\\ud800\"}", 400, "error parsing JSON")]
    public async Task A_body_is_JSON_whatever_its_content_type_says(string body, int status, string error)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        foreach (var type in new[] { null, "application/json", "application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded" })
        {
            if (type is "application/x-www-form-urlencoded" && !body.TrimStart().StartsWith('{') && !body.TrimStart().StartsWith('[') && body.Trim().Length > 0) continue;
            using var request = new HttpRequestMessage(HttpMethod.Put, "/v1/sys/leases/renew") { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
            if (type is not null) request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
            request.Headers.Add("X-Vault-Token", caller.Token);
            using var response = await replica.SendAsync(request, TestContext.Current.CancellationToken);
            var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

            ((int)response.StatusCode).ShouldBe(status, $"{type}: {text}");
            ((string)JsonNode.Parse(text)!["errors"]![0]!).ShouldStartWith(error, customMessage: $"{type}");
        }
    }

    [Fact]
    public async Task A_form_is_read_as_one()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        using var response = await replica.PostAsync("/v1/auth/kubernetes/login", new FormUrlEncodedContent([KeyValuePair.Create("role", "orders-api"), KeyValuePair.Create("jwt", world.Pod())]), TestContext.Current.CancellationToken);
        ((int)response.StatusCode).ShouldBe(200);
    }

    [Fact]
    public async Task A_body_that_is_too_long_is_413()
    {
        await using var world = new BrokerWorld();
        using var client = new HttpClient { BaseAddress = await world.ListeningReplicaAsync() };
        var answer = await new VaultCaller(client).SendAsync("PUT", "auth/kubernetes/login", new JsonObject { ["jwt"] = new string('x', 100_000) });
        (answer.Status, answer.ContentType).ShouldBe((413, "application/json"));
        answer.Error.ShouldNotBeNull();
    }

    [Fact]
    public async Task Health_says_what_the_broker_can_serve_and_takes_Vaults_overrides()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = new VaultCaller(replica);

        (await caller.SendAsync("GET", "sys/health")).Status.ShouldBe(200);
        (await caller.SendAsync("GET", "sys/health?activecode=299&standbyok=true&perfstandbyok=true")).Status.ShouldBe(299);
        (await caller.SendAsync("GET", "sys/health?activecode=x")).Status.ShouldBe(400);
        (await caller.SendAsync("PUT", "sys/health")).Status.ShouldBe(405);
        var head = await caller.SendAsync("HEAD", "sys/health");
        (head.Status, head.Text).ShouldBe((200, ""));
        ((bool)(await caller.SendAsync("GET", "sys/seal-status")).Body["sealed"]!).ShouldBeFalse();
        ((bool)(await caller.SendAsync("GET", "sys/init")).Body["initialized"]!).ShouldBeTrue();

        world.Service<Readiness>().NotReady("for a test");
        var ill = await caller.SendAsync("GET", "sys/health");
        (ill.Status, (bool)ill.Body["sealed"]!).ShouldBe((503, true));
        (await caller.SendAsync("GET", "sys/health?sealedcode=299")).Status.ShouldBe(299);
        (await caller.SendAsync("HEAD", "sys/health")).Status.ShouldBe(503);
        ((bool)(await caller.SendAsync("GET", "sys/seal-status")).Body["sealed"]!).ShouldBeTrue();
    }

    [Fact]
    public async Task Mounts_and_capabilities_are_those_of_the_caller()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var mount = await caller.SendAsync("GET", "sys/internal/ui/mounts/database/creds/orders-api");
        ((string)mount.Body["data"]!["path"]!, (string)mount.Body["data"]!["type"]!).ShouldBe(("database/", "database"));
        (await caller.SendAsync("GET", "sys/internal/ui/mounts/secret/x")).Error.ShouldBe("preflight capability check returned 403, please ensure client's policies grant access to path \"secret/\"");
        (await caller.SendAsync("GET", "sys/internal/ui/mounts")).Body["data"]!["secret"]!["database/"].ShouldNotBeNull();

        var several = await caller.SendAsync("POST", "sys/capabilities-self", new JsonObject { ["paths"] = new JsonArray("database/creds/orders-api", "database/creds/deploy", "secret/x", "sys/leases/renew") });
        several.Body["data"]!["database/creds/orders-api"]!.ToJsonString().ShouldBe("""["read"]""");
        several.Body["database/creds/deploy"]!.ToJsonString().ShouldBe("""["deny"]""");
        several.Body["data"]!["secret/x"]!.ToJsonString().ShouldBe("""["deny"]""");
        several.Body["data"]!["sys/leases/renew"]!.ToJsonString().ShouldBe("""["update"]""");
        var one = await caller.SendAsync("POST", "sys/capabilities-self", new JsonObject { ["path"] = "database/creds/orders-api" });
        one.Body["capabilities"]!.ToJsonString().ShouldBe("""["read"]""");
    }

    [Fact]
    public async Task An_Agents_cache_keeps_what_it_reads()
    {
        // OpenBao lease_cache.go: status below 300, exactly this content type, a Date that can be read, a renewable secret.
        await using var world = new BrokerWorld();
        using var client = new HttpClient { BaseAddress = await world.ListeningReplicaAsync() };
        var caller = await VaultCaller.OfPodAsync(world, client, "uid-1");

        foreach (var answer in new[] { await caller.ReadAsync(), await caller.SendAsync("PUT", "auth/token/renew-self") })
        {
            (answer.Status, answer.ContentType).ShouldBe((200, "application/json"));
            answer.Headers.Date.ShouldNotBeNull();
            ((bool?)answer.Body["renewable"] == true || (bool?)answer.Body["auth"]?["renewable"] == true).ShouldBeTrue();
        }

        // What it gave up is dropped from the cache at 204 alone.
        (await caller.SendAsync("PUT", "auth/token/revoke-self")).Status.ShouldBe(204);
    }

    [Fact]
    public async Task Who_drops_its_token_at_a_refusal_logs_in_again_and_is_the_same_holder()
    {
        // Spring Vault's LifecycleAwareSessionManager: a client-side error at renewal drops the token, the next call logs in anew.
        await using var world = new BrokerWorld(("Databases:orders:Budget:Ceiling", "5"));
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        var before = await caller.ReadAsync();
        await caller.SendAsync("POST", "auth/token/revoke-self");
        (await caller.SendAsync("POST", "auth/token/renew-self")).Status.ShouldBe(403);

        (await caller.LogInAsync(world.Pod("uid-1"))).Status.ShouldBe(200);

        var after = await caller.ReadAsync();
        (after.Status, after.Username).ShouldBe((200, before.Username));
    }

    [Fact]
    public async Task A_namespace_is_echoed()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        (await caller.ReadAsync(headers: ("X-Vault-Namespace", "team-a/"))).Headers.GetValues("X-Vault-Namespace").Single().ShouldBe("team-a/");
    }

    [Theory]
    [InlineData("\u00fc")]
    [InlineData("team\u007f")]
    public async Task A_namespace_that_no_answer_could_carry_is_refused_in_Vaults_shape(string space)
    {
        await using var world = new BrokerWorld();
        using var handler = new SocketsHttpHandler { RequestHeaderEncodingSelector = static (_, _) => Encoding.UTF8 };
        using var client = new HttpClient(handler) { BaseAddress = await world.ListeningReplicaAsync() };
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/sys/health");
        request.Headers.TryAddWithoutValidation("X-Vault-Namespace", space);

        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);

        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        ((int)response.StatusCode, response.Content.Headers.ContentType!.ToString()).ShouldBe((400, "application/json"), text);
        JsonNode.Parse(text)!["errors"].ShouldBeOfType<JsonArray>();
    }

    [Fact]
    public async Task What_reads_has_no_body_and_what_asks_for_help_takes_nothing()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/auth/token/lookup-self") { Content = new StringContent("{") };
        request.Headers.Add("X-Vault-Token", caller.Token);
        using var response = await replica.SendAsync(request, TestContext.Current.CancellationToken);
        ((int)response.StatusCode).ShouldBe(200);

        (await caller.SendAsync("GET", "database/creds/orders-api?help=1")).Status.ShouldBe(405);
        world.Issuer.Users.ShouldBeEmpty();
    }

    [Fact]
    public async Task Who_shows_no_token_is_told_of_no_mount()
    {
        await using var world = new BrokerWorld();
        var caller = new VaultCaller(await world.ReplicaAsync());

        var answer = await caller.SendAsync("GET", "sys/internal/ui/mounts");

        answer.Body["data"]!.ToJsonString().ShouldBe("""{"auth":{},"secret":{}}""");
        caller.Token = "hvs.of-nobody";
        (await caller.SendAsync("GET", "sys/internal/ui/mounts")).Status.ShouldBe(403);
    }

    [Fact]
    public async Task It_can_be_turned_off()
    {
        await using var world = new BrokerWorld(("VaultApi:Enabled", "false"));
        using var response = await (await world.ReplicaAsync()).GetAsync("/v1/sys/health", TestContext.Current.CancellationToken);
        ((int)response.StatusCode).ShouldBe(401);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("application/problem+json");
    }

    [Fact]
    public async Task An_answer_that_is_wrapped_is_had_once()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");

        var wrapped = await caller.ReadAsync(headers: ("X-Vault-Wrap-TTL", "5m"));
        ((string)wrapped.Body["request_id"]!, wrapped.Body["data"], (int)wrapped.Body["wrap_info"]!["ttl"]!).ShouldBe(("", null, 300));
        var token = (string)wrapped.Body["wrap_info"]!["token"]!;
        var receiver = new VaultCaller(replica);
        ((string)(await receiver.SendAsync("POST", "sys/wrapping/lookup", new JsonObject { ["token"] = token })).Body["data"]!["creation_path"]!).ShouldBe("database/creds/orders-api");
        receiver.Token = token;
        var answer = await receiver.SendAsync("POST", "sys/wrapping/unwrap");
        answer.Status.ShouldBe(200);
        (await caller.RenewAsync(answer.LeaseId)).Status.ShouldBe(200);
        ((string)answer.Body["data"]!["password"]!).ShouldNotBeEmpty();

        var again = await receiver.SendAsync("POST", "sys/wrapping/unwrap");
        (again.Status, again.Error).ShouldBe((400, "wrapping token is not valid or does not exist"));
        (await receiver.SendAsync("POST", "sys/wrapping/lookup", new JsonObject { ["token"] = token })).Status.ShouldBe(400);
        (await receiver.ReadAsync()).Status.ShouldBe(403, "it is no token to read with");
        foreach (var bad in new[] { "soon", "-5s" }) (await caller.ReadAsync(headers: ("X-Vault-Wrap-TTL", bad))).Error!.ShouldStartWith("error parsing X-Vault-Wrap-TTL header: ");
    }

    [Fact]
    public async Task A_wrapped_login_gives_its_token_to_who_unwraps_it_in_time()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = new VaultCaller(replica);
        var body = new JsonObject { ["role"] = "orders-api", ["jwt"] = world.Pod() };

        var late = (string)(await caller.SendAsync("PUT", "auth/kubernetes/login", body.DeepClone(), ("X-Vault-Wrap-TTL", "60"))).Body["wrap_info"]!["token"]!;
        world.Time.Forward(TimeSpan.FromSeconds(61));
        (await caller.SendAsync("PUT", "sys/wrapping/unwrap", new JsonObject { ["token"] = late })).Status.ShouldBe(400);

        var wrapped = (await caller.SendAsync("PUT", "auth/kubernetes/login", body, ("X-Vault-Wrap-TTL", "60"))).Body["wrap_info"]!;
        wrapped["wrapped_accessor"].ShouldNotBeNull();
        var login = await caller.SendAsync("PUT", "sys/wrapping/unwrap", new JsonObject { ["token"] = (string)wrapped["token"]! });
        caller.Token = (string)login.Body["auth"]!["client_token"]!;
        (await caller.ReadAsync()).Status.ShouldBe(200);
    }
}
