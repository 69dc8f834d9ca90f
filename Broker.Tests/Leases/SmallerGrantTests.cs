using System.Buffers;
using System.Text;
using System.Text.Json.Nodes;
using Broker.Api.Fronts.Native.Credentials;
using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Leases.Claims;
using Broker.Core.Ledger;
using Broker.Tests.Fronts.Vault;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>A caller that gets fewer connections than it asked for is told why: in the answer, by every front, in the audit and in the log.</summary>
public sealed class SmallerGrantTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private static readonly Role Expecting = World.OrdersApi with { Connections = new() { Default = 5, Min = 1, Max = 20, ExpectedHolders = 100, SurgePercent = 0 } };

    [Fact]
    public async Task Room_that_is_kept_for_expected_holders_is_told_with_their_number()
    {
        await using var world = new World(Expecting);
        var replica = await world.ReplicaAsync();

        (await AskAsync(world, replica, 0)).FewerBecause.ShouldBe("1 of 5: room is kept for 99 expected holders.");
        (await AskAsync(world, replica, 1)).FewerBecause.ShouldBe("1 of 5: room is kept for 98 expected holders.");
        (await AskAsync(world, replica, 0)).FewerBecause.ShouldBe("1 of 5: room is kept for 99 expected holders.", "asking again changes nothing");
        replica.Audit.Records.First().Detail.ShouldBe("1 of 5: room is kept for 99 expected holders.");
    }

    [Fact]
    public async Task A_burst_is_told_each_its_own_reason()
    {
        await using var world = new World(Expecting);
        var replica = await world.ReplicaAsync();

        var outcomes = await world.PassAsync(Task.WhenAll(Enumerable.Range(0, 20).Select(pod => replica.AskAsync(World.Ask(pod)))), Minute);

        outcomes.Select(outcome => outcome.Grant!.FewerBecause).Order(StringComparer.Ordinal)
            .ShouldBe(Enumerable.Range(80, 20).Select(kept => $"1 of 5: room is kept for {kept} expected holders."));
    }

    [Fact]
    public async Task A_claim_that_waited_in_line_is_also_told_that_no_more_were_free()
    {
        await using var world = new World(capacity: 8);
        var replica = await world.ReplicaAsync();
        var first = await AskAsync(world, replica, 0);
        first.FewerBecause.ShouldBeNull();
        (await AskAsync(world, replica, 1)).FewerBecause.ShouldBe("3 of 5: no more were free.");

        var waits = replica.AskAsync(World.Ask(2, 8, 2, wait: TimeSpan.FromSeconds(30)));
        await world.PassAsync(TimeSpan.FromSeconds(2));
        waits.IsCompleted.ShouldBeFalse();
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, first.Holder.Id, World.From, default);
        (await world.PassAsync(waits, Minute)).Grant!.FewerBecause.ShouldBe("5 of 8: no more were free.");
    }

    [Fact]
    public async Task A_limit_of_one_user_is_told_before_and_after_it_is_known()
    {
        await using var world = new World();
        world.Engine.UserLimit = 3;
        var replica = await world.ReplicaAsync();

        for (var pod = 0; pod < 2; pod++) (await AskAsync(world, replica, pod)).FewerBecause.ShouldNotBeNull().ShouldStartWith("3 of 5: the database lets one user open no more than 3");
    }

    [Fact]
    public async Task A_share_of_the_caller_is_told()
    {
        await using var world = new BrokerWorld(("Identity:Callers:Connections", "7"));
        var replica = await world.ReplicaAsync();

        (await ClaimAsync(world, replica, "one"))["fewerBecause"].ShouldBeNull();
        ((string?)(await ClaimAsync(world, replica, "two"))["fewerBecause"]).ShouldBe("2 of 5: this caller's or its team's limit leaves no more.");
    }

    [Fact]
    public async Task A_caller_that_asks_for_more_than_it_was_granted_before_is_told_what_to_do()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();

        (await AskAsync(world, replica, 0, 1, 1)).FewerBecause.ShouldBeNull();
        (await AskAsync(world, replica, 0)).FewerBecause.ShouldNotBeNull().ShouldStartWith("1 of 5: this holder was granted 1 before");
        (await AskAsync(world, replica, 0, 1, 1)).FewerBecause.ShouldBeNull("it has what it asks for");
    }

    [Fact]
    public async Task A_caller_that_follows_sizes_and_asks_again_is_told_where_it_hears_of_more()
    {
        await using var world = new World(World.OrdersApi with { Connections = new() { Default = 5, Min = 1, Max = 20, SurgePercent = 0 } }, capacity: 8);
        var replica = await world.ReplicaAsync();
        var first = await AskAsync(world, replica, 0, 8, 1);
        (await FollowAsync(replica, first, 0)).Connections.ShouldBe(8);
        var waits = replica.AskAsync(World.Ask(1, 8, 1, wait: TimeSpan.FromSeconds(30)));
        await world.PassAsync(TimeSpan.FromSeconds(2));

        var told = await FollowAsync(replica, first, 0);
        (await FollowAsync(replica, first, told.Allotment!.Value)).Connections.ShouldBe(4);

        (await world.PassAsync(waits, Minute)).Grant!.FewerBecause.ShouldBe("4 of 8: no more were free.");
        (await AskAsync(world, replica, 0, 8, 1)).FewerBecause.ShouldBe("4 of 8: that is its fair part of the database now; its renewals tell it when it may have more.");
        (await AskAsync(world, replica, 0, 4, 1)).FewerBecause.ShouldBeNull();
    }

    [Theory]
    [InlineData("guaranteed 8", "3 of 5: 8 of the free ones are guaranteed to others.")]
    [InlineData("kept 1", "3 of 5: room is kept for 1 expected holder.")]
    [InlineData("kept all\nof it", "3 of 5: this holder was granted 3 before; for another number, release it and claim again, or send your own 'holder'.")]
    [InlineData("mine 4", "3 of 5: this holder was granted 3 before; for another number, release it and claim again, or send your own 'holder'.")]
    [InlineData(null, "3 of 5: this holder was granted 3 before; for another number, release it and claim again, or send your own 'holder'.")]
    public void L14_The_ledger_chooses_among_sentences_and_writes_none(string? fewer, string said)
    {
        var claim = new Claim("orders-api.1", new("orders-api", 0, Minute, 1, Minute), "pool", 5, 1, Minute, Minute, ClaimKind.Claim, "c");
        var granted = new ClaimAnswer.Granted("lease", 3, default, default, default, null, false, null, null, null, Fewer: fewer);

        SmallerGrant.Why(claim, granted).ShouldBe(said);
        SmallerGrant.Why(claim with { Kind = ClaimKind.Renew }, granted).ShouldBeNull();
    }

    [Fact]
    public async Task The_reason_goes_with_the_holder()
    {
        await using var world = new World(capacity: 8);
        var replica = await world.ReplicaAsync();
        var first = await AskAsync(world, replica, 0);
        var second = await AskAsync(world, replica, 1);
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, first.Holder.Id, World.From, default);
        await replica.Holders.ReleaseAsync(World.Ask(1).Caller, second.Holder.Id, World.From, default);

        (await AskAsync(world, replica, 1, 3)).FewerBecause.ShouldBeNull();
        (await AskAsync(world, replica, 1, 5, 1)).FewerBecause.ShouldNotBeNull().ShouldStartWith("3 of 5: this holder was granted 3 before");
    }

    [Fact]
    public async Task The_native_answer_says_it_beside_the_number_and_says_nothing_where_nothing_is_missing()
    {
        await using var world = new World(Expecting);
        var replica = await world.ReplicaAsync();
        var grant = await AskAsync(world, replica, 0);

        Written(grant)["fewerBecause"]!.GetValue<string>().ShouldBe(grant.FewerBecause);
        Written(grant with { FewerBecause = null }).ContainsKey("fewerBecause").ShouldBeFalse();
    }

    [Fact]
    public async Task Vaults_clients_are_warned_and_the_log_has_one_line_for_a_rollout()
    {
        await using var world = new BrokerWorld(("Roles:orders-api:Connections:ExpectedHolders", "100"), ("Roles:orders-api:Connections:SurgePercent", "0"));
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");

        var read = await caller.ReadAsync();
        read.Warning.ShouldBe("Connections: 1 of 5: room is kept for 99 expected holders.");
        await (await VaultCaller.OfPodAsync(world, replica, "uid-2")).ReadAsync();
        (await caller.ReadAsync(headers: ("X-Broker-Connections", "1"))).Warning.ShouldBeNull();
        world.Heard.All.Count(line => line.Text.Contains("was granted fewer connections than it asked for, 1 of 5", StringComparison.Ordinal)).ShouldBe(1);
    }

    private static async Task<Grant> AskAsync(World world, World.Replica replica, int pod, int? connections = null, int? least = null) =>
        (await world.PassAsync(replica.AskAsync(World.Ask(pod, connections, least)), Minute)).Grant.ShouldNotBeNull();

    private static async Task<Grant> FollowAsync(World.Replica replica, Grant grant, long allotment) =>
        (await replica.Holders.RenewAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default, allotment: allotment)).Grant.ShouldNotBeNull();

    private static async Task<JsonObject> ClaimAsync(BrokerWorld world, HttpClient replica, string holder)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/roles/orders-api/credentials") { Content = new StringContent($$"""{"holder":"{{holder}}"}""", Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new("Bearer", world.Pod());
        using var answer = await replica.SendAsync(request, TestContext.Current.CancellationToken);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!.AsObject();
    }

    private static JsonObject Written(Grant grant)
    {
        var text = new ArrayBufferWriter<byte>();
        GrantWriter.WriteClaim(text, grant);
        return JsonNode.Parse(text.WrittenSpan)!.AsObject();
    }
}
