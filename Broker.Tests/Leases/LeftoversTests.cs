using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Identity;
using Broker.Core.Issuing;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>Which users of a database are taken for leftovers, and what becomes of them.</summary>
public sealed class LeftoversTests
{
    private const string OfWorkers = "v-token-payments-8eif1vKwW3ha0Jq8IyhI-1893456000";

    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task L5_The_user_of_a_lease_is_none()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        world.Issuer.Names = "b-orders-api-";
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        var dead = world.Clock.GetUtcNow().AddDays(-1);
        world.Engine.Found[grant.Credentials.Login.Username] = new(grant.Credentials.Login.Username, dead, 0);

        (await LookAsync(world, World.OrdersApi)).ShouldBeEmpty();
        world.Engine.Found.ShouldHaveSingleItem("and it is not dropped, whatever the database says of it");
    }

    [Fact]
    public async Task L5_What_Vault_makes_while_it_is_asked_is_none_of_any_role_that_it_looks_like()
    {
        var worker = World.OrdersApi with { VaultPath = "database/creds/payments-worker" };
        var other = worker with { Name = "a-first", VaultPath = "database/creds/payments-api" };
        await using var world = new World(worker);
        world.Issuer.ChoosesNames = true;
        var answered = new TaskCompletionSource();
        world.Issuer.After = () => answered.Task;
        var replica = await world.ReplicaAsync();
        var asking = replica.AskAsync(World.Ask(0));
        await world.PassAsync(() => world.Issuer.Made == 1, Minute);
        world.Engine.Found[OfWorkers] = new(OfWorkers, null, 0);

        (await LookAsync(world, other, worker)).ShouldBeEmpty();

        answered.SetResult();
        await world.PassAsync(asking, Minute);
        (await LookAsync(world, other, worker)).ShouldHaveSingleItem().ShouldBe((OfWorkers, "a-first"), "the double's own name is another");
    }

    [Fact]
    public async Task L5_What_Vault_made_when_its_answer_was_lost_is_one()
    {
        var role = World.OrdersApi with { VaultPath = "database/creds/payments-worker" };
        await using var world = new World(role);
        world.Issuer.ChoosesNames = true;
        world.Issuer.AfterIssue = new(IssuerFailure.AnswerLost, "the connection broke");
        var replica = await world.ReplicaAsync();
        await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        world.Engine.Found[OfWorkers] = new(OfWorkers, null, 0);
        (await LookAsync(world, role)).ShouldHaveSingleItem().ShouldBe((OfWorkers, "orders-api"));
    }

    [Fact]
    public async Task A_user_that_is_found_by_two_roles_prefixes_is_listed_once_for_the_role_whose_it_is()
    {
        await using var world = new World();
        var user = "b-orders-api-abcdefghijklmnop";
        world.Engine.Found[user] = new(user, null, 0);
        (await LookAsync(world, World.OrdersApi with { Name = "orders" }, World.OrdersApi)).ShouldHaveSingleItem().ShouldBe((user, "orders-api"));
    }

    [Fact]
    public async Task L5_Only_a_leftover_that_could_long_log_in_no_more_and_has_no_session_is_dropped_unasked()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull("the ledger's time is read with its leases");
        var now = world.Clock.GetUtcNow();
        string Leave(char letter, DateTimeOffset? until, int open)
        {
            var name = "b-orders-api-" + new string(letter, 16);
            world.Engine.Found[name] = new(name, until, open);
            return name;
        }

        Leave('a', now.AddHours(-2), 0);
        string[] others = [Leave('b', now.AddHours(-2), 1), Leave('c', now.AddMinutes(-30), 0), Leave('d', now.AddHours(1), 0), Leave('e', null, 0)];

        await world.PassAsync(() => replica.Leftovers.ListAsync("orders", default).AsTask().GetAwaiter().GetResult().Count > 0, TimeSpan.FromMinutes(4));
        (await replica.Leftovers.ListAsync("orders", default)).Select(left => left.Username).ShouldBe(others, ignoreOrder: true);
        world.Engine.Found.Keys.ShouldBe(others, ignoreOrder: true);
    }

    [Fact]
    public async Task L5_Users_that_no_lease_knows_are_shown_and_an_operator_can_drop_them()
    {
        // They come from elsewhere while nobody holds anything here.
        await using var world = new World(database: World.Orders with { Budget = World.Orders.Budget with { PauseAfter = TimeSpan.FromDays(1) } });
        var replica = await world.ReplicaAsync();
        var ours = "b-orders-api-abcdefghijklmnop";
        world.Engine.Found[ours] = new(ours, world.Clock.GetUtcNow().AddHours(1), 2, 7);
        world.Engine.Found["b-orders-api-x"] = new("b-orders-api-x", null, 0);
        await world.PassAsync(() => replica.Leftovers.ListAsync(null, default).AsTask().GetAwaiter().GetResult().Count == 1, TimeSpan.FromMinutes(4));
        var left = (await replica.Leftovers.ListAsync("orders", default)).ShouldHaveSingleItem();
        (left.Username, left.Role, left.OpenConnections, left.OwnedObjects).ShouldBe((ours, "orders-api", 2, 7));

        (await replica.Leftovers.DropAsync(World.Ask(0).Caller, "orders", "b-orders-api-x", "a test", World.From, default))!.Code.ShouldBe(RefusalCode.LeaseUnknown);
        (await replica.Leftovers.DropAsync(World.Ask(0).Caller, "orders", ours, "a test", World.From, default)).ShouldBeNull();
        world.Engine.Found.ShouldNotContainKey(ours);
        world.Engine.ShutOut.ShouldContain(ours);
        (await replica.Leftovers.ListAsync(null, default)).ShouldBeEmpty();
        world.Engine.Found.Count.ShouldBe(1);
    }

    private static async Task<IEnumerable<(string Username, string Role)>> LookAsync(World world, params Role[] roles)
    {
        var catalog = new CatalogSnapshot(
            new Dictionary<string, Database> { ["orders"] = World.Orders },
            new Dictionary<string, IssuerDefinition>(),
            roles.ToDictionary(role => role.Name),
            new IdentitySettings(new Dictionary<string, IdentityIssuer>(), [], []));
        var leftovers = new Leftovers(world.Ledger, new DatabaseEngines(_ => world.Engine), NullLogger<Leftovers>.Instance);
        await leftovers.LookAsync(catalog, World.Orders, default);
        return (await leftovers.ListAsync("orders", default)).Select(left => (left.Username, left.Role));
    }
}
