using System.Text.Json.Nodes;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>Tokens: the same on every replica, renewed, looked up, ended, and standing on what their login stood on.</summary>
public sealed class TokenTests
{
    [Fact]
    public async Task A_token_is_good_on_every_replica_until_it_is_revoked_on_one()
    {
        await using var world = new BrokerWorld();
        var (one, other) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var caller = await VaultCaller.OfPodAsync(world, one, "uid-1");
        var elsewhere = new VaultCaller(other) { Token = caller.Token };

        (await elsewhere.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(200);
        var lease = (await caller.ReadAsync()).LeaseId;
        (await elsewhere.RenewAsync(lease)).Status.ShouldBe(200);
        (await caller.SendAsync("POST", "auth/token/revoke-self")).Status.ShouldBe(204);

        (await caller.ReadAsync()).Status.ShouldBe(403);
        await Eventually.HoldsAsync(async () => (await elsewhere.ReadAsync()).Status == 403, "the other replica refuses it too", TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task L6_the_ledger_and_the_audit_never_hold_a_token_or_a_password()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var read = await caller.ReadAsync();
        await caller.SendAsync("PUT", "auth/token/renew-self");
        await caller.RenewAsync(read.LeaseId);
        await caller.RevokeAsync(read.LeaseId);
        await caller.SendAsync("PUT", "auth/token/revoke-self");

        foreach (var secret in new[] { caller.Token!, (string)read.Body["data"]!["password"]! })
        {
            world.Heard.All.ShouldNotContain(heard => heard.Text.Contains(secret, StringComparison.Ordinal));
            world.AuditLines().ShouldNotContain(line => line.Contains(secret, StringComparison.Ordinal));
        }

        world.Audited("session").Length.ShouldBeGreaterThanOrEqualTo(3);
    }

    [Fact]
    public async Task What_clients_read_of_their_token_is_there_with_the_types_they_expect()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        foreach (var (method, path, body) in new[] { ("GET", "lookup-self", null), ("POST", "lookup-self", null), ("POST", "lookup", new JsonObject { ["token"] = caller.Token }) })
        {
            var answer = await caller.SendAsync(method, "auth/token/" + path, body);
            var data = answer.Body["data"]!;

            // External Secrets Operator: pkg/provider/vault/auth.go@0d69078b checkToken; Vault Agent: agentproxyshared/auth/auth.go@0d65a132.
            ((string)data["type"]!).ShouldBe("service");
            ((int)data["ttl"]!).ShouldBeInRange(3590, 3600);
            data.AsObject().ContainsKey("expire_time").ShouldBeTrue();
            ((bool)data["renewable"]!).ShouldBeTrue();
            ((string)data["id"]!).ShouldBe(caller.Token);
            data["policies"]!.AsArray().Select(policy => (string)policy!).ShouldBe(["default", "orders-api"]);
        }

        (await caller.SendAsync("POST", "auth/token/lookup", new JsonObject { ["token"] = "hvs.another" })).Error.ShouldBe("bad token");
        foreach (var path in new[] { "create", "create-orphan", "revoke-orphan", "roles/x", "tidy", "accessors" })
            (await caller.SendAsync("POST", "auth/token/" + path)).Status.ShouldBe(403, path);
    }

    [Fact]
    public async Task A_token_lives_as_long_as_it_is_renewed_and_dies_when_it_is_not()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        for (var day = 0; day < 60; day++)
        {
            world.Time.Forward(TimeSpan.FromMinutes(55));
            var renewed = await caller.SendAsync("PUT", "auth/token/renew-self", new JsonObject { ["increment"] = day % 2 == 0 ? 0 : 86400 });
            ((int)renewed.Body["auth"]!["lease_duration"]!).ShouldBe(3600);
            ((string)renewed.Body["auth"]!["client_token"]!).ShouldBe(caller.Token);
        }

        world.Time.Forward(TimeSpan.FromMinutes(61));
        (await caller.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(403);
    }

    [Fact]
    public async Task A_token_with_a_last_end_is_shortened_as_Vault_does_and_then_expired()
    {
        await using var world = new BrokerWorld(("VaultApi:Tokens:Ttl", "01:00:00"), ("VaultApi:Tokens:MaxTtl", "02:00:00"));
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        world.Time.Forward(TimeSpan.FromMinutes(50));
        ((int)(await caller.SendAsync("PUT", "auth/token/renew-self")).Body["auth"]!["lease_duration"]!).ShouldBe(3600);
        world.Time.Forward(TimeSpan.FromMinutes(50));

        var capped = await caller.SendAsync("PUT", "auth/token/renew-self", new JsonObject { ["increment"] = "1h" });

        ((int)capped.Body["auth"]!["lease_duration"]!).ShouldBeInRange(1150, 1200);
        capped.Warning.ShouldBe("TTL of \"1h\" exceeded the effective max_ttl of \"2h\"; TTL value is capped accordingly");
        world.Time.Forward(TimeSpan.FromMinutes(21));
        (await caller.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(403);
    }

    [Theory]
    [InlineData("null", 7200)]
    [InlineData("\"\"", 7200)]
    [InlineData("0", 7200)]
    [InlineData("600", 600)]
    [InlineData("600.0", 600)]
    [InlineData("\"600\"", 600)]
    [InlineData("\"10m\"", 600)]
    public async Task An_increment_of_a_token_is_a_number_a_text_or_null(string increment, int seconds)
    {
        await using var world = new BrokerWorld(("VaultApi:Tokens:Ttl", "02:00:00"), ("VaultApi:Tokens:MaxTtl", "1.00:00:00"));
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var renewed = await caller.SendAsync("PUT", "auth/token/renew-self", JsonNode.Parse($$"""{"increment":{{increment}}}"""));

        ((int)renewed.Body["auth"]!["lease_duration"]!, renewed.Warning).ShouldBe((seconds, null));
    }

    [Fact]
    public async Task A_token_outlives_the_proof_of_its_login_which_came_to_its_end()
    {
        await using var world = new BrokerWorld();
        var caller = new VaultCaller(await world.ReplicaAsync());
        (await caller.LogInAsync(world.Job(seconds: 300), "deploy", "ci")).Status.ShouldBe(200);

        world.Time.Forward(TimeSpan.FromMinutes(30));

        (await caller.ReadAsync("deploy")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_token_of_the_broker_opens_nothing_of_the_native_API_and_a_pods_own_token_nothing_here()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");

        (await world.ClaimAsync(replica, caller.Token, body: new() { ["holder"] = "x" })).Status.ShouldBe(401);
        caller.Token = world.Pod("uid-1");
        (await caller.ReadAsync()).Status.ShouldBe(403);
    }

    [Fact]
    public async Task A_bearer_header_is_as_good_as_Vaults_own()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var token = caller.Token;
        caller.Token = null;

        (await caller.ReadAsync(headers: ("Authorization", $"Bearer {token}"))).Status.ShouldBe(200);
        (await caller.ReadAsync(headers: ("Authorization", "Bearer hvs.x"))).Status.ShouldBe(403);
    }
}
