using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>A configuration that is reloaded while orders and claims are under way.</summary>
public sealed class ReloadedCatalogTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private static readonly CatalogSnapshot Empty = new(
        new Dictionary<string, Database>(), new Dictionary<string, IssuerDefinition>(), new Dictionary<string, Role>(), new IdentitySettings(new Dictionary<string, IdentityIssuer>(), [], []));

    [Fact]
    public async Task An_order_to_rotate_is_carried_out_by_one_configuration_whatever_a_reload_takes_out_meanwhile()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        var before = world.Catalog.Current;
        world.Catalog.OnRead = () => world.Catalog.Current = Empty;

        var refusal = await replica.Leases.RotateAsync(World.Ask(0).Caller, "orders-api", "a test", World.From, default);
        (world.Catalog.OnRead, world.Catalog.Current) = (null, before);

        refusal.ShouldBeNull();
        await world.LeaseAsync(lease => lease.Id != grant.Lease.Id && lease.State == LeaseState.Active, Minute);
    }

    [Theory]
    [InlineData("rule")]
    [InlineData("role")]
    public async Task L7_A_caller_in_line_whose_rule_is_taken_out_is_handed_nothing(string what)
    {
        await using var world = new World(capacity: 4);
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0, 4)), Minute)).Grant!;
        var waiting = replica.AskAsync(World.Ask(1, 4, wait: TimeSpan.FromSeconds(20)));
        await world.PassAsync(() => Waiting(world) == 1, Minute);

        TakeOut(world, what);
        await world.Ledger.Holders.ReleaseAsync("orders", grant.Holder.Id, default);

        (await world.PassAsync(waiting, Minute)).Refusal.ShouldNotBeNull().Code.ShouldBe(RefusalCode.NotAllowed);
        Waiting(world).ShouldBe(0, "it leaves its place");
    }

    [Theory]
    [InlineData("rule")]
    [InlineData("role")]
    public async Task L7_A_holder_that_waits_for_a_ledger_that_lost_records_gets_no_more_time_once_its_rule_is_taken_out(string what)
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        world.Flush();
        var asked = new Once();
        var staying = replica.Holders.StayAsync(World.Ask(0).Caller, grant.Holder.Id, World.From with { Proof = asked }, default).AsTask();
        await world.PassAsync(() => asked.IsAsked, Minute);

        TakeOut(world, what);

        (await world.PassAsync(staying, Minute)).Refusal.ShouldNotBeNull().Code.ShouldBe(RefusalCode.NotAllowed);
    }

    [Theory]
    [InlineData("rule")]
    [InlineData("role")]
    public async Task L7_A_holder_whose_rule_is_taken_out_while_it_is_proven_again_is_not_renewed(string what)
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        var proof = new Once { Then = () => TakeOut(world, what) };

        var renewed = replica.Holders.RenewAsync(World.Ask(0).Caller, grant.Holder.Id, World.From with { Proof = proof }, default).AsTask();

        (await world.PassAsync(renewed, Minute)).Refusal.ShouldNotBeNull().Code.ShouldBe(RefusalCode.NotAllowed);
    }

    private static int Waiting(World world) => world.Ledger.Budgets.BudgetAsync("orders", [], default).AsTask().GetAwaiter().GetResult().Waiting;

    private static void TakeOut(World world, string what) => world.Catalog.Current = world.Catalog.Current with
    {
        Roles = what == "role" ? new Dictionary<string, Role>() : new Dictionary<string, Role> { ["orders-api"] = World.OrdersApi with { Allow = [] } },
    };

    [Fact]
    public async Task A_grant_names_the_host_that_its_database_has_now()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!.Credentials.Strings.Servers[0].Host.ShouldBe("db");

        world.Catalog.Current = world.Catalog.Current with { Databases = new Dictionary<string, Database> { ["orders"] = World.Orders with { Host = "moved" } } };

        foreach (var pod in new[] { 0, 1 })
            (await world.PassAsync(replica.AskAsync(World.Ask(pod)), Minute)).Grant!.Credentials.Strings.Servers[0].Host.ShouldBe("moved", "who asks again, and who is new");
        world.Issuer.Made.ShouldBe(1);
    }

    [Fact]
    public async Task A_lease_that_is_over_is_forgotten_in_its_time_though_its_role_is_gone()
    {
        await using var world = new World(World.OrdersApi with { IdleTtl = TimeSpan.Zero });
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default);
        await world.LeaseAsync(lease => lease.State == LeaseState.Revoked, Minute);

        world.Catalog.Current = world.Catalog.Current with { Roles = new Dictionary<string, Role>() };
        await world.PassAsync(12 * Minute);

        replica.Failing("reap").ShouldBeNull();
        (await world.LeasesAsync()).ShouldBeEmpty();
    }

    /// <summary>A proof that is good, and what happens while it is looked at.</summary>
    private sealed class Once : IStandingProof
    {
        public bool IsAsked { get; private set; }

        public Action? Then { get; init; }

        public ValueTask<Refusal?> WhyNotAsync(CancellationToken cancellation)
        {
            IsAsked = true;
            Then?.Invoke();
            return default;
        }
    }
}
