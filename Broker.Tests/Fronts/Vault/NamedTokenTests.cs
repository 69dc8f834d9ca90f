using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Broker.Api.Fronts;
using Broker.Tests.Security;
using Microsoft.AspNetCore.Http;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>Tokens that are named in a body, by their text or their accessor: a caller that knows a token's text may use it; an accessor opens nothing.</summary>
public sealed class NamedTokenTests
{
    [Fact]
    public async Task A_token_that_is_named_is_looked_up_renewed_and_revoked_in_place_of_the_one_that_asks()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var (caller, other) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-2"));
        var named = new JsonObject { ["token"] = other.Token };

        ((string)(await caller.SendAsync("POST", "auth/token/lookup", named.DeepClone())).Body["data"]!["id"]!).ShouldBe(other.Token);
        ((string)(await caller.SendAsync("GET", $"auth/token/lookup?token={other.Token}")).Body["data"]!["id"]!).ShouldBe(other.Token);
        ((string)(await caller.SendAsync("PUT", "auth/token/renew", named.DeepClone())).Body["auth"]!["client_token"]!).ShouldBe(other.Token);
        (await caller.SendAsync("PUT", "auth/token/revoke", named.DeepClone())).Status.ShouldBe(204);

        (await other.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(403);
        (await caller.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(200);
    }

    [Theory]
    [InlineData("lookup", "hvs.another", 403, "bad token")]
    [InlineData("renew", "hvs.another", 400, "token not found")]
    [InlineData("renew", null, 400, "missing token ID")]
    [InlineData("renew", "", 400, "missing token ID")]
    [InlineData("revoke", "hvs.another", 204, null)]
    [InlineData("revoke", null, 400, "missing token ID")]
    [InlineData("lookup", null, 200, null)]
    public async Task A_token_that_does_not_exist_or_is_not_named_is_answered_as_Vault_does(string verb, string? token, int status, string? error)
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var answer = await caller.SendAsync("POST", $"auth/token/{verb}", new JsonObject { ["token"] = token });

        (answer.Status, answer.Error).ShouldBe((status, error));
        (await caller.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task An_accessor_is_good_for_its_owner_and_never_shows_the_token()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var (caller, other) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-2"));
        var own = await AccessorOfAsync(caller);
        var stranger = await AccessorOfAsync(other);

        var looked = (await caller.SendAsync("POST", "auth/token/lookup-accessor", new JsonObject { ["accessor"] = own })).Body["data"]!;
        ((string)looked["accessor"]!, (string)looked["id"]!).ShouldBe((own, ""));
        ((string)(await caller.SendAsync("POST", "auth/token/renew-accessor", new JsonObject { ["accessor"] = own, ["increment"] = "10m" })).Body["auth"]!["client_token"]!).ShouldBe("");
        foreach (var verb in new[] { "lookup-accessor", "renew-accessor" })
        {
            foreach (var accessor in new[] { stranger, "nosuch" })
            {
                var refused = await caller.SendAsync("POST", $"auth/token/{verb}", new JsonObject { ["accessor"] = accessor });
                (refused.Status, refused.Error).ShouldBe((400, "1 error occurred:\n\t* invalid accessor\n\n"), verb);
            }
        }

        foreach (var verb in new[] { "lookup-accessor", "renew-accessor", "revoke-accessor" })
            (await caller.SendAsync("POST", $"auth/token/{verb}", new JsonObject { ["accessor"] = "" })).Error.ShouldBe("1 error occurred:\n\t* missing accessor\n\n", verb);
        var unknown = await caller.SendAsync("POST", "auth/token/revoke-accessor", new JsonObject { ["accessor"] = stranger });
        (unknown.Status, unknown.Warning).ShouldBe((200, "No token found with this accessor"));
        (await other.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(200, "nobody ends another's by its accessor");
        (await caller.SendAsync("POST", "auth/token/revoke-accessor", new JsonObject { ["accessor"] = own })).Status.ShouldBe(204);
        (await caller.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(403);
    }

    [Theory]
    [InlineData("GET", "lookup")]
    [InlineData("POST", "renew")]
    [InlineData("PUT", "revoke")]
    [InlineData("POST", "lookup-accessor")]
    public async Task L6_a_token_in_an_address_is_no_path_and_is_not_recorded(string method, string verb)
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var answer = await caller.SendAsync(method, $"auth/token/{verb}/{caller.Token}");

        (answer.Status, answer.Error).ShouldBe((404, "1 error occurred:\n\t* unsupported path\n\n"));
        await new VaultCaller(await world.ReplicaAsync()).SendAsync(method, $"auth/token/{verb}/{caller.Token}");
        world.AuditLines().ShouldNotContain(line => line.Contains(caller.Token!, StringComparison.Ordinal));
        world.AuditLines().ShouldContain(line => line.Contains($"auth/token/{verb}/", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("/v1/auth/token/lookup/hvs.one", "/v1/auth/token/lookup/…")]
    [InlineData("/v1/team-a/auth/token/renew/hvs.one/two", "/v1/team-a/auth/token/renew/…")]
    [InlineData("/V1/Auth/Token/lookup/hvs.one", "/V1/Auth/Token/lookup/…")]
    [InlineData("/vault/v1/auth//token/lookup%2Fan-accessor", "/vault/v1/auth/token/lookup/…")]
    [InlineData("/api/v1/sessions/brs_one", "/api/v1/sessions/…")]
    [InlineData("/v1/auth/token/lookup-self", null)]
    [InlineData("/v1/auth/token/lookup-self/", null)]
    [InlineData("/v1/sys/leases/renew/database/creds/app/x", null)]
    public void L6_A_trace_shows_no_token_from_an_address(string path, string? shown)
    {
        using var activity = new Activity("a request").Start();
        activity.SetTag("url.path", path);
        var request = new DefaultHttpContext { Request = { Path = path } }.Request;

        ShownPath.Trace(request);

        activity.GetTagItem("url.path").ShouldBe(shown ?? path);
        ShownPath.Of(request).ShouldBe(shown ?? path);
    }

    [Theory]
    [InlineData("/v1/auth/token/lookup/hvs.a-token-in-an-address", false)]
    [InlineData("/v1/auth/token/lookup-accessor/an-accessor-of-somebody", false)]
    [InlineData("/vault/v1/auth/token/lookup/hvs.a-token-in-an-address", true)]
    [InlineData("/V1/auth/token/lookup/hvs.a-token-in-an-address", true)]
    public async Task L6_A_token_in_an_address_at_which_nothing_answers_is_not_recorded_or_logged(string path, bool enabled)
    {
        await using var world = new BrokerWorld(("VaultApi:Enabled", enabled ? "true" : "false"));
        var replica = await world.ReplicaAsync();

        await world.SendAsync(replica, HttpMethod.Get, path, null);
        await world.SendAsync(replica, HttpMethod.Get, path, world.Pod());

        var written = path[(path.LastIndexOf('/') + 1)..];
        world.AuditLines().ShouldNotContain(line => line.Contains(written, StringComparison.Ordinal));
        // At its finest, the web server itself logs every address.
        world.Heard.All.ShouldNotContain(heard => heard.Where == "log" && heard.Text.StartsWith("Broker.", StringComparison.Ordinal) && heard.Text.Contains(written, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("GET", "/v1/secret/TOKEN")]
    [InlineData("GET", "/v1/database/creds/TOKEN")]
    [InlineData("GET", "/v1/database/static-creds/TOKEN")]
    [InlineData("GET", "/v1/secret/x?help=1&y=TOKEN")]
    [InlineData("GET", "/v1/TOKEN?help=1")]
    [InlineData("GET", "/v1/sys/internal/ui/mounts/TOKEN")]
    [InlineData("PUT", "/v1/sys/leases/revoke")]
    [InlineData("PUT", "/v1/sys/leases/renew")]
    [InlineData("PUT", "/v1/sys/leases/lookup")]
    [InlineData("POST", "/api/v1/roles/TOKEN/credentials")]
    [InlineData("GET", "/api/v1/leases/TOKEN")]
    [InlineData("DELETE", "/api/v1/holders/TOKEN")]
    public async Task L6_A_token_in_the_place_of_something_else_is_not_recorded_or_logged(string method, string path)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        var session = (string)(await world.OpenAsync(replica, world.Job(), "deploy")).Body["token"]!;
        var proof = world.Pod("uid-2");

        foreach (var token in new[] { caller.Token!, session, proof })
        {
            foreach (var sender in new[] { caller.Token!, proof, "nobody's" })
            {
                using var request = new HttpRequestMessage(new(method), path.Replace("TOKEN", token, StringComparison.Ordinal));
                request.Headers.Add("X-Vault-Token", sender);
                request.Headers.Add("Authorization", "Bearer " + sender);
                if (method != "GET") request.Content = JsonContent.Create(new { lease_id = token });
                using var answer = await replica.SendAsync(request, TestContext.Current.CancellationToken);
                answer.StatusCode.ShouldNotBe(HttpStatusCode.InternalServerError);
            }

            var (secret, known) = (token[(token.Length / 2)..], token);
            world.AuditLines().ShouldNotContain(line => line.Contains(secret, StringComparison.Ordinal), known);
            // At its finest, the web server itself logs every address.
            world.Heard.All.ShouldNotContain(heard => heard.Where == "log" && heard.Text.StartsWith("Broker.", StringComparison.Ordinal) && heard.Text.Contains(secret, StringComparison.Ordinal));
        }
    }

    private static async Task<string> AccessorOfAsync(VaultCaller caller) => (string)(await caller.SendAsync("GET", "auth/token/lookup-self")).Body["data"]!["accessor"]!;
}
