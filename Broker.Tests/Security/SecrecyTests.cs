using System.Text.Json.Nodes;
using Broker.Api.Authentication.BrokerTokens;
using Broker.Core.Audit.Reading;
using Broker.Core.Issuing;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>
/// Law L6: every scenario is run with all that leaves a broker written down, and then each password and token that was issued is
/// searched for in it.
/// </summary>
public sealed class SecrecyTests
{
    [Fact]
    public async Task L6_No_secret_ever_printed()
    {
        await using var world = new BrokerWorld(
            ("Audit:HashKey", "hash-key-of-the-audit"), ("Identity:Callers:ClaimsPerSecond", "100"), ("Limits:FailedProofs", "100000"));
        var (one, other) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var tokens = new List<string>();
        var passwords = new HashSet<string>();

        // Grants, renewals, rotation, release, revocation.
        var pods = Enumerable.Range(0, 5).Select(pod => Keep(world.Pod($"pod-{pod}"))).ToList();
        var granted = new List<Answer>();
        foreach (var pod in pods) granted.Add(KeepPassword(await world.ClaimAsync(one, pod)));
        await world.SendAsync(one, HttpMethod.Post, "/api/v1/roles/orders-api/rotate", Keep(world.Person("operators")), Because("rotated"));
        await Eventually.HoldsAsync(() => Task.FromResult(world.Issuer.Made >= 2), "there is a new lease", TestContext.Current.CancellationToken);
        foreach (var (pod, grant) in pods.Zip(granted))
            KeepPassword(await world.SendAsync(other, HttpMethod.Post, $"/api/v1/holders/{grant.Body["holder"]!["id"]}/renew", pod));
        await world.SendAsync(one, HttpMethod.Delete, $"/api/v1/holders/{granted[0].Body["holder"]!["id"]}", pods[0]);
        await world.SendAsync(one, HttpMethod.Post, $"/api/v1/leases/{granted[1].Body["lease"]!["id"]}/revoke", Keep(world.Person("operators")), Because("leaked"));

        // Sessions, right and wrong.
        var job = Keep(world.Job());
        var session = await world.OpenAsync(one, job, "deploy");
        var sessionToken = Keep((string)session.Body["token"]!);
        KeepPassword(await world.ClaimAsync(other, sessionToken, "deploy"));
        await world.ClaimAsync(other, sessionToken, "migrate");
        await world.ClaimAsync(other, Keep(sessionToken[..^2] + "AA"), "deploy");
        await world.OpenAsync(other, job, "deploy");
        await world.SendAsync(one, HttpMethod.Get, $"/api/v1/sessions/{session.Body["id"]}", job);
        await world.SendAsync(one, HttpMethod.Delete, $"/api/v1/sessions/{session.Body["id"]}", sessionToken);

        // Tokens that prove nobody, in every way there is; tokens where none belongs.
        foreach (var wrong in Wrong(world)) await world.ClaimAsync(one, Keep(wrong));
        await world.ClaimAsync(one, Keep(world.Pod("astray", "other-space")));
        await world.ClaimAsync(one, pods[0], "nosuch");
        await world.ClaimAsync(one, pods[0], body: new() { ["holder"] = "a holder with spaces" });
        await world.ClaimAsync(one, pods[0], body: new() { ["token"] = pods[1] });
        await world.ClaimAsync(one, pods[0], body: new() { ["connections"] = pods[1] });

        // Administrators.
        var admin = Keep(world.Service<AdminTokens>().Make("root@server", TimeSpan.FromMinutes(5)).Reveal());
        await world.SendAsync(one, HttpMethod.Get, "/api/v1/budgets", admin);
        await world.SendAsync(one, HttpMethod.Post, "/api/v1/explain", admin, new() { ["token"] = pods[0], ["role"] = "orders-api" });
        await world.SendAsync(one, HttpMethod.Post, "/api/v1/explain", admin, new() { ["token"] = Keep(world.Job(seconds: -600)), ["role"] = "deploy" });
        await world.SendAsync(one, HttpMethod.Post, "/api/v1/explain", admin, new() { ["tokn"] = pods[0] });

        // What is behind us fails.
        world.Issuer.Failure = new IssuerException(IssuerFailure.Unavailable, "the issuer is away");
        await world.ClaimAsync(one, Keep(world.Job("refs/heads/release/8")), "migrate", new() { ["holder"] = "x" });
        world.Issuer.Failure = null;
        foreach (var path in new[] { "/api/v1/leases", "/api/v1/budgets", "/api/v1/duties", "/api/v1/indicators", "/api/v1/leftovers", "/metrics", "/openapi/v1.json" })
            world.Heard.Hear("answer " + path, (await world.SendAsync(one, HttpMethod.Get, path, Keep(world.Person("viewers")))).Body.ToJsonString());

        foreach (var line in world.AuditLines()) world.Heard.Hear("audit", line);
        passwords.Add("admin-password-of-the-database");
        passwords.Add("hash-key-of-the-audit");
        passwords.Count.ShouldBeGreaterThanOrEqualTo(5);
        tokens.Count.ShouldBeGreaterThan(20);
        foreach (var kind in new[] { "log", "span", "metric", "audit", "problem", "ledger claim", "ledger issued", "header" })
            world.Heard.All.ShouldContain(heard => heard.Where == kind, $"nothing of kind '{kind}' was heard, so nothing was searched there");
        foreach (var (where, text) in world.Heard.All)
        {
            foreach (var secret in passwords.Concat(tokens.SelectMany(Parts)))
                text.Contains(secret, StringComparison.Ordinal).ShouldBeFalse($"a secret stands in a {where}: {text}");
        }

        ChainVerifier.Verify([world.AuditPath(0)], null).Problems.ShouldBeEmpty();

        string Keep(string token)
        {
            tokens.Add(token);
            return token;
        }

        Answer KeepPassword(Answer answer)
        {
            if ((string?)answer.Body["credentials"]?["password"] is { } password) passwords.Add(password);
            return answer;
        }
    }

    [Fact]
    public async Task The_search_would_find_a_password_that_was_printed()
    {
        await using var world = new BrokerWorld();
        var grant = await world.ClaimAsync(await world.ReplicaAsync(), world.Pod());
        var user = (string)grant.Body["credentials"]!["username"]!;

        // The user's name is no secret, and stands in logs and audit: what is searched there is really what was written.
        world.AuditLines().ShouldContain(line => line.Contains(user));
        world.Heard.All.ShouldContain(heard => heard.Where == "log" && heard.Text.Contains(user));
        world.Heard.All.ShouldContain(heard => heard.Where == "ledger issued" && heard.Text == user);
        new Secret("x").ToString().ShouldBe("[redacted]");
    }

    // A token in parts is a token too: what identifies it is its signature, or the secret half of a session's.
    private static IEnumerable<string> Parts(string token)
    {
        if (token.Length < 12) yield break;
        yield return token;
        if (token.LastIndexOf('.') is var at and > 0 && token.Length - at > 20) yield return token[(at + 1)..];
        if (token.StartsWith("brs_", StringComparison.Ordinal)) yield return token[21..];
    }

    private static JsonObject Because(string reason) => new() { ["reason"] = reason };

    private static IEnumerable<string> Wrong(BrokerWorld world)
    {
        yield return world.Mint.Token(payload => payload["exp"] = 1);
        yield return world.Mint.Token(payload => payload["nbf"] = 4_000_000_000);
        yield return world.Mint.Token(payload => payload["aud"] = "other");
        yield return world.Mint.Token(payload => payload["iss"] = "https://elsewhere");
        yield return world.Mint.Token(payload => payload.Remove("exp"));
        yield return world.Mint.Token(payload => payload.Remove("sub"));
        yield return world.Mint.Token(header: header => header["kid"] = "nosuch");
        yield return world.Mint.Token(header: header => header["crit"] = new JsonArray("x"));
        yield return world.Mint.Unsigned("none");
        yield return world.Mint.SignedWithThePublicKey();
        yield return world.Mint.Token() + "AAAA";
        yield return new string('x', 17_000);
        yield return "bra_" + new string('A', 200);
        yield return "brs_" + new string('Q', 60);
        yield return "no-token-at-all-but-a-password";
    }
}
