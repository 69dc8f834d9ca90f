using System.Text.Json.Nodes;
using Broker.Api.Authentication;
using Broker.Api.Authentication.BrokerTokens;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>Viewers, operators and admins: who may what, and why they did it.</summary>
public sealed class PeopleTests
{
    public static TheoryData<string, string, int[]> Orders => new()
    {
        // as: nobody, pod, viewer, operator, admin
        { "GET", "/api/v1/budgets", [401, 403, 200, 200, 200] },
        { "POST", "/api/v1/roles/orders-api/rotate", [401, 403, 403, 202, 202] },
        { "POST", "/api/v1/leases/nosuch/revoke", [401, 403, 403, 404, 404] },
        { "POST", "/api/v1/holders/nosuch/end", [401, 403, 403, 404, 404] },
        { "PUT", "/api/v1/budgets/orders/ceiling", [401, 403, 403, 202, 202] },
        { "POST", "/api/v1/explain", [401, 403, 403, 403, 400] },
    };

    [Theory]
    [MemberData(nameof(Orders))]
    public async Task Each_may_what_its_claim_says_and_no_more(string method, string path, int[] statuses)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        string?[] tokens = [null, world.Pod(), world.Person("viewers"), world.Person("operators"), world.Person("admins")];
        for (var who = 0; who < tokens.Length; who++)
            (await world.SendAsync(replica, new(method), path, tokens[who], method == "GET" ? null : new() { ["reason"] = "a test" })).Status.ShouldBe(statuses[who], $"{who}");
    }

    [Theory]
    [InlineData("POST", "/api/v1/roles/orders-api/rotate")]
    [InlineData("POST", "/api/v1/leases/nosuch/revoke")]
    [InlineData("POST", "/api/v1/holders/nosuch/end")]
    [InlineData("PUT", "/api/v1/budgets/orders/ceiling")]
    [InlineData("DELETE", "/api/v1/leftovers/orders/x")]
    public async Task An_operators_order_without_a_reason_is_refused_and_audited(string method, string path)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        foreach (var body in new JsonObject?[] { null, [], new() { ["reason"] = " " }, new() { ["reason"] = new string('x', 501) }, new() { ["reason"] = "x", ["more"] = 1 } })
            (await world.SendAsync(replica, new(method), path, world.Person("operators"), body)).Code.ShouldBe("invalid-request");
    }

    [Fact]
    public async Task The_audit_keeps_who_did_it_and_why()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var grant = await world.ClaimAsync(replica, world.Pod());
        (await world.SendAsync(replica, HttpMethod.Post, $"/api/v1/holders/{grant.Body["holder"]!["id"]}/end", world.Person("operators"), new() { ["reason"] = "runs no more" })).Status.ShouldBe(204);
        (await world.SendAsync(replica, HttpMethod.Post, $"/api/v1/leases/{grant.Body["lease"]!["id"]}/revoke", world.Person("operators"), new() { ["reason"] = "leaked" })).Status.ShouldBe(202);

        var ended = world.Audited("end").Where(static line => (string?)line["outcome"] == "granted").ShouldHaveSingleItem();
        ((string?)ended["reason"], (string?)ended["caller"]!["subject"], (string?)ended["holderId"]).ShouldBe(("runs no more", "operators@example.org", (string?)grant.Body["holder"]!["id"]));
        ((string?)world.Audited("revoke").Where(static line => (string?)line["outcome"] == "granted").ShouldHaveSingleItem()["reason"]).ShouldBe("leaked");
        (await world.SendAsync(replica, HttpMethod.Post, $"/api/v1/holders/{grant.Body["holder"]!["id"]}/renew", world.Pod())).Code.ShouldBe("holder-unknown");
    }

    [Fact]
    public async Task A_ceiling_set_by_an_operator_is_in_force_on_every_replica_until_it_is_taken_back()
    {
        await using var world = new BrokerWorld(("Databases:orders:Budget:SampleEvery", "00:00:00.2000000"));
        var (one, other) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        await CapacityIsAsync(100);
        await SetAsync(7);
        await CapacityIsAsync(7);
        (await world.ClaimAsync(other, world.Pod(), body: new() { ["connections"] = 8 })).Code.ShouldBe("budget-exhausted");
        await SetAsync(null);
        await CapacityIsAsync(100);

        async Task SetAsync(int? ceiling) => (await world.SendAsync(
            one, HttpMethod.Put, "/api/v1/budgets/orders/ceiling", world.Person("operators"), new() { ["ceiling"] = ceiling, ["reason"] = "maintenance" })).Status.ShouldBe(202);

        Task CapacityIsAsync(int connections) => Eventually.HoldsAsync(
            async () => (int?)(await world.SendAsync(other, HttpMethod.Get, "/api/v1/budgets/orders", world.Person("viewers"))).Body["capacity"] == connections,
            $"the capacity is {connections}", TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task An_admin_token_made_on_the_server_works_at_every_replica_for_its_minutes_and_no_other_does()
    {
        await using var world = new BrokerWorld();
        var (one, other) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var token = world.Service<AdminTokens>().Make("root@server", TimeSpan.FromMinutes(10)).Reveal();

        foreach (var replica in new[] { one, other })
            (await world.SendAsync(replica, HttpMethod.Post, "/api/v1/roles/orders-api/rotate", token, new() { ["reason"] = "first start" })).Status.ShouldBe(202);
        world.Audited("rotate").ShouldContain(line => (string?)line["caller"]!["subject"] == "root@server" && (string?)line["caller"]!["issuer"] == "~broker");
        (await world.ClaimAsync(one, token)).Code.ShouldBe("not-allowed", "an administrator is no pod");
        (await world.SendAsync(one, HttpMethod.Get, "/api/v1/budgets", Otherwise(token))).Status.ShouldBe(401);

        await using var stranger = new BrokerWorld();
        (await world.SendAsync(await stranger.ReplicaAsync(), HttpMethod.Get, "/api/v1/budgets", token)).Status.ShouldBe(401, "it has other keys");
        world.Time.Forward(TimeSpan.FromMinutes(10));
        (await world.SendAsync(one, HttpMethod.Get, "/api/v1/budgets", token)).Status.ShouldBe(401, "its minutes are over");
    }

    [Fact]
    public async Task An_admin_token_is_good_in_the_one_text_by_whose_hash_the_audit_names_it()
    {
        await using var world = new BrokerWorld();
        await world.ReplicaAsync();
        var tokens = world.Service<AdminTokens>();
        var token = tokens.Make("root@server", TimeSpan.FromMinutes(10)).Reveal();

        tokens.Prove(token).Caller.ShouldNotBeNull();
        foreach (var other in OtherTextsOf(token[AdminTokens.Prefix.Length..])) tokens.Prove(AdminTokens.Prefix + other).Failure.ShouldBe(ProofFailure.AdminTokenRefused, $"'{other}'");
    }

    /// <summary>Texts that decoders of base64 take for the same bytes.</summary>
    public static string[] OtherTextsOf(string sealedText)
    {
        var plain = sealedText.Replace('-', '+').Replace('_', '/');
        return [sealedText + " ", " " + sealedText, sealedText.Insert(9, "\t"), sealedText + "=", sealedText + "==", plain + new string('=', (4 - (plain.Length % 4)) % 4) + " "];
    }

    [Fact]
    public async Task A_session_makes_nobody_an_operator_whatever_its_claims()
    {
        await using var world = new BrokerWorld(("Identity:Operators:1:Issuer", "ci"), ("Identity:Operators:1:Claims:repository", "octo/shop"));
        var replica = await world.ReplicaAsync();
        var job = world.Job();
        (await world.SendAsync(replica, HttpMethod.Get, "/api/v1/budgets", job)).Status.ShouldBe(200);
        var session = (string)(await world.OpenAsync(replica, job, "deploy")).Body["token"]!;
        (await world.SendAsync(replica, HttpMethod.Get, "/api/v1/budgets", session)).Status.ShouldBe(403);
    }

    [Theory]
    [InlineData("refs/heads/release/7", true, "Rule 0 of the role's Allow matches.")]
    [InlineData("refs/heads/main", false, "No rule of the role's Allow matches: see the claims.")]
    public async Task An_admin_is_told_why_a_caller_may_or_may_not(string reference, bool allowed, string reason)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var explained = await world.SendAsync(replica, HttpMethod.Post, "/api/v1/explain", world.Person("admins"), new() { ["token"] = world.Job(reference), ["role"] = "deploy" });

        explained.Status.ShouldBe(200);
        ((bool?)explained.Body["allowed"], (string?)explained.Body["reason"]).ShouldBe((allowed, reason));
        var claim = explained.Body["rules"]![0]!["claims"]!.AsArray().Single(claim => (string?)claim!["claim"] == "ref")!;
        ((string?)claim["wanted"], (string?)claim["found"]![0], (bool?)claim["matches"]).ShouldBe(("refs/heads/release/*", reference, allowed));
        world.Audited("explain").ShouldHaveSingleItem();
    }

    [Fact]
    public async Task A_token_that_proves_nobody_is_explained_too()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var explained = await world.SendAsync(replica, HttpMethod.Post, "/api/v1/explain", world.Person("admins"), new() { ["token"] = world.Job(seconds: -600), ["role"] = "deploy" });
        ((bool?)explained.Body["proven"], (bool?)explained.Body["allowed"]).ShouldBe((false, false));
        ((string?)explained.Body["proof"])!.ShouldContain("expired");
    }

    // In its middle: the last letter of base64 may hold bits that mean nothing.
    private static string Otherwise(string token) =>
        $"{token[..(token.Length / 2)]}{(token[token.Length / 2] == 'A' ? 'B' : 'A')}{token[((token.Length / 2) + 1)..]}";
}
