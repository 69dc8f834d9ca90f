using System.Text.Json.Nodes;
using Broker.Core.Audit;
using Broker.Core.Sessions.ClientTokens;
using Broker.Tests.Security;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>What clients wrap themselves, and what they put under another wrapping token: <c>sys/wrapping/wrap</c> and <c>sys/wrapping/rewrap</c>.</summary>
public sealed class WrappingTests
{
    [Fact]
    public async Task An_Agents_sink_wraps_the_token_that_it_writes()
    {
        // OpenBao command/agentproxyshared/sink/sink.go wrapToken: PUT sys/wrapping/wrap by the token itself, and wrap_info must be there.
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var agent = new VaultCaller(replica);
        var accessor = (string?)(await agent.LogInAsync(world.Pod("uid-1"))).Body["auth"]!["accessor"];

        var sink = await agent.SendAsync("PUT", "sys/wrapping/wrap", new JsonObject { ["token"] = agent.Token }, ("X-Vault-Wrap-TTL", "5m0s"));

        sink.Status.ShouldBe(200, sink.Text);
        var wrapped = sink.Body["wrap_info"]!;
        ((int)wrapped["ttl"]!, (string)wrapped["creation_path"]!, sink.Body["data"]).ShouldBe((300, "sys/wrapping/wrap", null));
        var application = new VaultCaller(replica) { Token = (string)wrapped["token"]! };
        application.Token = (string)(await application.SendAsync("PUT", "sys/wrapping/unwrap")).Body["data"]!["token"]!;
        (await application.ReadAsync()).Status.ShouldBe(200);
        world.AuditLines().ShouldNotContain(line => line.Contains(agent.Token!, StringComparison.Ordinal));
        world.Audited("session").ShouldContain(record => (string?)record["detail"] == "wrapped what it sent" && (string?)record["caller"]!["session"] == accessor);
    }

    [Theory]
    [InlineData("""{"a":null,"b":1.50,"c":{"d":["\ud800",true]},"list":"x"}""")]
    [InlineData("{}")]
    public async Task What_is_wrapped_is_given_out_as_it_was_sent(string sent)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/sys/wrapping/wrap") { Content = new StringContent(sent) };
        request.Headers.Add("X-Vault-Token", caller.Token);
        request.Headers.Add("X-Vault-Wrap-TTL", "60");
        using var response = await replica.SendAsync(request, TestContext.Current.CancellationToken);
        var wrapped = JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;

        var answer = await caller.SendAsync("PUT", "sys/wrapping/unwrap", new JsonObject { ["token"] = (string)wrapped["wrap_info"]!["token"]! });

        wrapped["warnings"].ShouldBeNull();
        answer.Text.ShouldContain($"\"data\":{sent},");
    }

    [Theory]
    [InlineData(4000, 200)]
    [InlineData(4200, 413)]
    public async Task L10_What_a_client_wraps_itself_is_short_and_takes_as_much_room_as_it_is_long(int length, int status)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        using var request = new HttpRequestMessage(HttpMethod.Put, "/v1/sys/wrapping/wrap") { Content = new StringContent($"{{\"text\":\"{new string('<', length)}\"}}") };
        request.Headers.Add("X-Vault-Token", caller.Token);
        request.Headers.Add("X-Vault-Wrap-TTL", "768h");

        using var response = await replica.SendAsync(request, TestContext.Current.CancellationToken);

        ((int)response.StatusCode).ShouldBe(status);
        if (status != 200) return;
        var wrapped = JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;
        world.Heard.All.Where(static heard => heard.Where.StartsWith("ledger", StringComparison.Ordinal)).Max(static heard => heard.Text.Length).ShouldBeLessThan(2 * length);
        ((string)(await UnwrapAsync(caller, (string)wrapped["wrap_info"]!["token"]!)).Body["data"]!["text"]!).ShouldBe(new string('<', length));
    }

    [Fact]
    public async Task Nothing_is_wrapped_without_a_time_or_a_token()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        var body = new JsonObject { ["a"] = "b" };

        foreach (var ttl in new[] { "", "0" })
        {
            var refused = await caller.SendAsync("PUT", "sys/wrapping/wrap", body.DeepClone(), ("X-Vault-Wrap-TTL", ttl));
            (refused.Status, refused.Error).ShouldBe((400, "endpoint requires response wrapping to be used"), ttl);
        }

        (await caller.SendAsync("GET", "sys/wrapping/wrap", null, ("X-Vault-Wrap-TTL", "60"))).Status.ShouldBe(405);
        (await new VaultCaller(replica).SendAsync("PUT", "sys/wrapping/wrap", body, ("X-Vault-Wrap-TTL", "60"))).Status.ShouldBe(403);
        var can = await caller.SendAsync("POST", "sys/capabilities-self", new JsonObject { ["path"] = "sys/wrapping/wrap" });
        can.Body["capabilities"]!.ToJsonString().ShouldBe("""["update"]""");
    }

    [Fact]
    public async Task An_answer_that_is_wrapped_anew_is_had_by_the_new_token_alone_for_as_long_again()
    {
        // Spring Vault's VaultWrappingTemplate.rewrap; OpenBao vault/logical_system.go handleWrappingRewrap.
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var first = (string)(await caller.ReadAsync(headers: ("X-Vault-Wrap-TTL", "60"))).Body["wrap_info"]!["token"]!;
        world.Time.Forward(TimeSpan.FromSeconds(50));

        var anew = await caller.SendAsync("POST", "sys/wrapping/rewrap", new JsonObject { ["token"] = first });

        anew.Status.ShouldBe(200, anew.Text);
        var (second, info) = ((string)anew.Body["wrap_info"]!["token"]!, anew.Body["wrap_info"]!);
        ((int)info["ttl"]!, (string)info["creation_path"]!).ShouldBe((60, "database/creds/orders-api"));
        second.ShouldNotBe(first);
        world.Time.Forward(TimeSpan.FromSeconds(50));
        (await UnwrapAsync(caller, first)).Error.ShouldBe("wrapping token is not valid or does not exist");
        (await caller.SendAsync("POST", "sys/wrapping/rewrap", new JsonObject { ["token"] = first })).Error.ShouldBe("wrapping token is not valid or does not exist");
        ((string)(await UnwrapAsync(caller, second)).Body["data"]!["password"]!).ShouldNotBeEmpty();
        world.Audited("session").ShouldContain(record => ((string)record["detail"]!).StartsWith("wrapped anew the answer to database/creds/orders-api", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("GET", "database/creds/orders-api")]
    [InlineData("GET", "auth/token/lookup-self")]
    [InlineData("PUT", "sys/wrapping/wrap")]
    public async Task L7_An_answer_that_could_not_be_wrapped_is_on_record_as_had_by_nobody_and_its_connections_are_given_back(string method, string path)
    {
        await using var world = new BrokerWorld(("Databases:orders:Budget:CeilingPercent", "10"), ("Roles:orders-api:Connections:Default", "10"));
        var replica = await world.ReplicaAsync();
        var (one, other) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-2"));
        world.Cut = static database => database == "~wrapped";

        var failed = await one.SendAsync(method, path, method == "PUT" ? new JsonObject { ["a"] = "b" } : null, ("X-Vault-Wrap-TTL", "60"));

        (failed.Status, failed.Headers.RetryAfter is not null).ShouldBe((503, true), failed.Text);
        world.Cut = null;
        var last = world.Audited("session")[^1];
        ((string?)last["outcome"], (string?)last["detail"], (string?)last["caller"]!["podUid"]).ShouldBe(("failed", $"the answer to {path} could not be wrapped: nobody has it", "uid-1"));
        (await other.ReadAsync(headers: ("X-Broker-Connections", "10"))).Status.ShouldBe(200, "nobody else holds them");
    }

    [Fact]
    public async Task L15_An_unproven_client_keeps_nothing_in_the_ledger()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var known = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        var wrapped = (string)(await known.ReadAsync(headers: ("X-Vault-Wrap-TTL", "60"))).Body["wrap_info"]!["token"]!;
        var body = new JsonObject { ["token"] = wrapped };

        foreach (var token in new[] { null, wrapped, "hvs.made-up" })
        {
            var nobody = new VaultCaller(replica) { Token = token };
            var lookup = await nobody.SendAsync("PUT", "sys/wrapping/lookup", body.DeepClone(), ("X-Vault-Wrap-TTL", "768h"));
            (lookup.Status, lookup.Body["errors"]!.AsArray().Count).ShouldBe((400, 1), token);
            (await nobody.SendAsync("PUT", "sys/wrapping/lookup", body.DeepClone())).Status.ShouldBe(200, token);
        }

        var mounts = await new VaultCaller(replica).SendAsync("GET", "sys/internal/ui/mounts", null, ("X-Vault-Wrap-TTL", "768h"));
        (mounts.Status, mounts.Body["wrap_info"]).ShouldBe((400, null));
        (await new VaultCaller(replica).SendAsync("GET", "sys/internal/ui/mounts")).Status.ShouldBe(200);
        (await known.SendAsync("PUT", "sys/wrapping/lookup", body, ("X-Vault-Wrap-TTL", "60"))).Body["wrap_info"].ShouldNotBeNull("who comes with a token of its own has it wrapped");
    }

    [Fact]
    public async Task L15_A_client_with_a_wrapping_token_alone_does_not_fill_the_record_by_wrapping_anew()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var token = (string)(await (await VaultCaller.OfPodAsync(world, replica, "uid-1")).ReadAsync(headers: ("X-Vault-Wrap-TTL", "768h"))).Body["wrap_info"]!["token"]!;
        var nobody = new VaultCaller(replica);

        VaultAnswer answer;
        for (var i = 0; i < 200 && (answer = await nobody.SendAsync("PUT", "sys/wrapping/rewrap", new JsonObject { ["token"] = token })).Status == 200; i++) token = (string)answer.Body["wrap_info"]!["token"]!;

        world.AuditLines(0).Count(line => line.Contains("wrapped anew", StringComparison.Ordinal)).ShouldBe(WrappedAnswers.MostRewraps);
        ((string)(await UnwrapAsync(nobody, token)).Body["data"]!["password"]!).ShouldNotBeEmpty("it is there still");
    }

    [Fact]
    public async Task One_client_keeps_so_many_answers_and_of_more_its_oldest_goes()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var (one, other) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-2"));
        var (first, others) = (await WrapAsync(one), await WrapAsync(other));
        var second = "";

        for (var i = 0; i < 500; i++)
        {
            var token = await WrapAsync(one);
            if (i == 0) second = token;
        }

        (await UnwrapAsync(one, first)).Status.ShouldBe(400);
        (await UnwrapAsync(one, second)).Status.ShouldBe(200);
        (await UnwrapAsync(other, others)).Status.ShouldBe(200, "another pod loses nothing by it");

        static async Task<string> WrapAsync(VaultCaller caller) =>
            (string)(await caller.SendAsync("GET", "auth/token/lookup-self", null, ("X-Vault-Wrap-TTL", "768h"))).Body["wrap_info"]!["token"]!;
    }

    [Fact]
    public async Task L7_What_cannot_be_recorded_gives_nothing_and_takes_nothing()
    {
        var audit = new SwitchedAudit();
        await using var world = new BrokerWorld { Services = services => services.Replace(ServiceDescriptor.Singleton<IAudit>(audit)) };
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var token = (string)(await caller.ReadAsync(headers: ("X-Vault-Wrap-TTL", "60"))).Body["wrap_info"]!["token"]!;
        audit.IsFull = true;

        foreach (var path in new[] { "wrap", "rewrap", "unwrap" })
        {
            var refused = await caller.SendAsync("POST", $"sys/wrapping/{path}", new JsonObject { ["token"] = token }, ("X-Vault-Wrap-TTL", "60"));
            (refused.Status, refused.Body.Count).ShouldBe((503, 1), path);
            refused.Headers.RetryAfter.ShouldNotBeNull(path);
        }

        audit.IsFull = false;
        ((string)(await UnwrapAsync(caller, token)).Body["data"]!["password"]!).ShouldNotBeEmpty();
    }

    private static Task<VaultAnswer> UnwrapAsync(VaultCaller caller, string token) => caller.SendAsync("PUT", "sys/wrapping/unwrap", new JsonObject { ["token"] = token });
}
