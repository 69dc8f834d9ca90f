using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Ledger;
using Broker.Core.Operators;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>Whole brokers with two databases: which of them share a server, and what follows from it.</summary>
public sealed class SharedServerTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private static readonly Role BillingApi = OrdersApi with { Name = "billing-api", Database = "billing" };

    private static Role OrdersApi => World.OrdersApi with { Connections = new() { Max = 100 } };

    private static Database On(string name, string host, string? server = null) =>
        World.Orders with { Name = name, Host = host, AdminConnectionString = new($"Host={host}"), Server = server, Budget = new() { CeilingPercent = 65 } };

    private static World Two(string ordersHost, string billingHost, string? server = null) =>
        new(OrdersApi, On("orders", ordersHost, server), capacity: 57, further: (On("billing", billingHost, server), BillingApi));

    private static async Task<int> PromisedAsync(World world, World.Replica replica, bool another = false)
    {
        var second = another ? await world.ReplicaAsync() : replica;
        await CountedAsync(world, replica);
        var one = await world.PassAsync(replica.AskAsync(World.Ask(1, 37)), Minute);
        var two = await world.PassAsync(second.AskAsync(World.Ask(2, 37, least: 1, role: "billing-api")), Minute);
        return (one.Grant?.Connections ?? 0) + (two.Grant?.Connections ?? 0);
    }

    // Both databases were counted, so that both say which server they are.
    private static Task CountedAsync(World world, World.Replica replica) =>
        world.PassAsync(() => replica.Budgets.ReadAllAsync(default).AsTask().GetAwaiter().GetResult().All(budget => !budget.IsStale), Minute);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task L2_Databases_of_one_server_are_never_promised_more_than_it_has_under_whatever_names_it_is_reached(bool anotherReplica)
    {
        await using var world = Two("pg", "pg-alias");
        world.Engine.Says = static _ => "postgresql 7381";
        (await PromisedAsync(world, await world.ReplicaAsync(), anotherReplica)).ShouldBe(37, "65 percent of 57, together");
    }

    // Whoever comes first comes before the other database was counted.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_guaranteed_on_one_is_kept_by_the_other_from_its_first_count_on(bool counted)
    {
        await using var world = new World(
            OrdersApi, On("orders", "pg"), capacity: 57, further: (On("billing", "pg-alias"), BillingApi with { Connections = new() { Max = 100, Guaranteed = 10 } }));
        world.Engine.Says = static _ => "postgresql 7381";
        var replica = await world.ReplicaAsync();
        if (counted) await CountedAsync(world, replica);
        var greedy = await world.PassAsync(replica.AskAsync(World.Ask(1, 37, least: 1)), Minute);
        greedy.Grant!.Connections.ShouldBe(27);
        greedy.Grant.FewerBecause.ShouldBe("27 of 37: 10 of the free ones are guaranteed to others.");
        (await world.PassAsync(replica.AskAsync(World.Ask(2, 10, role: "billing-api")), Minute)).Grant!.Connections.ShouldBe(10);
        (await world.PassAsync(replica.AskAsync(World.Ask(3, 1, role: "billing-api")), Minute)).Grant.ShouldBeNull();
    }

    [Fact]
    public async Task What_is_guaranteed_on_both_and_cannot_be_kept_by_the_server_is_said_once_and_said_when_it_can()
    {
        await using var world = new World(
            OrdersApi with { Connections = new() { Max = 100, Guaranteed = 30 } }, On("orders", "pg"), capacity: 57, further: (On("billing", "pg-alias"), BillingApi with { Connections = new() { Max = 100, Guaranteed = 20 } }));
        world.Engine.Says = static _ => "postgresql 7381";
        var replica = await world.ReplicaAsync();
        // Somebody is there: a database that rests is not counted.
        foreach (var role in new[] { "orders-api", "billing-api" }) (await world.PassAsync(replica.AskAsync(World.Ask(1, 1, role: role)), Minute)).Grant.ShouldNotBeNull();
        string[] Lines(string database) => [.. replica.Said.Where(line => line.StartsWith($"Database {database}: ", StringComparison.Ordinal) && line.Contains("guaranteed", StringComparison.Ordinal))];
        const string Why = "50 connections are guaranteed on the databases of one server (on 'billing' 20 to billing-api; on 'orders' 30 to orders-api), but no more than 37 may be promised on it: guarantee less, or raise what may be promised on the server";

        await world.PassAsync(() => Lines("orders").Length > 0 && Lines("billing").Length > 0, Minute);
        await world.PassAsync(Minute);
        foreach (var database in new[] { "orders", "billing" }) Lines(database).ShouldBe([$"Database {database}: {Why}."]);

        world.Engine.Capacity = 100; // 65 percent of it is room for both
        await world.PassAsync(() => Lines("orders").Length > 1 && Lines("billing").Length > 1, Minute);
        await world.PassAsync(Minute);
        foreach (var database in new[] { "orders", "billing" })
            Lines(database).ShouldBe([$"Database {database}: {Why}.", $"Database {database}: all that is guaranteed on its server can be kept again."]);
    }

    [Fact]
    public async Task L2_Databases_at_one_address_share_one_budget_when_the_server_does_not_identify_itself()
    {
        await using var world = Two("pg", "PG");
        (await PromisedAsync(world, await world.ReplicaAsync())).ShouldBe(37);
    }

    [Fact]
    public async Task L2_Databases_that_the_configuration_puts_on_one_server_share_one_budget()
    {
        await using var world = Two("pg", "proxy", server: "main");
        (await PromisedAsync(world, await world.ReplicaAsync())).ShouldBe(37);
    }

    [Fact]
    public async Task Databases_on_servers_of_their_own_have_budgets_of_their_own()
    {
        await using var world = Two("pg-1", "pg-2");
        world.Engine.Says = static host => host;
        (await PromisedAsync(world, await world.ReplicaAsync())).ShouldBe(74);
    }

    [Fact]
    public async Task All_together_may_have_what_the_server_is_said_to_have_for_all()
    {
        var own = new BudgetSettings { CeilingPercent = 65, ServerCeilingPercent = 100 };
        await using var world = new World(OrdersApi, On("orders", "pg") with { Budget = own }, capacity: 57, further: (On("billing", "pg"), BillingApi));
        (await PromisedAsync(world, await world.ReplicaAsync())).ShouldBe(57);
    }

    [Fact]
    public async Task L2_What_a_pod_of_one_has_open_is_not_foreign_to_the_other()
    {
        await using var world = Two("pg", "pg");
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(1, 20)), Minute)).Grant!;
        world.Engine.Users.Add(new UserConnections(grant.Credentials.Login.Username, 20, 20));
        await world.PassAsync(TimeSpan.FromSeconds(10));
        var billing = (await replica.Budgets.ReadAsync("billing", default))!;
        (billing.Record.Foreign, billing.Record.ElsewhereOnServer, billing.Record.Free).ShouldBe((20, 20, 17));
        billing.Server.ShouldBe((await replica.Budgets.ReadAsync("orders", default))!.Server);
        (await world.PassAsync(replica.Budgets.ForecastAsync("billing", new(1, 17, 0), "billing-api", null, default).AsTask(), Minute))!.Forecast.Fits.ShouldBeTrue();
        (await world.PassAsync(replica.Budgets.ForecastAsync("billing", new(1, 18, 0), "billing-api", null, default).AsTask(), Minute))!.Forecast.Fits.ShouldBeFalse();
    }

    [Fact]
    public async Task L2_A_server_that_does_not_answer_yet_is_promised_to_nobody_and_known_as_soon_as_it_does()
    {
        await using var world = Two("pg", "pg-alias");
        world.Engine.Says = static _ => "postgresql 7381";
        world.Engine.SampleFailure = new(DatabaseFailure.Unavailable, "it starts");
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 37, wait: TimeSpan.FromSeconds(2))), Minute)).Grant.ShouldBeNull();
        world.Engine.SampleFailure = null;
        (await PromisedAsync(world, replica)).ShouldBe(37);
    }

    [Fact]
    public async Task A_server_whose_place_another_machine_has_taken_is_the_same_still_and_recognised_by_both()
    {
        await using var world = new World(OrdersApi, On("orders", "pg"), capacity: 57);
        var said = "one";
        world.Engine.Says = _ => said;
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(1, 20)), Minute)).Grant!;
        said = "two"; // it failed over
        await world.PassAsync(TimeSpan.FromSeconds(10));
        (await world.PassAsync(replica.RenewAsync(grant, 1), Minute)).Grant!.Lease.Id.ShouldBe(grant.Lease.Id);
        world.Catalog.Current = new(
            new Dictionary<string, Database>(world.Catalog.Current.Databases) { ["billing"] = On("billing", "pg-alias") },
            world.Catalog.Current.Issuers,
            new Dictionary<string, Role>(world.Catalog.Current.Roles) { ["billing-api"] = BillingApi },
            world.Catalog.Current.Identity);
        (await PromisedAsync(world, replica)).ShouldBeLessThanOrEqualTo(37);
    }

    [Fact]
    public async Task L2_Two_servers_that_turn_out_to_be_one_are_promised_nothing_more_until_the_configuration_says_so()
    {
        await using var world = Two("pg-1", "pg-2");
        world.Engine.Says = static host => host;
        var replica = await world.ReplicaAsync();
        await CountedAsync(world, replica);
        world.Engine.Says = static _ => "pg-1"; // the name pg-2 leads to the first server now
        await world.PassAsync(() => replica.Failing("sample") is { Record.Why: var why } && why.Contains("Set the same Server", StringComparison.Ordinal), Minute);
        await world.PassAsync(TimeSpan.FromSeconds(16));
        (await world.PassAsync(replica.AskAsync(World.Ask(2, 1, wait: TimeSpan.Zero, role: "billing-api")), Minute)).Grant.ShouldBeNull();
    }

    [Fact]
    public async Task A_database_that_a_reload_moves_to_another_server_begins_there_anew()
    {
        await using var world = Two("pg-1", "pg-1");
        world.Engine.Says = static host => host;
        var replica = await world.ReplicaAsync();
        (await PromisedAsync(world, replica)).ShouldBe(37);
        var before = replica.Ledger.AddressOf("billing");
        world.Catalog.Current = new(
            new Dictionary<string, Database>(world.Catalog.Current.Databases) { ["billing"] = On("billing", "pg-2") },
            world.Catalog.Current.Issuers, world.Catalog.Current.Roles, world.Catalog.Current.Identity);
        await world.PassAsync(() => replica.Ledger.AddressOf("billing") != before, 3 * Minute);
        await CountedAsync(world, replica);
        (await world.PassAsync(replica.AskAsync(World.Ask(3, 37, role: "billing-api")), 2 * Minute)).Grant!.Connections.ShouldBe(37, "nobody holds anything there");
        (await replica.Budgets.ReadAsync("orders", default))!.Record.Granted.ShouldBe(37);
    }

    [Fact]
    public async Task L2_Of_records_of_a_broker_that_knew_of_no_servers_those_of_one_stay_and_give_the_server_its_name()
    {
        await using var world = Two("pg", "pg-alias");
        world.Engine.Says = static _ => "postgresql 7381";
        foreach (var database in new[] { "orders", "billing" }) await world.Ledger.Budgets.SampleAsync(database, 37, 60, 3, 37, 0, TimeSpan.FromMinutes(1), default);
        var replica = await world.ReplicaAsync();
        (await PromisedAsync(world, replica, another: true)).ShouldBe(37);
        var found = (replica.Ledger.AddressOf("orders"), replica.Ledger.AddressOf("billing"));
        found.ShouldBeOneOf(("orders", "orders/billing"), ("billing/orders", "billing"));

        // What it is called outlives the ledger's memory.
        world.Flush();
        await world.PassAsync(TimeSpan.FromSeconds(20));
        var another = await world.ReplicaAsync();
        await world.PassAsync(TimeSpan.FromSeconds(20));
        (another.Ledger.AddressOf("orders"), another.Ledger.AddressOf("billing")).ShouldBe(found);
    }

    [Fact]
    public async Task L3_L8_A_holder_of_a_lease_of_a_broker_that_knew_of_no_servers_has_it_still()
    {
        await using var world = new World(OrdersApi, On("orders", "pg", server: "orders"), capacity: 57);
        var before = await world.ReplicaAsync();
        var grant = (await world.PassAsync(before.AskAsync(World.Ask(1, 20)), Minute)).Grant!;
        world.Catalog.Current = new(
            new Dictionary<string, Database> { ["orders"] = On("orders", "pg") }, world.Catalog.Current.Issuers, world.Catalog.Current.Roles, world.Catalog.Current.Identity);
        var replica = await world.ReplicaAsync();
        await world.PassAsync(TimeSpan.FromSeconds(20));
        (await world.PassAsync(replica.RenewAsync(grant, 1), Minute)).Grant!.Lease.Id.ShouldBe(grant.Lease.Id);
        (await replica.Budgets.ReadAsync("orders", default))!.Record.Granted.ShouldBe(20);
    }

    [Fact]
    public async Task Records_of_a_broker_that_knew_of_no_servers_are_not_taken_for_those_of_the_server_that_the_database_moves_to()
    {
        await using var world = new World(OrdersApi, On("orders", "pg-1"), capacity: 57);
        world.Engine.Says = static host => host;
        await world.Ledger.Budgets.SampleAsync("orders", 37, 60, 3, 37, 0, TimeSpan.FromMinutes(1), default);
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 37)), Minute)).Grant.ShouldNotBeNull();
        replica.Ledger.AddressOf("orders").ShouldBe("orders");
        world.Catalog.Current = new(
            new Dictionary<string, Database> { ["orders"] = On("orders", "pg-2") },
            world.Catalog.Current.Issuers, world.Catalog.Current.Roles, world.Catalog.Current.Identity);
        await world.PassAsync(() => replica.Ledger.AddressOf("orders") != "orders", 3 * Minute);
        (await world.PassAsync(replica.AskAsync(World.Ask(2, 37)), 2 * Minute)).Grant!.Connections.ShouldBe(37, "nobody holds anything there");
    }
}
