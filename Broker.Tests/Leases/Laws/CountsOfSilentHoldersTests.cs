using Broker.Core.Databases;
using Broker.Core.Duties;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>Connections of holders that ended without a word stay counted until they are seen closed (L2).</summary>
public sealed class CountsOfSilentHoldersTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task L2_Connections_of_a_silent_holder_stay_counted_though_another_holder_has_not_opened_its_own_yet()
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = Minute }, capacity: 10);
        var (replica, _) = await ZombieAsync(world);
        (await world.PassAsync(replica.AskAsync(World.Ask(2, 5)), Minute)).Grant.ShouldBeNull("5 are open that nobody was promised any more, 5 are promised to pod 1");
    }

    [Fact]
    public async Task Connections_of_a_silent_holder_come_free_when_they_are_closed()
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = Minute }, capacity: 10);
        var (replica, _) = await ZombieAsync(world);
        world.Engine.Users.Clear();
        await world.PassAsync(5 * Second);
        (await world.PassAsync(replica.AskAsync(World.Ask(2, 5)), Minute)).Grant.ShouldNotBeNull();
    }

    [Fact]
    public async Task Where_connections_carry_their_holders_name_those_of_others_do_not_count_as_theirs()
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = Minute }, capacity: 10);
        var (replica, zombie) = await ZombieAsync(world);
        var user = zombie.Credentials.Login.Username;
        var other = HolderId.For("orders-api", World.Ask(1).Caller, null).Value;
        world.Engine.Users.Clear(); // pod 0 closed its own; pod 1 opened its own
        world.Engine.Users.Add(new(user, 5, 5) { Named = new Dictionary<string, int> { [HolderName.KeyOf(other).ToString()] = 5 } });
        await world.PassAsync(5 * Second);
        (await world.PassAsync(replica.AskAsync(World.Ask(2, 5)), Minute)).Grant.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_holder_that_comes_back_is_not_counted_twice()
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = Minute }, capacity: 10);
        var (replica, _) = await ZombieAsync(world);
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 5)), Minute)).Grant.ShouldNotBeNull();
    }

    [Fact]
    public async Task A_holder_whose_own_claim_ends_it_is_not_counted_twice()
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = Minute }, capacity: 10);
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 5)), Minute)).Grant.ShouldNotBeNull();
        replica.Link.Cut();
        world.Clock.Advance(Minute + Second);
        replica.Link.Mend(); // no round has come to the ledger since its end
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 5)), Minute)).Grant.ShouldNotBeNull();

        (await world.Ledger.Budgets.SilentAsync("orders", default)).Holders.ShouldBeEmpty("its connections are its own again");
    }

    [Theory]
    [InlineData(5, 0, 0, 5, 5)]     // nobody knows whose they are: as many as ended
    [InlineData(3, 0, 0, 5, 3)]     // no more than are open
    [InlineData(8, 0, 0, 5, 2)]     // three are beyond what was granted, and foreign already
    [InlineData(5, 5, 0, 5, 5)]     // all are the ended one's
    [InlineData(5, 0, 5, 5, 0)]     // all are others'
    [InlineData(5, 2, 2, 5, 3)]     // two are its own, one is anybody's
    [InlineData(0, 0, 0, 5, 0)]
    public void What_a_count_can_tell(int open, int own, int others, int granted, int expected)
    {
        const string silent = "r.aaaaaaaaaaaaaaaa-ended000", other = "r.aaaaaaaaaaaaaaaa-other000";
        var named = new Dictionary<string, int>();
        if (own > 0) named[HolderName.KeyOf(silent).ToString()] = own;
        if (others > 0) named[HolderName.KeyOf(other).ToString()] = others;
        SilentHolders.Of(
                new ConnectionSample(100, 0, null, [new UserConnections("u", open, open) { Named = named }]),
                [new SilentHolder(silent, "L", 5)],
                new Dictionary<string, string> { ["L"] = "u" },
                new Dictionary<string, int> { ["u"] = granted })
            .Connections.ShouldBe(expected);
    }

    [Fact]
    public void L2_Where_a_server_shows_no_connections_they_count_until_their_lease_has_ended()
    {
        var blind = new ConnectionSample(100, 0, null, []) { ShowsConnections = false };
        var granted = new Dictionary<string, int> { ["u"] = 5 };
        SilentHolder[] silent = [new("ended", "L", 5), new("ended too", "L", 2), new("of a lease that is over", "M", 4)];

        var open = SilentHolders.Of(blind, silent, new Dictionary<string, string> { ["L"] = "u" }, granted);

        open.Connections.ShouldBe(7);
        open.Holders.ShouldBe([new SilentLeft("ended", 5), new SilentLeft("ended too", 2)]);
        SilentHolders.Of(blind, silent, new Dictionary<string, string>(), granted).Connections.ShouldBe(0);
        SilentHolders.Of(blind with { ShowsConnections = true }, silent, new Dictionary<string, string> { ["L"] = "u" }, granted).Connections.ShouldBe(0, "there it is seen that none is open");
    }

    [Fact]
    public async Task L2_Where_a_server_shows_no_connections_nothing_of_them_is_promised_again()
    {
        await using var world = new World(World.OrdersApi with { HolderTtl = Minute }, capacity: 10);
        world.Engine.ShowsConnections = false;
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 5)), Minute)).Grant.ShouldNotBeNull();
        await world.PassAsync(30 * Second);
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 5)), Minute)).Grant.ShouldNotBeNull();
        await world.PassAsync(40 * Second);
        (await world.PassAsync(replica.AskAsync(World.Ask(2, 5)), Minute)).Grant.ShouldBeNull("pod 0 may still have its five open");
    }

    // Pod 0 opened its five and ends without a word; pod 1 was promised the other five and opens none yet.
    private static async Task<(World.Replica Replica, Grant Zombie)> ZombieAsync(World world)
    {
        var replica = await world.ReplicaAsync();
        var zombie = (await world.PassAsync(replica.AskAsync(World.Ask(0, 5)), Minute)).Grant!;
        world.Engine.Users.Add(new(zombie.Credentials.Login.Username, 5, 5));
        await world.PassAsync(30 * Second);
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 5)), Minute)).Grant.ShouldNotBeNull();
        await world.PassAsync(40 * Second);
        return (replica, zombie);
    }
}
