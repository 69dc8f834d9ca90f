using System.Text.Json.Nodes;
using Broker.Core.Catalog;
using Broker.Core.Sessions;
using Broker.Tests.Authentication;
using Broker.Tests.Identity;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>A session is worth no more than the token it was opened with: it carries all that token was bound to, or is not opened.</summary>
public sealed class SessionBindingsTests
{
    [Fact]
    public async Task A_session_is_over_when_the_key_that_signed_its_token_is_withdrawn()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var session = await world.OpenAsync(replica, world.Job(), "deploy");
        var token = (string)session.Body["token"]!;
        (await world.ClaimAsync(replica, token, "deploy")).Status.ShouldBe(200);

        using var next = new TokenMint("next", world.Time, 1);
        world.PublishKeys(world.Mint, next);
        world.Time.Forward(TimeSpan.FromSeconds(61));
        (await world.ClaimAsync(replica, token, "deploy")).Status.ShouldBe(200, "another key beside it ends nothing");

        world.PublishKeys(next);
        world.Time.Forward(TimeSpan.FromSeconds(61));
        (await world.ClaimAsync(replica, token, "deploy")).Status.ShouldBe(401);
        (await world.SendAsync(replica, HttpMethod.Post, $"/api/v1/sessions/{session.Body["id"]}/renew", token)).Status.ShouldBe(401, "nor is it renewed");
    }

    [Fact]
    public async Task Nothing_a_caller_writes_is_on_record_as_the_session_it_came_by()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var own = await world.OpenAsync(replica, world.Job(), "deploy");
        var others = (string)(await world.OpenAsync(replica, world.Job("refs/heads/release/8"), "deploy")).Body["id"]!;
        var token = (string)own.Body["token"]!;
        foreach (var id in new[] { others, "made-up" })
        {
            (await world.SendAsync(replica, HttpMethod.Delete, $"/api/v1/sessions/{id}", token)).Code.ShouldBe("session-unknown");
            (await world.SendAsync(replica, HttpMethod.Post, $"/api/v1/sessions/{id}/renew", world.Pod())).Code.ShouldBe("session-unknown");
        }

        var refused = world.Audited("session").Where(line => (string?)line["outcome"] == "refused").ToList();
        refused.Count.ShouldBe(4);
        refused.Select(line => (string?)line["caller"]!["session"]).Distinct().ShouldBe([(string)own.Body["id"]!, null], ignoreOrder: true);
        world.Audited("session").ShouldContain(line => ((string)line["detail"]!).Contains(others, StringComparison.Ordinal), "which one was opened is");
    }

    [Theory]
    [InlineData("another secret")]
    [InlineData("one letter else")]
    [InlineData("cut")]
    [InlineData("the id alone")]
    public async Task What_comes_with_anothers_session_id_or_a_broken_session_is_on_record_as_nobodys(string how)
    {
        const string words = "words-of-the-sender";
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var victim = await world.OpenAsync(replica, world.Job(), "deploy");
        var (id, token) = ((string)victim.Body["id"]!, (string)victim.Body["token"]!);
        (await world.ClaimAsync(replica, token, "deploy", new() { ["holder"] = "its-own" })).Status.ShouldBe(200, "it is remembered as proven");
        var before = OfVictim();
        var sent = how switch
        {
            "another secret" => $"brs_{id}_{new string('x', 43)}",
            "one letter else" => token[..^1] + (token[^1] == 'A' ? 'B' : 'A'),
            "cut" => token[..^1],
            _ => id,
        };

        foreach (var (method, path, body) in new (HttpMethod, string, JsonObject?)[]
        {
            (HttpMethod.Post, $"/api/v1/roles/{words}/credentials", new() { ["holder"] = words }),
            (HttpMethod.Post, $"/api/v1/sessions/{id}/renew?{words}", null),
            (HttpMethod.Delete, $"/api/v1/sessions/{id}?{words}", new() { ["reason"] = words }),
            (HttpMethod.Delete, $"/api/v1/holders/{words}", null),
        })
            (await world.SendAsync(replica, method, path, sent, body)).Status.ShouldBe(401, path);

        OfVictim().ShouldBe(before);
        var lines = world.AuditLines().Where(line => line.Contains(words, StringComparison.Ordinal)).Select(line => JsonNode.Parse(line)!.AsObject()).ToList();
        lines.ShouldNotBeEmpty();
        lines.Select(line => line["caller"]!.AsObject().Select(of => of.Key).Single()).ShouldAllBe(said => said == "proof", "a keyed hash of what was sent, and no name");
        (await world.ClaimAsync(replica, token, "deploy", new() { ["holder"] = "its-own" })).Status.ShouldBe(200, "and its session goes on");

        string[] OfVictim() => [.. world.AuditLines().Where(line => line.Contains($"\"session\":\"{id}\"", StringComparison.Ordinal) || line.Contains("repo:octo/shop", StringComparison.Ordinal))];
    }

    [Fact]
    public async Task A_pods_token_opens_no_session_that_would_outlive_the_pod()
    {
        await using var world = new BrokerWorld(("Identity:Issuers:kubernetes:Sessions", "true"));
        (await world.OpenAsync(await world.ReplicaAsync(), world.Pod(), "orders-api")).Code.ShouldBe("not-allowed");
    }

    public static TheoryData<string, bool> Openings => new()
    {
        { "as it is", true }, { "no sessions", false }, { "asked about each token", false }, { "another audience", false }, { "another issuer", false },
        { "a former issuer", true }, { "a pod", false }, { "no key", false },
    };

    [Theory]
    [MemberData(nameof(Openings))]
    public void Only_a_token_that_its_key_and_claims_alone_make_good_opens_a_session(string change, bool may)
    {
        var issuer = new IdentityIssuer { Name = "ci", Audience = "broker", Issuer = "https://ci.example", Sessions = true };
        var caller = Callers.Of("ci", "job", ("aud", "broker"), ("iss", "https://ci.example")) with { SigningKey = "thumbprint" };
        (issuer, caller) = change switch
        {
            "no sessions" => (issuer with { Sessions = false }, caller),
            "asked about each token" => (issuer with { TokenReview = new() }, caller),
            "another audience" => (issuer with { Audience = "other" }, caller),
            "another issuer" => (issuer with { Issuer = "https://new.example" }, caller),
            "a former issuer" => (issuer with { Issuer = "https://new.example", FormerIssuers = ["https://ci.example"] }, caller),
            "a pod" => (issuer, Callers.Of("ci", "job", ("aud", "broker"), ("iss", "https://ci.example"), ("kubernetes.io/pod/uid", "uid")) with { SigningKey = "thumbprint" }),
            "no key" => (issuer, caller with { SigningKey = null }),
            _ => (issuer, caller),
        };
        SessionDesk.MayOpen(issuer, caller).ShouldBe(may);
    }
}
