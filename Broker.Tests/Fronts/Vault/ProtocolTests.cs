using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Broker.Api.Health;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>The protocol around the endpoints: verbs, bodies, paths, headers, and that nothing of the framework shows through.</summary>
public sealed class ProtocolTests(SharedReplica shared) : IClassFixture<SharedReplica>
{
    [Theory]
    [InlineData("GET", "nosuch", 404)]
    [InlineData("GET", "nosuch/creds/x", 404)]
    [InlineData("PATCH", "database/creds/orders-api", 400)]
    [InlineData("PATCH", "sys/health", 405)]
    [InlineData("LIST", "database/creds/orders-api", 404)]
    [InlineData("LIST", "database/creds/orders-api/", 404)]
    [InlineData("GET", "database/creds/orders-api?list=true", 404)]
    [InlineData("LIST", "database/static-creds/orders-api", 404)]
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
    [InlineData("POST", "auth/token/lookup-self/", 400)]
    [InlineData("PUT", "auth/kubernetes/login/", 400)]
    [InlineData("GET", "sys/host-info", 403)]
    [InlineData("GET", "sys/ha-status", 403)]
    [InlineData("GET", "sys/in-flight-req", 403)]
    [InlineData("GET", "sys/config/state/sanitized", 403)]
    [InlineData("PUT", "sys/step-down", 403)]
    [InlineData("PUT", "sys/init", 400)]
    [InlineData("HEAD", "auth/token/lookup-self", 405)]
    [InlineData("OPTIONS", "database/creds/orders-api", 405)]
    [InlineData("FOO", "database/creds/orders-api", 405)]
    [InlineData("GET", "database/creds/orders-api?list=maybe", 400)]
    [InlineData("GET", "database/creds/orders-api/", 404)]
    [InlineData("GET", "database/creds/orders-api/x", 404)]
    [InlineData("GET", "database/creds/", 404)]
    [InlineData("GET", "database/static-creds/orders-api/", 404)]
    public async Task Whatever_is_asked_is_answered_in_Vaults_shape(string method, string path, int status)
    {
        var caller = await shared.CallerAsync();

        var answer = await caller.SendAsync(method, path);

        answer.Status.ShouldBe(status, answer.Text);
        answer.ContentType.ShouldBe("application/json");
        answer.Headers.CacheControl!.NoStore.ShouldBeTrue();
        if (status >= 400 && method != "HEAD") answer.Body["errors"].ShouldBeOfType<JsonArray>();
        answer.Body.ContainsKey("traceId").ShouldBeFalse();
    }

    // A path is looked for when its token is known (OpenBao vault/request_handling.go): a client that is refused logs in again, and one that finds nothing does not.
    [Fact]
    public async Task A_path_that_is_not_there_is_so_for_whoever_has_a_token_alone()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        var dead = (await VaultCaller.OfPodAsync(world, replica, "uid-2")).Token;
        (await new VaultCaller(replica) { Token = dead }.SendAsync("PUT", "auth/token/revoke-self")).Status.ShouldBe(204);

        foreach (var token in new[] { null, "hvs.of-nobody", dead })
        {
            foreach (var path in new[] { "nosuch/creds/x", "nosuch", "secret/data/x" })
            {
                var refused = await new VaultCaller(replica) { Token = token }.SendAsync("GET", path);
                // Vault Agent and Proxy log in again at these words alone (hashicorp/vault command/agent/template/template.go).
                (refused.Status, refused.Error).ShouldBe((403, token is null ? "permission denied" : "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"), $"{path} by {token}");
            }
        }

        (await caller.SendAsync("GET", "nosuch/creds/x")).Error.ShouldBe("no handler for route \"nosuch/creds/x\". route entry not found.");
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
    [InlineData("{\"lease_id\":\"x\",\"increment\":-5}", 400, "Field validation failed: error converting input for field \"increment\": cannot provide negative value '-5'")]
    [InlineData("{\"lease_id\":\"x\",\"increment\":\"-5s\"}", 400, "Field validation failed: error converting input for field \"increment\": cannot provide negative value '-5'")]
    [InlineData("{\"lease_id\":\"x\",\"increment\":true}", 400, "Field validation failed: error converting input for field \"increment\": could not parse duration from input")]
    [InlineData("{\"lease_id\":\"x\",\"increment\":\"5x\"}", 400, "Field validation failed: error converting input for field \"increment\": time: unknown unit \"x\" in duration \"5x\"")]
    [InlineData("{\"lease_id\":\"x\",\"increment\":\"1h5\"}", 400, "Field validation failed: error converting input for field \"increment\": time: missing unit in duration \"1h5\"")]
    [InlineData("{\"lease_id\":\"x\",\"lease_id\":\"\"}", 400, "lease_id must be specified")]
    [InlineData("{\"lease_id\":\"x\",\"lease_id\":null}", 400, "lease_id must be specified")]
    [InlineData("{\"lease_id\":\"\",\"lease_id\":\"x\"}", 400, "lease not found")]
    [InlineData("{\"lease_id\":{}}", 400, "Field validation failed")]
    [InlineData("{\"lease_id\":\"\"} and more", 400, "lease_id must be specified")]
    [InlineData("{\"lease_id\":\"\"}{\"lease_id\":\"x\"}", 400, "lease_id must be specified")]
    [InlineData("{\"lease_id\":\"\"", 400, "error parsing JSON")]
    [InlineData("{\"lease_id\":\"\\ud800\"}", 400, "error parsing JSON")]
    public async Task A_body_is_JSON_whatever_its_content_type_says(string body, int status, string error)
    {
        var caller = await shared.CallerAsync();
        foreach (var type in new[] { null, "application/json", "application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded" })
        {
            if (type is "application/x-www-form-urlencoded" && !body.TrimStart().StartsWith('{') && !body.TrimStart().StartsWith('[') && body.Trim().Length > 0) continue;
            using var request = new HttpRequestMessage(HttpMethod.Put, "/v1/sys/leases/renew") { Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) };
            if (type is not null) request.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
            request.Headers.Add("X-Vault-Token", caller.Token);
            using var response = await shared.Client.SendAsync(request, TestContext.Current.CancellationToken);
            var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

            ((int)response.StatusCode).ShouldBe(status, $"{type}: {text}");
            ((string)JsonNode.Parse(text)!["errors"]![0]!).ShouldStartWith(error, customMessage: $"{type}");
        }
    }

    [Theory]
    [InlineData(null, 400, "mime: no media type")]
    [InlineData("/json", 400, "mime: no media type")]
    [InlineData("application json", 400, "mime: expected slash after first token")]
    [InlineData("application/", 400, "mime: expected token after slash")]
    [InlineData("application/a b", 400, "mime: unexpected content after media subtype")]
    [InlineData("Application/JSON; charset=utf-8", 415, "PATCH requires Content-Type of application/merge-patch+json, provided application/json")]
    [InlineData("application/merge-patch+json", 405, "1 error occurred:\n\t* unsupported operation\n\n")]
    [InlineData("Application/Merge-Patch+JSON; charset=utf-8", 405, "1 error occurred:\n\t* unsupported operation\n\n")]
    public async Task A_patch_says_that_it_is_one(string? type, int status, string error)
    {
        var caller = await shared.CallerAsync();
        using var request = new HttpRequestMessage(HttpMethod.Patch, "/v1/database/creds/orders-api") { Content = new ByteArrayContent("{}"u8.ToArray()) };
        if (type is not null) request.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        request.Headers.Add("X-Vault-Token", caller.Token);

        using var response = await shared.Client.SendAsync(request, TestContext.Current.CancellationToken);

        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        ((int)response.StatusCode, (string?)JsonNode.Parse(text)!["errors"]![0]).ShouldBe((status, error), text);
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
        using var client = new HttpClient { BaseAddress = await world.ListeningReplicaAsync() };
        var listening = new VaultCaller(client);

        (await caller.SendAsync("GET", "sys/health")).Status.ShouldBe(200);
        (await caller.SendAsync("GET", "sys/health?activecode=299&standbyok=true&perfstandbyok=true")).Status.ShouldBe(299);
        foreach (var query in new[] { "activecode=299", "activecode=299&standbycode=1", "activecode=299&uninitcode=0&drsecondarycode=299&performancestandbycode=299", "activecode=299&standbyok", "activecode=299&standbyok=t&perfstandbyok=FALSE" })
            (await caller.SendAsync("GET", "sys/health?" + query)).Status.ShouldBe(query.Contains("code=1", StringComparison.Ordinal) || query.Contains("code=0", StringComparison.Ordinal) ? 400 : 299, query);
        foreach (var query in new[] { "activecode=x", "activecode=", "sealedcode=-1", "standbyok=perhaps", "perfstandbyok=2" })
        {
            var bad = await caller.SendAsync("GET", "sys/health?" + query);
            (bad.Status, bad.Text.Trim()).ShouldBe((400, """{"errors":[]}"""), query);
        }

        foreach (var empty in new[] { 204, 205, 304 })
        {
            var bare = await listening.SendAsync("GET", $"sys/health?activecode={empty}");
            (bare.Status, bare.Text).ShouldBe((empty, ""));
        }

        foreach (var path in new[] { "health", "seal-status", "leader" })
        {
            var put = await caller.SendAsync("PUT", "sys/" + path);
            (put.Status, put.Text.Trim()).ShouldBe((405, """{"errors":[]}"""), path);
        }

        (await caller.SendAsync("HEAD", "sys/seal-status")).Status.ShouldBe(405);
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
        (await caller.SendAsync("GET", "sys/internal/ui/mounts/secret/x")).Error.ShouldBe("preflight capability check returned 403, please ensure client's policies grant access to path \"secret/x/\"");
        var login = (await caller.SendAsync("GET", "sys/internal/ui/mounts/auth/kubernetes/login")).Body["data"]!;
        ((string)login["path"]!, (string)login["type"]!, (string)login["config"]!["token_type"]!).ShouldBe(("kubernetes/", "kubernetes", "default-service"));
        var all = (await caller.SendAsync("GET", "sys/internal/ui/mounts")).Body["data"]!;
        ((string)all["secret"]!["database/"]!["uuid"]!).ShouldBe((string)mount.Body["data"]!["uuid"]!);
        all["auth"]!["kubernetes/"]!["accessor"].ShouldNotBeNull();

        var several = await caller.SendAsync("POST", "sys/capabilities-self", new JsonObject { ["paths"] = new JsonArray("database/creds/orders-api", "database/creds/deploy", "secret/x", "sys/leases/renew") });
        several.Body["data"]!["database/creds/orders-api"]!.ToJsonString().ShouldBe("""["read"]""");
        several.Body["database/creds/deploy"]!.ToJsonString().ShouldBe("""["deny"]""");
        several.Body["data"]!["secret/x"]!.ToJsonString().ShouldBe("""["deny"]""");
        several.Body["data"]!["sys/leases/renew"]!.ToJsonString().ShouldBe("""["update"]""");
        var one = await caller.SendAsync("POST", "sys/capabilities-self", new JsonObject { ["path"] = "database/creds/orders-api", ["token"] = caller.Token });
        one.Warning.ShouldBeNull("the command line sends its own token");
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
    public async Task A_client_that_drops_its_token_at_a_refusal_logs_in_again_and_is_the_same_holder()
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

        foreach (var (method, path) in new[] { ("GET", "database/creds/orders-api?help=1"), ("PUT", "sys/leases/renew?help=x"), ("GET", "auth/kubernetes/login?help=1"), ("HELP", "auth/token/revoke-self"), ("GET", "database?help=1"), ("GET", "database/?help=1") })
        {
            var help = await caller.SendAsync(method, path);
            help.Status.ShouldBe(200, $"{path}: {help.Text}");
            ((string)help.Body["help"]!).ShouldNotBeEmpty();
        }

        (await caller.SendAsync("GET", "nosuch/x?help=1")).Status.ShouldBe(404);
        (await new VaultCaller(replica).SendAsync("GET", "database/creds/orders-api?help=1")).Status.ShouldBe(403);
        (await caller.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(200, "nothing was revoked");
        world.Issuer.Users.ShouldBeEmpty();
    }

    [Fact]
    public async Task The_prefix_itself_is_nothing_of_Vaults_and_nothing_of_the_native_API()
    {
        await using var world = new BrokerWorld();
        using var response = await (await world.ReplicaAsync()).GetAsync("/v1", TestContext.Current.CancellationToken);
        ((int)response.StatusCode, response.Content.Headers.ContentType!.ToString()).ShouldBe((404, "application/json"));
        (await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).Trim().ShouldBe("""{"errors":[]}""");
    }

    [Fact]
    public async Task What_nobody_knows_is_ignored_with_a_warning()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = new VaultCaller(replica);

        var login = await caller.SendAsync("PUT", "auth/kubernetes/login", new JsonObject { ["role"] = "orders-api", ["jwt"] = world.Pod(), ["zone"] = "b", ["app"] = null, ["age"] = 3 });
        (login.Status, login.Warning).ShouldBe((200, "Endpoint ignored these unrecognized parameters: [age app zone]"), "one that is null too");
        caller.Token = (string)login.Body["auth"]!["client_token"]!;
        var read = await caller.SendAsync("GET", "database/creds/orders-api?version=1");
        (read.Status, read.Warning).ShouldBe((200, "Endpoint ignored these unrecognized parameters: [version]"));
        (await caller.RenewAsync(read.LeaseId)).Warning.ShouldBeNull();
        (await caller.SendAsync("POST", "auth/token/renew-self", new JsonObject { ["increment"] = null, ["token"] = caller.Token })).Warning.ShouldBeNull();
        var wrapped = await caller.SendAsync("GET", "auth/token/lookup-self?x=1", null, ("X-Vault-Wrap-TTL", "60"));
        wrapped.Warning.ShouldBe("Endpoint ignored these unrecognized parameters: [x]");
    }

    [Theory]
    [InlineData("sync", "true", 204)]
    [InlineData("sync", "\"false\"", 204)]
    [InlineData("sync", "1", 204)]
    [InlineData("sync", "null", 204)]
    [InlineData("sync", "\"perhaps\"", 400)]
    [InlineData("sync", "[]", 400)]
    public async Task A_revocation_may_say_whether_it_waits(string name, string value, int status)
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var answer = await caller.SendAsync("PUT", "sys/leases/revoke", JsonNode.Parse($$"""{"lease_id":"database/creds/orders-api/x","{{name}}":{{value}}}"""));

        answer.Status.ShouldBe(status, answer.Text);
    }

    [Fact]
    public async Task A_client_without_a_token_is_told_of_no_mount()
    {
        await using var world = new BrokerWorld();
        var caller = new VaultCaller(await world.ReplicaAsync());

        var answer = await caller.SendAsync("GET", "sys/internal/ui/mounts");

        answer.Body["data"]!.ToJsonString().ShouldBe("""{"auth":{},"secret":{}}""");
        caller.Token = "hvs.of-nobody";
        (await caller.SendAsync("GET", "sys/internal/ui/mounts")).Status.ShouldBe(403);
    }

    [Fact]
    public async Task The_Vault_compatible_API_can_be_turned_off()
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
        foreach (var (bad, why) in new[] { ("soon", "time: invalid duration \"soon\""), ("-5s", "requested wrap ttl cannot be negative"), ("5x", "time: unknown unit \"x\" in duration \"5x\"") })
            (await caller.ReadAsync(headers: ("X-Vault-Wrap-TTL", bad))).Error.ShouldBe($"error parsing X-Vault-Wrap-TTL header: {why}");
        (await caller.ReadAsync(headers: ("X-Vault-Wrap-TTL", "0"))).Body["data"].ShouldNotBeNull();
        foreach (var (ttl, seconds) in new[] { ("60", 60), ("60s", 60), ("20m", 1200), ("25h", 90_000), ("1d", 86_400) })
            ((int)(await caller.ReadAsync(headers: ("X-Vault-Wrap-TTL", ttl))).Body["wrap_info"]!["ttl"]!).ShouldBe(seconds, ttl);
    }

    [Theory]
    [InlineData("GET", "auth/token/lookup-self", null)]
    [InlineData("PUT", "auth/token/renew-self", null)]
    [InlineData("PUT", "sys/leases/lookup", "lease")]
    [InlineData("PUT", "sys/leases/renew", "lease")]
    [InlineData("POST", "sys/capabilities-self", "path")]
    [InlineData("GET", "sys/internal/ui/mounts", null)]
    [InlineData("GET", "sys/internal/ui/mounts/database", null)]
    public async Task Whatever_answers_with_data_can_be_wrapped(string method, string path, string? body)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        var lease = (await caller.ReadAsync()).LeaseId;

        var wrapped = await caller.SendAsync(method, path, body switch { "lease" => new JsonObject { ["lease_id"] = lease }, "path" => new JsonObject { ["path"] = "sys/health" }, _ => null }, ("X-Vault-Wrap-TTL", "1m"));

        ((int)wrapped.Body["wrap_info"]!["ttl"]!, (string)wrapped.Body["wrap_info"]!["creation_path"]!).ShouldBe((60, path));
        wrapped.Body["data"].ShouldBeNull();
        wrapped.Body["auth"].ShouldBeNull();
        var answer = await new VaultCaller(replica).SendAsync("PUT", "sys/wrapping/unwrap", new JsonObject { ["token"] = (string)wrapped.Body["wrap_info"]!["token"]! });
        answer.Status.ShouldBe(200);
        (answer.Body["data"] ?? answer.Body["auth"] ?? answer.Body["lease_id"]).ShouldNotBeNull();
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
