using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Operators;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>
/// A database behind a pooler beside one that is not, on one server of 60 connections: pods get clients' connections as many as the pooler
/// takes, and the pool counts on the server as something that was promised (law L2).
/// </summary>
public sealed class PooledDatabaseTests
{
    private const int PoolSize = 20;
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private static readonly Role BillingApi = World.OrdersApi with { Name = "billing-api", Database = "billing", Connections = new() { Max = 100 } };

    private static Database Pooled(int size = PoolSize) => World.Orders with
    {
        Server = "pg",
        Pooler = new() { Kind = PoolerKind.PgBouncer, Host = "pooler", PoolSize = size, ConsoleConnectionString = new("Host=pooler"), AuthUser = "pgbouncer" },
    };

    private static Database Direct => World.Orders with
    {
        Name = "billing",
        Server = "pg",
        Budget = new() { CeilingPercent = 100, PauseAfter = TimeSpan.FromDays(1) }, // so that it is counted though nobody is there
    };

    private static World Both(int size = PoolSize) => new(World.OrdersApi with { Connections = new() { Max = 100 } }, Pooled(size), capacity: 60, further: (Direct, BillingApi));

    private static Task CountedAsync(World world, World.Replica replica) =>
        world.PassAsync(() => replica.Budgets.ReadAllAsync(default).AsTask().GetAwaiter().GetResult().All(budget => !budget.IsStale), Minute);

    [Fact]
    public async Task Pods_get_what_they_ask_for_as_far_as_the_pooler_takes_clients()
    {
        await using var world = Both();
        var replica = await world.ReplicaAsync();
        for (var pod = 1; pod <= 20; pod++)
            (await world.PassAsync(replica.AskAsync(World.Ask(pod, 100)), Minute)).Grant.ShouldNotBeNull().Connections.ShouldBe(100, $"pod {pod}");
        (await world.PassAsync(replica.AskAsync(World.Ask(21, 1)), Minute)).Refusal.ShouldNotBeNull("the pooler takes 2000");
        (await replica.Budgets.ReadAsync("orders", default))!.Record.Granted.ShouldBe(2000);
        world.Issuer.Made.ShouldBe(1);
    }

    [Fact]
    public async Task L2_What_the_pooler_may_have_is_promised_to_nobody_else_on_the_server()
    {
        await using var world = Both();
        var replica = await world.ReplicaAsync();
        await CountedAsync(world, replica);
        world.Engine.PoolAllowed.ShouldBe(PoolSize, "it was told");
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 100, least: 1, role: "billing-api")), Minute)).Grant.ShouldNotBeNull().Connections.ShouldBe(60 - PoolSize);
        (await world.PassAsync(replica.AskAsync(World.Ask(2, 100)), Minute)).Grant.ShouldNotBeNull("its clients are no connections of the server's");
        var orders = (await replica.Budgets.ReadAsync("orders", default))!;
        (orders.Record.Limit, orders.Record.Granted, orders.Record.ElsewhereOnServer).ShouldBe((2000, 100, 0));
        (await replica.Budgets.ReadAsync("billing", default))!.Record.ElsewhereOnServer.ShouldBe(PoolSize);
    }

    [Fact]
    public async Task L2_A_pooler_gets_no_more_than_others_leave_and_the_rest_when_it_comes_free()
    {
        await using var world = new World(World.OrdersApi, Direct with { Name = "orders" }, capacity: 60);
        var replica = await world.ReplicaAsync();
        var early = (await world.PassAsync(replica.AskAsync(World.Ask(1, 20)), Minute)).Grant!;
        var late = (await world.PassAsync(replica.AskAsync(World.Ask(2, 20)), Minute)).Grant!;
        var more = (await world.PassAsync(replica.AskAsync(World.Ask(3, 12)), Minute)).Grant!;
        world.Catalog.Current = new(
            new Dictionary<string, Database>(world.Catalog.Current.Databases) { ["pooled"] = Pooled() with { Name = "pooled" } },
            world.Catalog.Current.Issuers,
            new Dictionary<string, Role>(world.Catalog.Current.Roles) { ["pooled-api"] = World.OrdersApi with { Name = "pooled-api", Database = "pooled" } },
            world.Catalog.Current.Identity);
        await world.PassAsync(() => world.Engine.PoolAllowed == 8, Minute);
        await world.PassAsync(replica.Holders.ReleaseAsync(World.Ask(2).Caller, late.Holder.Id, World.From, default).AsTask(), Minute);
        await world.PassAsync(() => world.Engine.PoolAllowed == PoolSize, Minute);
        (await world.PassAsync(replica.AskAsync(World.Ask(4, 20, least: 1)), Minute)).Grant!.Connections.ShouldBe(60 - PoolSize - early.Connections - more.Connections);
    }

    [Fact]
    public async Task L2_A_pooler_that_comes_before_a_database_with_holders_is_refused_in_words_until_they_have_left()
    {
        await using var world = new World(World.OrdersApi, Direct with { Name = "orders" }, capacity: 60);
        var replica = await world.ReplicaAsync();
        var early = (await world.PassAsync(replica.AskAsync(World.Ask(1, 20)), Minute)).Grant!;
        world.Catalog.Current = new(
            new Dictionary<string, Database> { ["orders"] = Pooled() }, world.Catalog.Current.Issuers, world.Catalog.Current.Roles, world.Catalog.Current.Identity);

        await world.PassAsync(() => replica.Failing("sample") is not null, Minute);
        replica.Last("sample").Why.ShouldContain("20 connections are granted on the server itself");
        await world.PassAsync(() => replica.Budgets.ReadAsync("orders", default).AsTask().GetAwaiter().GetResult()!.IsStale, Minute);
        (await world.PassAsync(replica.AskAsync(World.Ask(2, 1)), Minute)).Refusal.ShouldNotBeNull();
        (await world.PassAsync(replica.RenewAsync(early, pod: 1), Minute)).Refusal.ShouldBeNull("who holds something keeps it");

        await world.PassAsync(replica.Holders.ReleaseAsync(World.Ask(1).Caller, early.Holder.Id, World.From, default).AsTask(), Minute);
        await world.PassAsync(() => world.Engine.PoolAllowed == PoolSize, Minute);
        (await world.PassAsync(replica.AskAsync(World.Ask(3, 20)), Minute)).Grant.ShouldNotBeNull().Connections.ShouldBe(20);

        // Its own clients are in nobody's way, also for a replica that comes later.
        var other = await world.ReplicaAsync();
        (await world.PassAsync(other.AskAsync(World.Ask(4, 20)), Minute)).Grant.ShouldNotBeNull();
        await world.PassAsync(Minute);
        other.Failing("sample").ShouldBeNull();
    }

    [Fact]
    public async Task L2_What_a_pooler_may_have_counts_until_it_was_told_of_less()
    {
        await using var world = Both();
        world.Engine.PoolAllowed = 50;
        world.Engine.ResizeFailure = new(DatabaseFailure.Unavailable, "its console is away");
        var replica = await world.ReplicaAsync();
        await CountedAsync(world, replica);
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 100, least: 1, role: "billing-api")), Minute)).Grant.ShouldNotBeNull().Connections.ShouldBe(10);
        world.Engine.ResizeFailure = null;
        await world.PassAsync(() => replica.Budgets.ReadAsync("billing", default).AsTask().GetAwaiter().GetResult()!.Record.ElsewhereOnServer == PoolSize, Minute);
    }

    [Fact]
    public async Task L2_L8_A_pool_is_reserved_by_an_emptied_ledger_before_the_pooler_is_counted_again()
    {
        await using var world = Both();
        var replica = await world.ReplicaAsync();
        await CountedAsync(world, replica);
        world.Engine.PoolerFailure = new(DatabaseFailure.Unavailable, "its console is silent");
        world.Flush();
        await world.PassAsync(TimeSpan.FromSeconds(10));
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 100, least: 1, role: "billing-api")), Minute)).Grant.ShouldNotBeNull().Connections.ShouldBe(60 - PoolSize);
        world.Engine.PoolerFailure = null;
        await world.PassAsync(() => replica.Budgets.ReadAsync("orders", default).AsTask().GetAwaiter().GetResult()!.IsStale == false, Minute);
        (await replica.Budgets.ReadAsync("billing", default))!.Record.ElsewhereOnServer.ShouldBe(PoolSize, "it is not counted twice");
    }

    [Fact]
    public async Task L2_A_pool_is_kept_while_nobody_holds_anything_and_after_no_broker_ran_for_minutes()
    {
        await using var world = Both();
        var replica = await world.ReplicaAsync();
        await CountedAsync(world, replica);
        await world.PassAsync(2 * Minute);
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 100, least: 1, role: "billing-api")), Minute)).Grant.ShouldNotBeNull().Connections.ShouldBe(60 - PoolSize);
    }

    [Fact]
    public async Task What_its_users_have_open_is_the_pool_and_what_is_beyond_it_is_foreign()
    {
        await using var world = Both();
        var replica = await world.ReplicaAsync();
        var user = (await world.PassAsync(replica.AskAsync(World.Ask(1, 5)), Minute)).Grant!.Credentials.Login.Username;
        world.Engine.ClientsOfPooler.Add(new(user, 5, 5));
        world.Engine.Users.AddRange([new(user, 17, 17), new("pgbouncer", 1, 1)]);
        await world.PassAsync(TimeSpan.FromSeconds(10));
        (await replica.Budgets.ReadAsync("billing", default))!.Record.Foreign.ShouldBe(PoolSize, "17 idle ones for 5 clients, and the look-ups, are its pool");
        (await replica.Budgets.ReadAsync("orders", default))!.Record.Foreign.ShouldBe(0);
        world.Engine.Users[0] = new(user, 29, 29); // some pod went past the pooler
        await world.PassAsync(TimeSpan.FromSeconds(10));
        (await replica.Budgets.ReadAsync("billing", default))!.Record.Foreign.ShouldBe(PoolSize + 10);
    }

    [Fact]
    public async Task A_client_that_nobody_granted_anything_is_foreign_at_the_pooler()
    {
        await using var world = Both();
        world.Engine.ClientsOfPooler.Add(new("somebody", 1990, 1990));
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 100, least: 1)), Minute)).Grant!.Connections.ShouldBe(10);
        (await replica.Budgets.ReadAsync("billing", default))!.Record.Foreign.ShouldBe(PoolSize);
    }

    [Fact]
    public async Task A_ceiling_is_of_the_clients_and_percentages_are_of_the_server()
    {
        var settings = new BudgetSettings { CeilingPercent = 25, Ceiling = 50 };
        await using var world = new World(World.OrdersApi with { Connections = new() { Max = 100 } }, Pooled() with { Budget = settings }, capacity: 60);
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 100, least: 1)), Minute)).Grant!.Connections.ShouldBe(50);
        world.Engine.PoolAllowed.ShouldBe(15, "25 percent of 60");
    }

    [Fact]
    public async Task While_one_lease_follows_another_their_users_share_the_pool()
    {
        await using var world = Both();
        var replica = await world.ReplicaAsync();
        await world.PassAsync(replica.AskAsync(World.Ask(1, 5)), Minute);
        await world.PassAsync(() => world.Engine.Resized.LastOrDefault() == (PoolSize, 1), Minute);
        await world.PassAsync(replica.Leases.RotateAsync(World.Ask(1).Caller, "orders-api", "a leaked password", World.From, default).AsTask(), Minute);
        await world.PassAsync(() => world.Engine.Resized.LastOrDefault() == (PoolSize, 2), Minute);
    }
}
