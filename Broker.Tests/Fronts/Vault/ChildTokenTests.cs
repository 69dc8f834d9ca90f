using System.Text.Json.Nodes;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>Tokens that clients make for themselves: <c>auth/token/create</c>.</summary>
public sealed class ChildTokenTests
{
    // What Terraform's Vault provider sends at each start (hashicorp/terraform-provider-vault internal/provider/meta.go, api/auth_token.go TokenCreateRequest).
    private static JsonObject Terraforms => new()
    {
        ["ttl"] = "1200s",
        ["explicit_max_ttl"] = "1200s",
        ["display_name"] = "terraform",
        ["num_uses"] = 0,
        ["renewable"] = false,
        ["type"] = "",
        ["entity_alias"] = "",
    };

    [Fact]
    public async Task Terraform_makes_itself_a_token_that_ends_with_its_logins()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var parent = await VaultCaller.OfPodAsync(world, replica, "uid-1");

        var made = await parent.SendAsync("POST", "auth/token/create", Terraforms);

        made.Status.ShouldBe(200, made.Text);
        made.Body["warnings"].ShouldBeNull();
        var auth = made.Body["auth"]!;
        ((int)auth["lease_duration"]!, (bool)auth["renewable"]!, (bool)auth["orphan"]!).ShouldBe((1200, false, false));
        var child = new VaultCaller(replica) { Token = (string)auth["client_token"]! };
        var lease = (await child.ReadAsync()).LeaseId;
        lease.ShouldNotBeEmpty();
        var looked = (await child.SendAsync("GET", "auth/token/lookup-self")).Body["data"]!;
        ((string?)looked["display_name"], (string?)looked["path"], (bool)looked["orphan"]!, (bool)looked["renewable"]!).ShouldBe(("token-terraform", "auth/token/create", false, false));
        ((int)looked["explicit_max_ttl"]!, looked["period"]).ShouldBe((1200, null));
        ((int)looked["ttl"]!).ShouldBeInRange(1100, 1200);
        looked["policies"]!.ToJsonString().ShouldBe("""["default","orders-api"]""");
        ((string?)looked["entity_id"]).ShouldBe((string?)(await parent.SendAsync("GET", "auth/token/lookup-self")).Body["data"]!["entity_id"]);
        (await child.SendAsync("PUT", "auth/token/renew-self")).Error.ShouldBe("lease is not renewable");
        (await child.SendAsync("POST", "auth/token/create", Terraforms)).Status.ShouldBe(403, "one that was made makes none");

        (await parent.SendAsync("POST", "auth/token/revoke-self")).Status.ShouldBe(204);

        world.Time.Forward(TimeSpan.FromSeconds(1));
        (await child.ReadAsync()).Status.ShouldBe(403);
        var again = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        (await again.RenewAsync(lease)).Error.ShouldBe("lease not found", "what it read is given up too");
    }

    [Fact]
    public async Task A_token_that_was_made_lives_no_longer_than_its_parent_would_now_and_leaves_it_when_it_is_revoked()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var parent = await VaultCaller.OfPodAsync(world, replica, "uid-1");

        var made = await parent.SendAsync("POST", "auth/token/create", new JsonObject { ["ttl"] = "24h", ["display_name"] = "a b/c" });

        ((int)made.Body["auth"]!["lease_duration"]!, (bool)made.Body["auth"]!["renewable"]!).ShouldBe((3599, false), made.Text);
        made.Warning!.ShouldStartWith("TTL of \"24h\" exceeded the effective max_ttl of \"");
        var child = new VaultCaller(replica) { Token = (string)made.Body["auth"]!["client_token"]! };
        ((string?)(await child.SendAsync("GET", "auth/token/lookup-self")).Body["data"]!["display_name"]).ShouldBe("token-a-b-c");
        var shorter = await parent.SendAsync("POST", "auth/token/create", new JsonObject { ["ttl"] = 60 });
        ((int)shorter.Body["auth"]!["lease_duration"]!, (bool)shorter.Body["auth"]!["renewable"]!).ShouldBe((60, true), shorter.Text);

        (await child.SendAsync("POST", "auth/token/revoke-self")).Status.ShouldBe(204);
        (await parent.ReadAsync()).Status.ShouldBe(200);
        world.Time.Forward(TimeSpan.FromMinutes(30));
        (await parent.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(200);
        world.Time.Forward(TimeSpan.FromMinutes(31));
        child.Token = (string)shorter.Body["auth"]!["client_token"]!;
        (await child.ReadAsync()).Status.ShouldBe(403, "its parent's renewals are not its own");
        (await parent.ReadAsync()).Status.ShouldBe(200);
    }

    [Theory]
    [InlineData("""{"id":"mine"}""", "root or sudo privileges required to specify token id")]
    [InlineData("""{"no_parent":true}""", "root or sudo privileges required to create orphan token")]
    [InlineData("""{"period":"1h"}""", "root or sudo privileges required to create periodic token")]
    [InlineData("""{"policies":["default","root"]}""", "child policies must be subset of parent")]
    [InlineData("""{"num_uses":1}""", "tokens with a number of uses are not made here")]
    [InlineData("""{"type":"batch"}""", "only tokens of type service are made here")]
    public async Task Other_tokens_are_refused(string body, string error)
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var refused = await caller.SendAsync("POST", "auth/token/create", JsonNode.Parse(body));

        (refused.Status, refused.Error).ShouldBe((400, error), refused.Text);
        world.AuditLines().ShouldNotContain(line => line.Contains("client token made by another", StringComparison.Ordinal));
    }
}
