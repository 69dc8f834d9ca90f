using System.Text.Json.Nodes;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>Namespaces: in the header, before the path, or partly in both.</summary>
public sealed class NamespaceTests
{
    [Theory]
    [InlineData("team-a", "")]
    [InlineData("team-a/", "")]
    [InlineData(null, "team-a/")]
    [InlineData("team-a", "shop/")]
    [InlineData(null, "team-a/shop/")]
    [InlineData("root", "")]
    public async Task Logins_reads_and_leases_are_had_in_any(string? header, string prefix)
    {
        await using var world = new BrokerWorld();
        var caller = new VaultCaller(await world.ReplicaAsync());
        (string, string)[] headers = header is null ? [] : [("X-Vault-Namespace", header)];

        var login = await caller.SendAsync("PUT", prefix + "auth/kubernetes/login", new JsonObject { ["role"] = "orders-api", ["jwt"] = world.Pod() }, headers);
        login.Status.ShouldBe(200, login.Text);
        caller.Token = (string)login.Body["auth"]!["client_token"]!;
        var read = await caller.SendAsync("GET", prefix + "database/creds/orders-api", null, headers);
        read.Status.ShouldBe(200, read.Text);
        read.LeaseId.ShouldStartWith("database/creds/orders-api/");
        (await caller.SendAsync("PUT", prefix + "sys/leases/renew", new JsonObject { ["lease_id"] = read.LeaseId }, headers)).LeaseId.ShouldBe(read.LeaseId);
        (await caller.SendAsync("GET", prefix + "auth/token/lookup-self", null, headers)).Status.ShouldBe(200);
        if (header is not null) read.Headers.GetValues("X-Vault-Namespace").Single().ShouldBe(header);
    }

    [Fact]
    public async Task A_mount_that_is_configured_with_one_is_that_ones_alone()
    {
        await using var world = new BrokerWorld(
            ("VaultApi:SecretMounts:team-a/database:Roles:app:Role", "orders-api"), ("VaultApi:SecretMounts:database:Roles:app:Role", "migrate"),
            ("VaultApi:AuthMounts:team-a/kubernetes:Type", "Kubernetes"), ("VaultApi:AuthMounts:team-a/kubernetes:Issuer", "kubernetes"), ("VaultApi:AuthMounts:team-a/kubernetes:Roles:app:0", "orders-api"));
        var replica = await world.ReplicaAsync();
        var caller = new VaultCaller(replica);
        var body = new JsonObject { ["role"] = "app", ["jwt"] = world.Pod() };
        (await caller.SendAsync("PUT", "auth/kubernetes/login", body.DeepClone())).Status.ShouldBe(403, "it is there for one namespace only");
        caller.Token = (string)(await caller.SendAsync("PUT", "auth/kubernetes/login", body, ("X-Vault-Namespace", "team-a"))).Body["auth"]!["client_token"]!;

        var byHeader = await caller.SendAsync("GET", "database/creds/app", null, ("X-Vault-Namespace", "team-a"));
        (byHeader.Status, byHeader.LeaseId.StartsWith("database/creds/app/", StringComparison.Ordinal)).ShouldBe((200, true));
        (await caller.SendAsync("GET", "team-a/database/creds/app")).Username.ShouldBe(byHeader.Username);
        (await caller.SendAsync("GET", "database/creds/app")).Status.ShouldBe(403, "that is another role");
        (await caller.SendAsync("GET", "database/creds/app", null, ("X-Vault-Namespace", "team-b"))).Status.ShouldBe(403);
        (await caller.SendAsync("POST", "sys/capabilities-self", new JsonObject { ["path"] = "database/creds/app" }, ("X-Vault-Namespace", "team-a"))).Body["capabilities"]!.ToJsonString().ShouldBe("""["read"]""");
    }

    // A mount's path is shown as it is seen from the namespace that is asked in (OpenBao vault/logical_system.go pathInternalUIMountRead).
    [Theory]
    [InlineData("team-a", "database/creds/app", "database/", "read")]
    [InlineData("team-a", "auth/kubernetes/login", "kubernetes/", "deny")]
    [InlineData("team-a", "auth/token/lookup-self", null, "read")]
    [InlineData("team-b", "shared/creds/app", "shared/", "read")]
    [InlineData(null, "team-a/database/creds/app", "team-a/database/", "read")]
    [InlineData(null, "team-a/auth/kubernetes/login", "team-a/kubernetes/", "deny")]
    [InlineData(null, "team-b/shared/creds/app", "team-b/shared/", "read")]
    [InlineData(null, "team-b/auth/token/lookup-self", null, "read")]
    [InlineData(null, "shared/creds/app", "shared/", "read")]
    [InlineData(null, "team-b/database/creds/app", null, "deny")]
    [InlineData("team-b", "database/creds/app", null, "deny")]
    public async Task What_may_be_done_and_where_a_mount_is_can_be_asked_of_any_namespace(string? header, string path, string? mount, string capability)
    {
        await using var world = new BrokerWorld(
            ("VaultApi:SecretMounts:team-a/database:Roles:app:Role", "orders-api"), ("VaultApi:SecretMounts:shared:Roles:app:Role", "orders-api"),
            ("VaultApi:AuthMounts:team-a/kubernetes:Type", "Kubernetes"), ("VaultApi:AuthMounts:team-a/kubernetes:Issuer", "kubernetes"));
        var caller = new VaultCaller(await world.ReplicaAsync());
        caller.Token = (string)(await caller.SendAsync("PUT", "auth/kubernetes/login", new JsonObject { ["role"] = "orders-api", ["jwt"] = world.Pod() }, ("X-Vault-Namespace", "team-a"))).Body["auth"]!["client_token"]!;
        (string, string)[] headers = header is null ? [] : [("X-Vault-Namespace", header)];

        var shown = await caller.SendAsync("GET", $"sys/internal/ui/mounts/{path}", null, headers);
        (shown.Status, (string?)shown.Body["data"]?["path"]).ShouldBe((mount is null ? 403 : 200, mount), shown.Text);
        var may = await caller.SendAsync("POST", "sys/capabilities-self", new JsonObject { ["path"] = path }, headers);
        (may.Status, (string?)may.Body[path]?[0], (string?)may.Body["capabilities"]?[0]).ShouldBe((200, capability, capability), may.Text);
    }

    [Theory]
    [InlineData("GET", "sys/health", 400)]
    [InlineData("GET", "sys/init", 400)]
    [InlineData("PUT", "sys/seal", 400)]
    [InlineData("PUT", "sys/unseal", 400)]
    [InlineData("PUT", "sys/step-down", 400)]
    [InlineData("GET", "sys/metrics", 400)]
    [InlineData("GET", "sys/generate-root/attempt", 400)]
    [InlineData("GET", "sys/seal-status", 200)]
    [InlineData("GET", "sys/leader", 200)]
    [InlineData("GET", "sys/mounts", 403)]
    public async Task What_is_of_all_namespaces_is_had_in_none(string method, string path, int status)
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        foreach (var answer in new[] { await caller.SendAsync(method, path, null, ("X-Vault-Namespace", "team-a")), await caller.SendAsync(method, "team-a/" + path) })
        {
            answer.Status.ShouldBe(status, answer.Text);
            if (status == 400) answer.Error.ShouldBe("operation unavailable in namespaces");
        }
    }

    [Fact]
    public async Task A_path_of_a_thousand_slashes_is_refused()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        (await caller.SendAsync("GET", string.Concat(Enumerable.Repeat("a/", 1000)) + "database/creds/orders-api")).Status.ShouldBe(404);
    }
}
