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
}
