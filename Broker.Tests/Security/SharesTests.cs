using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Broker.Core.Limits;
using Broker.Tests.Fronts.Vault;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>One client that takes too much, beside others that do not.</summary>
public sealed class SharesTests
{
    [Fact]
    public async Task A_pod_does_not_take_a_whole_budget_by_naming_itself_again_and_again()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var token = world.Pod("greedy");
        var answers = new List<Answer>();
        for (var i = 0; i < 22; i++) answers.Add(await world.ClaimAsync(replica, token, body: new() { ["holder"] = $"made-up-{i}", ["connections"] = 1 }));
        answers.Count(answer => answer.Status == 200).ShouldBe(20);
        answers[^1].Code.ShouldBe("limit-exceeded");
        (await world.ClaimAsync(replica, token, body: new() { ["connections"] = 1 })).Status.ShouldBe(200, "its one holder without a name is its role's to limit");

        var heavy = world.Pod("heavy");
        for (var i = 0; i < 3; i++) (await world.ClaimAsync(replica, heavy, body: new() { ["holder"] = $"made-up-{i}", ["connections"] = 20 })).Status.ShouldBe(200);
        (await world.ClaimAsync(replica, heavy, body: new() { ["holder"] = "made-up-0", ["connections"] = 20 })).Status.ShouldBe(200, "who asks again has it already");
        (await world.ClaimAsync(replica, world.Pod("another"), body: new() { ["connections"] = 10 })).Status.ShouldBe(200, "and others find room");

        var released = (string)answers[0].Body["holder"]!["id"]!;
        (await world.SendAsync(replica, HttpMethod.Delete, $"/api/v1/holders/{released}", token)).Status.ShouldBe(204);
        (await world.ClaimAsync(replica, token, body: new() { ["holder"] = "made-up-21", ["connections"] = 1 })).Status.ShouldBe(200, "what is released can be had again");
    }

    [Fact]
    public async Task A_caller_without_a_pod_leaves_room_for_others_however_often_it_logs_in()
    {
        var hash = Convert.ToHexStringLower(SHA256.HashData("the-secret"u8));
        await using var world = new BrokerWorld(
            ("VaultApi:AuthMounts:approle:Type", "AppRole"), ("VaultApi:AuthMounts:approle:AppRoles:legacy:RoleId", "legacy-batch"), ("VaultApi:AuthMounts:approle:AppRoles:legacy:SecretIds:one:Hash", hash),
            ("Roles:batch:Database", "orders"), ("Roles:batch:Issuer", "here"), ("Roles:batch:CreationStatements:0", "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"),
            ("Roles:batch:Allow:0:Issuer", "approle"), ("Roles:batch:Allow:0:Claims:role_name", "legacy"));
        var replica = await world.ReplicaAsync();
        var answers = new List<VaultAnswer>();
        for (var i = 0; i < 12; i++)
        {
            var caller = new VaultCaller(replica);
            caller.Token = (string)(await caller.SendAsync("POST", "auth/approle/login", new JsonObject { ["role_id"] = "legacy-batch", ["secret_id"] = "the-secret" })).Body["auth"]!["client_token"]!;
            answers.Add(await caller.ReadAsync("batch", ("X-Broker-Connections", "10"), ("Prefer", "wait=0")));
        }

        var granted = answers.Count(answer => answer.Status == 200);
        granted.ShouldBe(7, "three quarters of a hundred connections");
        (answers[^1].Status, answers[^1].Headers.RetryAfter is not null).ShouldBe((429, true));
        (await world.ClaimAsync(replica, world.Pod(), body: new() { ["connections"] = 10 })).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_caller_without_a_pod_may_have_all_where_that_is_configured()
    {
        await using var world = new BrokerWorld(("Identity:Callers:Connections", "1000"));
        var replica = await world.ReplicaAsync();
        var job = world.Job();

        for (var i = 0; i < 5; i++) (await world.ClaimAsync(replica, job, "deploy", new() { ["holder"] = $"job-{i}", ["connections"] = 20 })).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_looping_caller_is_slowed_and_the_rest_are_not()
    {
        await using var world = new BrokerWorld(("Identity:Callers:ClaimsPerSecond", "0.5"), ("Identity:Callers:Burst", "5"));
        var replica = await world.ReplicaAsync();
        var looping = world.Pod("loop");
        var answers = new List<Answer>();
        var from = world.Time.GetUtcNow();
        for (var turn = 0; turn < 30; turn++) answers.Add(await world.ClaimAsync(replica, looping));

        var seconds = (world.Time.GetUtcNow() - from).TotalSeconds;
        answers.Count(answer => answer.Status == 200).ShouldBeInRange(5, 6 + (int)(seconds / 2), $"a burst, and one in two seconds; it took {seconds:0.0} s");
        var slowed = answers.First(answer => answer.Status != 200);
        (slowed.Status, slowed.Code).ShouldBe((429, "limit-exceeded"));
        slowed.Headers.RetryAfter!.Delta!.Value.ShouldBeGreaterThan(TimeSpan.Zero);
        for (var pod = 0; pod < 10; pod++) (await world.ClaimAsync(replica, world.Pod($"other-{pod}"))).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_team_has_so_many_holders_and_connections_over_all_replicas_and_gets_them_back()
    {
        await using var world = new BrokerWorld(
            ("Identity:Teams:shop:Members:0:Issuer", "kubernetes"), ("Identity:Teams:shop:Members:0:Claims:namespace", "shop"),
            ("Identity:Teams:shop:Holders", "3"), ("Identity:Teams:shop:Connections", "12"));
        var (one, other) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var first = await world.ClaimAsync(one, world.Pod("1"), body: new() { ["connections"] = 5 });
        (await world.ClaimAsync(other, world.Pod("2"), body: new() { ["connections"] = 5 })).Status.ShouldBe(200);
        (await world.ClaimAsync(one, world.Pod("1"), body: new() { ["connections"] = 5 })).Status.ShouldBe(200, "who asks again has its part already");

        var third = await world.ClaimAsync(other, world.Pod("3"), body: new() { ["connections"] = 5, ["minConnections"] = 1 });
        (third.Status, (int?)third.Body["connections"]).ShouldBe((200, 2));
        var fourth = await world.ClaimAsync(one, world.Pod("4"));
        (fourth.Status, fourth.Code).ShouldBe((429, "limit-exceeded"));
        ((string?)fourth.Body["detail"])!.ShouldContain("Team 'shop' has 3 holders of 3 with 12 connections of 12");
        (await world.ClaimAsync(one, world.Job(), "deploy")).Status.ShouldBe(200, "who is not of the team");

        (await world.SendAsync(one, HttpMethod.Delete, $"/api/v1/holders/{first.Body["holder"]!["id"]}", world.Pod("1"))).Status.ShouldBe(204);
        (await world.ClaimAsync(other, world.Pod("4"), body: new() { ["connections"] = 5 })).Status.ShouldBe(200);
        world.Time.Forward(TimeSpan.FromMinutes(31));
        (await world.ClaimAsync(one, world.Pod("5"), body: new() { ["connections"] = 12 })).Status.ShouldBe(200, "holders that ended count no more");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task No_interleaving_of_a_callers_asks_passes_its_limits(int seed)
    {
        await using var world = new BrokerWorld(("Identity:Callers:Connections", "40"), ("Identity:Callers:Holders", "12"));
        HttpClient[] replicas = [await world.ReplicaAsync(), await world.ReplicaAsync(), await world.ReplicaAsync()];
        var job = world.Job(seconds: 3000);
        await world.ClaimAsync(replicas[0], job, "deploy", new() { ["holder"] = "first" });
        var (most, granted) = (0, 0);
        using var over = new CancellationTokenSource();
        var watching = WatchAsync();

        // Twenty processes of one pipeline: each asks again and again, several times at once, for more and for less, and leaves at times.
        await Parallel.ForAsync(0, 20, new ParallelOptions { MaxDegreeOfParallelism = 20 }, async (process, _) =>
        {
            var random = new Random(1000 * seed + process);
            for (var turn = 0; turn < 12; turn++)
            {
                await Task.WhenAll(Enumerable.Range(0, 3).Select(async _ =>
                {
                    HttpClient replica;
                    int connections, kind;
                    lock (random) (replica, connections, kind) = (replicas[random.Next(3)], random.Next(1, 11), random.Next(6));
                    var answer = await world.ClaimAsync(replica, job, "deploy", new() { ["holder"] = $"process-{process}", ["connections"] = connections, ["minConnections"] = 1 });
                    if (answer.Status == 200) Interlocked.Increment(ref granted);
                    if (answer.Status == 200 && kind == 0)
                        await world.SendAsync(replica, HttpMethod.Delete, $"/api/v1/holders/{answer.Body["holder"]!["id"]}", job);
                }));
                await LookAsync();
            }
        });
        await over.CancelAsync();
        await watching;

        granted.ShouldBeGreaterThan(100);
        most.ShouldBeInRange(20, 40, "it is used, and not passed");
        var (holders, connections) = await HeldAsync();
        (holders <= 12 && connections <= 40).ShouldBeTrue($"{holders} holders with {connections} connections");

        async Task WatchAsync()
        {
            while (!over.IsCancellationRequested) await LookAsync();
        }

        async Task LookAsync()
        {
            var (_, now) = await HeldAsync();
            lock (world) most = Math.Max(most, now);
        }

        async Task<(int Holders, int Connections)> HeldAsync()
        {
            var budget = (await world.SendAsync(replicas[0], HttpMethod.Get, "/api/v1/budgets/orders", world.Person("viewers"))).Body;
            return (budget["roles"]!.AsArray().Sum(role => (int)role!["holders"]!), (int)budget["granted"]!);
        }
    }

    [Fact]
    public async Task While_nobody_can_say_what_a_caller_holds_it_gets_what_it_has_and_nothing_new()
    {
        await using var world = new BrokerWorld(("Identity:Callers:Connections", "10"));
        var replica = await world.ReplicaAsync();
        (await world.ClaimAsync(replica, world.Pod("1"))).Status.ShouldBe(200);
        world.Cut = database => database == "~shares";
        (await world.ClaimAsync(replica, world.Pod("1"))).Status.ShouldBe(200);
        (await world.ClaimAsync(replica, world.Pod("2"))).Code.ShouldBe("ledger-unavailable");
        world.Cut = null;
        (await world.ClaimAsync(replica, world.Pod("2"))).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_claim_that_was_refused_takes_nothing_of_the_share()
    {
        await using var world = new BrokerWorld(("Identity:Callers:Holders", "1"), ("Databases:orders:Budget:Ceiling", "5"));
        var replica = await world.ReplicaAsync();
        (await world.ClaimAsync(replica, world.Pod("1"), body: new() { ["connections"] = 5 })).Status.ShouldBe(200);
        (await world.ClaimAsync(replica, world.Pod("2"), body: new() { ["holder"] = "a" })).Code.ShouldBe("budget-exhausted");
        (await world.ClaimAsync(replica, world.Pod("2"), body: new() { ["holder"] = "b" })).Code.ShouldBe("budget-exhausted", "not limit-exceeded");
    }

    [Fact]
    public void A_pace_lets_a_burst_through_then_so_many_a_second()
    {
        var time = new FakeTimeProvider();
        var rateLimit = new RateLimit(time);
        for (var turn = 0; turn < 3; turn++) rateLimit.Take("a", 2, 3).ShouldBeNull();
        rateLimit.Take("a", 2, 3)!.Value.TotalMilliseconds.ShouldBe(500, 1);
        rateLimit.Take("b", 2, 3).ShouldBeNull();
        time.Advance(TimeSpan.FromMilliseconds(500));
        rateLimit.Take("a", 2, 3).ShouldBeNull();
        rateLimit.Take("a", 2, 3).ShouldNotBeNull();
        time.Advance(TimeSpan.FromHours(1));
        for (var turn = 0; turn < 3; turn++) rateLimit.Take("a", 2, 3).ShouldBeNull();
        rateLimit.Take("a", 2, 3).ShouldNotBeNull();
    }
}
