using System.Text.Json.Nodes;
using Broker.Core.Leases.Shadow;
using Broker.Tests.Security;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>Shadow mode: clients get the same answers from their Vault as ever, and the broker reports what sharing would have saved.</summary>
public sealed class ShadowModeTests
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Fact]
    public async Task Reads_pass_nothing_is_issued_and_the_report_says_what_sharing_would_have_saved()
    {
        await using var vault = await VaultAsync();
        await using var world = World(vault);
        var replica = await world.ReplicaAsync();
        var callers = new List<VaultCaller>();
        for (var pod = 0; pod < 5; pod++) callers.Add(await VaultCaller.OfPodAsync(world, replica, $"uid-{pod}"));

        var reads = new List<VaultAnswer>();
        foreach (var caller in callers) reads.Add(await caller.ReadAsync());
        reads.Add(await callers[0].ReadAsync());

        reads.ShouldAllBe(read => read.Status == 200 && read.LeaseId.StartsWith("database/creds/orders-api/"));
        reads.Select(read => read.Username).Order().ShouldBe(vault.Users.Order());
        world.Issuer.Users.ShouldBeEmpty("the broker changes nothing");
        var row = (await ReportAsync(world, replica)).ShouldHaveSingleItem();
        ((string)row["path"]!, (int)row["users"]!, (int)row["usersShared"]!).ShouldBe(("database/creds/orders-api", 6, 1));
        ((int)row["leases"]!, (int)row["leasesShared"]!).ShouldBe((6, 1));
        ((int)row["connections"]!, (int)row["connectionsShared"]!).ShouldBe((30, 25), "six leases of five connections, five pods");

        using var request = new HttpRequestMessage(HttpMethod.Get, "/") { Headers = { { "Authorization", $"Bearer {world.Person("viewers")}" } } };
        var page = await (await replica.SendAsync(request, TestContext.Current.CancellationToken)).Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        page.ShouldContain("Sharing would have made 1 database user instead of 6, and would count 25 connections now instead of 30.");
        page.ShouldContain("<th scope=\"row\" role=\"rowheader\" class=\"user\">database/creds/orders-api</th>");

        (await callers[1].RenewAsync(reads[1].LeaseId, 600)).LeaseDuration.ShouldBe(600);
        (await callers[0].SendAsync("PUT", "sys/leases/revoke", new JsonObject { ["lease_id"] = reads[5].LeaseId, ["sync"] = true })).Status.ShouldBeOneOf(202, 204);
        ((bool?)vault.Seen.Single(request => request.Path == "sys/leases/revoke").Body["sync"]).ShouldBe(true);
        row = (await ReportAsync(world, replica)).ShouldHaveSingleItem();
        ((int)row["leases"]!, (int)row["mostLeases"]!).ShouldBe((5, 6));
        (await callers[0].SendAsync("PUT", "sys/leases/revoke-prefix/database/creds/orders-api")).Status.ShouldBe(403, "a prefix of several");
        (await callers[0].SendAsync("PUT", $"sys/leases/revoke-prefix/{reads[0].LeaseId}")).Status.ShouldBeOneOf(202, 204);
        vault.LeaseIds.Order().ShouldBe(reads.Skip(1).Take(4).Select(read => read.LeaseId).Order());
        foreach (var token in vault.LiveTokens.Concat(reads.Select(read => (string)read.Body["data"]!["password"]!)))
            world.Heard.All.ShouldNotContain(heard => heard.Text.Contains(token, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Roles_become_the_brokers_one_by_one_and_leases_from_before_are_renewed_where_they_were_issued()
    {
        await using var vault = await VaultAsync();
        vault.AddRole(new SimulatedRole("database/creds/other", Hour, TimeSpan.FromHours(24)));
        await using var world = World(vault, ("VaultApi:SecretMounts:database:Roles:orders-api:Shadow", "false"));
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");

        var own = await caller.ReadAsync();
        var passed = await caller.ReadAsync("other");

        world.Issuer.Users.ContainsKey(own.Username).ShouldBeTrue();
        vault.Users.ShouldBe([passed.Username]);
        (await caller.RenewAsync(own.LeaseId)).Status.ShouldBe(200);
        (await caller.RenewAsync(passed.LeaseId)).LeaseId.ShouldBe(passed.LeaseId);
        (await caller.RevokeAsync(own.LeaseId)).Status.ShouldBe(204);
        vault.Seen.ShouldNotContain(request => request.Body.ToJsonString().Contains(own.LeaseId, StringComparison.Ordinal) && request.Path != "sys/leases/renew");

        // One that the Vault issued for this name before it became the broker's.
        vault.AddRole(new SimulatedRole("database/creds/orders-api", Hour, TimeSpan.FromHours(24)));
        using var direct = new HttpClient { BaseAddress = vault.Address };
        var before = await new VaultCaller(direct) { Token = vault.CreateToken(new()) }.SendAsync("GET", "database/creds/orders-api");
        (await caller.RenewAsync(before.LeaseId)).LeaseId.ShouldBe(before.LeaseId);
    }

    [Fact]
    public async Task Every_replica_reports_what_all_have_seen()
    {
        await using var vault = await VaultAsync();
        await using var world = World(vault);
        var (one, other) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        await (await VaultCaller.OfPodAsync(world, one, "uid-1")).ReadAsync();
        await (await VaultCaller.OfPodAsync(world, other, "uid-2")).ReadAsync();

        foreach (var replica in new[] { one, other })
            ((int)(await ReportAsync(world, replica)).ShouldHaveSingleItem()["users"]!).ShouldBe(2);
    }

    [Fact]
    public void A_shared_user_lasts_as_long_as_somebody_holds_it_and_half_of_its_longest_life()
    {
        var clock = new FakeTimeProvider();
        var tally = new ShadowTally(clock);
        Read("one");
        clock.Advance(TimeSpan.FromMinutes(30));
        Read("two");
        Shared().ShouldBe(1);
        clock.Advance(TimeSpan.FromMinutes(61));
        Read("three");
        Shared().ShouldBe(1, "kept for a while when nobody holds it");
        clock.Advance(TimeSpan.FromMinutes(71));
        Read("four");
        Shared().ShouldBe(2, "nobody held it for too long");
        for (var half = 0; half < 26; half++)
        {
            clock.Advance(TimeSpan.FromMinutes(30));
            Read("five");
        }

        Shared().ShouldBe(3, "its life was half over");
        tally.Seen.Paths["p"].ShouldSatisfyAllConditions(path => path.Users.ShouldBe(30), path => path.MostLeases.ShouldBe(2), path => path.MostHolders.ShouldBeLessThanOrEqualTo(2));
        tally.Seen.Leases.Count.ShouldBeLessThan(5);

        void Read(string holder) => tally.Read("p", null, Guid.NewGuid().ToString(), holder, Hour, TimeSpan.FromHours(24));
        long Shared() => tally.Seen.Paths["p"].UsersShared;
    }

    [Fact]
    public void What_is_remembered_of_reads_is_bounded_and_none_is_looked_through_for_another()
    {
        var tally = new ShadowTally(new FakeTimeProvider());

        for (var i = 0; i < 3 * ShadowTally.MostLeases; i++)
        {
            tally.Read($"database/creds/{i % 3}", null, $"lease-{i}", $"holder-{i % 100}", Hour, TimeSpan.FromHours(24));
            tally.Renewed($"database/creds/{i % 3}", $"another-{i}", $"holder-{i % 100}", Hour);
            tally.Ended($"gone-{i}");
        }

        for (var i = 0; i < 2 * ShadowTally.MostPaths; i++) tally.Read($"path-{i}", null, $"lease-of-path-{i}", "holder", Hour, TimeSpan.FromHours(24));
        var seen = tally.Seen;
        (seen.Leases.Count, seen.Ended.Count, seen.Paths.Count).ShouldBe((ShadowTally.MostLeases, ShadowTally.MostLeases, ShadowTally.MostPaths));
        seen.Paths["database/creds/0"].Users.ShouldBe(ShadowTally.MostLeases, "what is counted goes on");
        seen.Ended.ShouldContainKey($"gone-{3 * ShadowTally.MostLeases - 1}");
    }

    private static async Task<IReadOnlyList<JsonNode>> ReportAsync(BrokerWorld world, HttpClient replica)
    {
        var answer = await world.SendAsync(replica, HttpMethod.Get, "/api/v1/shadow", world.Person("viewers"));
        answer.Status.ShouldBe(200);
        return [.. answer.Body["paths"]!.AsArray().Select(row => row!)];
    }

    private static async Task<SimulatedVault> VaultAsync()
    {
        var vault = await SimulatedVault.StartAsync();
        vault.Believes = static _ => true;
        vault.AddRole(new SimulatedRole("database/creds/orders-api", Hour, TimeSpan.FromHours(24)));
        return vault;
    }

    private static BrokerWorld World(SimulatedVault vault, params (string Key, string? Value)[] more) =>
        new([("VaultApi:Upstream:Address", vault.Address.AbsoluteUri), ("VaultApi:Upstream:Shadow", "true"), .. more]);
}
