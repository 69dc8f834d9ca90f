using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.AspNetCore.DataProtection;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>A hostile writer changes the records beside the sealed logins, and spoils the logins (laws L12, L14).</summary>
public sealed class WrittenLedgerTests
{
    private const string Victim = "victim";

    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private static readonly string Leases = LedgerKeys.Of("orders")[Array.IndexOf(LedgerKeys.Parts, "leases")];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task L14_A_cap_goes_to_the_user_that_was_sealed_and_never_to_a_name_in_the_ledger(bool opensAnew)
    {
        await using var world = Enforcing();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0, connections: 5)), Minute)).Grant!;
        if (opensAnew) replica = await InsteadAsync(world, replica);
        Write(world, grant, "user", Victim);

        // Raised before the next grant, lowered behind its release, and raised again where it is less than what is granted.
        var next = (await world.PassAsync(replica.AskAsync(World.Ask(1, connections: 20)), Minute)).Grant!;
        next.Lease.Id.ShouldBe(grant.Lease.Id);
        await replica.Holders.ReleaseAsync(World.Ask(1).Caller, next.Holder.Id, World.From, default);
        await world.PassAsync(() => world.Engine.Capped.Last().Connections == 5, 2 * Minute);
        await CappedAgainAsync(world, grant);

        world.Engine.Capped.ShouldAllBe(capped => capped.Username == grant.Credentials.Login.Username);
    }

    [Theory]
    [InlineData("spoiled")]
    [InlineData("")]
    public async Task L14_Nobody_is_capped_by_a_login_that_does_not_open(string login)
    {
        await using var world = Enforcing();
        var first = await world.ReplicaAsync();
        var grant = (await world.PassAsync(first.AskAsync(World.Ask(0, connections: 5)), Minute)).Grant!;
        await InsteadAsync(world, first);
        var genuine = world.Store.Copy().HashAt(Leases)[grant.Lease.Id + ":login"];
        Write(world, grant, "user", Victim);
        Write(world, grant, "login", login);
        Write(world, grant, "cap", "1");
        await world.PassAsync(Minute);

        // With its login it is capped again: what was to be done was seen meanwhile.
        Write(world, grant, "login", genuine);
        await CappedAgainAsync(world, grant);
        world.Engine.Capped.ShouldAllBe(capped => capped.Username == grant.Credentials.Login.Username);
    }

    [Fact]
    public async Task L12_A_claim_for_which_each_login_is_spoiled_has_two_users_made_and_no_more()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        using var spoiling = world.Store.Listen("orders", _ => Spoil(world));

        (await world.PassAsync(replica.AskAsync(World.Ask(0, wait: TimeSpan.FromSeconds(20))), Minute)).Refusal.ShouldNotBeNull().Code.ShouldBe(RefusalCode.LedgerUnavailable);

        world.Issuer.Made.ShouldBe(2);
    }

    [Fact]
    public async Task L12_A_lease_whose_login_was_spoiled_is_followed_by_one_and_takes_nobody_any_more()
    {
        await using var world = new World();
        var first = await world.ReplicaAsync();
        var spoiled = (await world.PassAsync(first.AskAsync(World.Ask(0)), Minute)).Grant!;
        var second = await world.ReplicaAsync();
        Spoil(world);

        var next = (await world.PassAsync(second.AskAsync(World.Ask(1)), Minute)).Grant!;
        next.Lease.Id.ShouldNotBe(spoiled.Lease.Id);
        (await world.PassAsync(second.AskAsync(World.Ask(2)), Minute)).Grant!.Lease.Id.ShouldBe(next.Lease.Id);
        world.Store.Copy().HashAt(Leases).GetValueOrDefault(spoiled.Lease.Id + ":broken").ShouldBe("1", "its holders move at once, and wait for nothing");
        world.Issuer.Made.ShouldBe(2);
    }

    [Fact]
    public async Task L12_A_replica_that_lost_its_keys_sets_no_lease_aside()
    {
        await using var world = new World();
        var keys = new EphemeralDataProtectionProvider();
        var first = await world.ReplicaAsync(keys);
        (await world.PassAsync(first.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();
        var losing = new ChangingKeys(keys);
        var second = await world.ReplicaAsync(losing);
        (await second.Seal.PassesAsync(default)).ShouldBeTrue();

        losing.Current = new EphemeralDataProtectionProvider();
        (await world.PassAsync(second.AskAsync(World.Ask(1)), Minute)).Refusal.ShouldNotBeNull().Code.ShouldBe(RefusalCode.LedgerUnavailable);

        (await world.LeasesAsync()).ShouldHaveSingleItem().State.ShouldBe(LeaseState.Active);
        world.Issuer.Made.ShouldBe(1);
    }

    private static World Enforcing() => new(database: World.Orders with { Budget = World.Orders.Budget with { Enforce = true } });

    // A replica that has opened no login yet takes over from one that is cut off.
    private static async Task<World.Replica> InsteadAsync(World world, World.Replica gone)
    {
        var replica = await world.ReplicaAsync();
        gone.Link.Cut();
        return replica;
    }

    private static async Task CappedAgainAsync(World world, Grant grant)
    {
        var told = world.Engine.Capped.Count;
        Write(world, grant, "cap", "1");
        await world.PassAsync(() => world.Engine.Capped.Count > told, 2 * Minute);
    }

    private static void Write(World world, Grant grant, string field, string value) => Put(world, [(grant.Lease.Id + ":" + field, value)]);

    private static void Spoil(World world) =>
        Put(world, [.. world.Store.Copy().HashAt(Leases).Keys.Where(static field => field.EndsWith(":login", StringComparison.Ordinal)).Select(static field => (field, "spoiled"))]);

    private static void Put(World world, (string Field, string Value)[] fields)
    {
        var keys = world.Store.Copy();
        foreach (var (field, value) in fields) keys.Execute(["HSET", Leases, field, value]);
        world.Store.PutBack(keys);
    }

    /// <summary>Sealing keys that are others from one moment to the next.</summary>
    private sealed class ChangingKeys(IDataProtectionProvider keys) : IDataProtectionProvider
    {
        public IDataProtectionProvider Current { get; set; } = keys;

        public IDataProtector CreateProtector(string purpose) => Current.CreateProtector(purpose);
    }
}
