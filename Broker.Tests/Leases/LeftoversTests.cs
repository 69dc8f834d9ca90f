using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Identity;
using Broker.Core.Issuing;
using Broker.Core.Issuing.BuiltIn;
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
    public async Task L5_The_user_of_a_lease_is_not_a_leftover()
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
        await using var world = new World(World.OrdersApi with { OwnerRole = "orders_owner" }, World.Orders with { Budget = World.Orders.Budget with { PauseAfter = TimeSpan.FromDays(1) } });
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
        world.Engine.OwnerRoles.ShouldHaveSingleItem().ShouldBe("orders_owner", "what it owned goes there and to nobody else (L13)");
        (await replica.Leftovers.ListAsync(null, default)).ShouldBeEmpty();
        world.Engine.Found.Count.ShouldBe(1);
    }

    [Fact]
    public async Task L4_Nobody_drops_a_leftover_while_replicas_tell()
    {
        await using var world = new World();
        world.Issuer.Names = "b-orders-api-";
        var replica = await world.ReplicaAsync();
        var copy = world.Store.Copy();
        var user = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!.Credentials.Login.Username;
        world.Engine.Found[user] = new(user, null, 1);

        world.Store.PutBack(copy);
        (await replica.Leftovers.DropAsync(World.Ask(0).Caller, "orders", user, "a mistake", World.From, default)).ShouldNotBeNull().Code.ShouldBe(RefusalCode.LedgerUnavailable);

        world.Engine.Found.ShouldContainKey(user, "pod 0 holds it");
        world.Engine.ShutOut.ShouldBeEmpty();
        await world.PassAsync(TimeSpan.FromSeconds(10));
        (await replica.Leftovers.DropAsync(World.Ask(0).Caller, "orders", user, "a mistake", World.From, default)).ShouldNotBeNull().Code.ShouldBe(RefusalCode.LeaseUnknown, "a lease knows it");
    }

    [Fact]
    public async Task A_leftover_that_is_dropped_is_said_to_be_gone_though_the_ledger_loses_something_meanwhile()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var copy = world.Store.Copy();
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull();
        var ours = "b-orders-api-abcdefghijklmnop";
        world.Engine.Found[ours] = new(ours, world.Clock.GetUtcNow().AddHours(1), 0);
        var lost = false;
        replica.Link.OnTheWayBack = _ =>
        {
            if (!lost && !world.Engine.Found.ContainsKey(ours))
            {
                lost = true;
                world.Store.PutBack(copy);
            }

            return Task.CompletedTask;
        };

        (await replica.Leftovers.DropAsync(World.Ask(0).Caller, "orders", ours, "a test", World.From, default)).ShouldBeNull();

        lost.ShouldBeTrue();
        await world.PassAsync(() => replica.Leftovers.ListAsync(null, default).AsTask().GetAwaiter().GetResult().Count == 0, TimeSpan.FromMinutes(10));
    }

    [Theory]
    [InlineData("postgres")]
    [InlineData("b-orders-api-x")]
    public async Task L14_A_user_that_looks_like_no_roles_is_dropped_by_no_operator_whatever_the_ledger_lists(string victim)
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        world.Engine.Found[victim] = new(victim, null, 0);

        // Somebody adds it as soon as the broker has written down what it found itself.
        replica.Link.OnTheWayBack = async decision =>
        {
            if (decision.Name == "replace_leftovers")
                await world.Ledger.Leftovers.ReplaceLeftoversAsync("orders", [(victim, """{"Role":"orders-api","ValidUntil":null,"OpenConnections":0,"OwnedObjects":0}""")], default);
        };
        (await replica.Leftovers.DropAsync(World.Ask(0).Caller, "orders", victim, "a test", World.From, default)).ShouldNotBeNull().Code.ShouldBe(RefusalCode.LeaseUnknown);

        (await replica.Leftovers.ListAsync("orders", default)).ShouldHaveSingleItem("it was listed");
        (world.Engine.Found.ContainsKey(victim), world.Engine.ShutOut.IsEmpty).ShouldBe((true, true));
    }

    [Fact]
    public async Task L5_A_user_that_bears_another_brokers_mark_is_no_leftover_and_nobody_drops_it_until_that_mark_is_taken_over()
    {
        await using var world = new World(database: World.Orders with { Budget = World.Orders.Budget with { PauseAfter = TimeSpan.FromDays(1) } });
        var replica = await world.ReplicaAsync();
        var own = await replica.Ledger.Marks.OfNewUsersAsync(default);
        var (ours, others) = (UserNames.Marked("b-orders-api-abcdefghijklmnop", own), UserNames.Marked("b-orders-api-abcdefghijklmnop", "aaaa"));
        foreach (var user in new[] { ours, others }) world.Engine.Found[user] = new(user, world.Clock.GetUtcNow().AddHours(1), 2);
        await world.PassAsync(() => replica.Leftovers.ListAsync(null, default).AsTask().GetAwaiter().GetResult().Count > 0, TimeSpan.FromMinutes(4));
        (await replica.Leftovers.ListAsync(null, default)).ShouldHaveSingleItem().Username.ShouldBe(ours);

        var refusal = (await replica.Leftovers.DropAsync(World.Ask(0).Caller, "orders", others, "a mistake", World.From, default)).ShouldNotBeNull();
        (refusal.Code, refusal.Detail.Contains("'aaaa'", StringComparison.Ordinal)).ShouldBe((RefusalCode.LeaseUnknown, true));
        world.Engine.Found.ShouldContainKey(others);
        world.Engine.ShutOut.ShouldBeEmpty();
        (await replica.Leftovers.DropAsync(World.Ask(0).Caller, "orders", ours, "a test", World.From, default)).ShouldBeNull();
        world.Engine.Found.Keys.ShouldBe([others]);
    }

    [Fact]
    public async Task L5_What_can_log_in_no_more_is_dropped_whoever_made_it()
    {
        await using var world = new World(World.OrdersApi with { OwnerRole = "orders_owner" });
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant.ShouldNotBeNull("the ledger's time is read with its leases");
        var others = UserNames.Marked("b-orders-api-abcdefghijklmnop", "aaaa");
        world.Engine.Found[others] = new(others, world.Clock.GetUtcNow().AddHours(-2), 0);
        await world.PassAsync(() => world.Engine.Found.IsEmpty, TimeSpan.FromMinutes(4));
        world.Engine.OwnerRoles.ShouldHaveSingleItem().ShouldBe("orders_owner", "what it owned goes there and to nobody else (L13)");
    }

    [Theory]
    [InlineData(false, true, "Vault has 1 leases of 'database/creds/payments-worker' that this broker did not request")]
    [InlineData(false, false, "Vault does not list its leases of 'database/creds/payments-worker'")]
    [InlineData(true, false, null)]
    public async Task L5_A_user_that_Vault_made_is_dropped_only_when_nobody_else_can_be_using_it(bool exclusive, bool mayList, string? whyNot)
    {
        var role = World.OrdersApi with { Issuer = "vault", VaultPath = "database/creds/payments-worker", VaultPathExclusive = exclusive };
        await using var world = new World(role, World.Orders with { Budget = World.Orders.Budget with { PauseAfter = TimeSpan.FromDays(1) } });
        world.Issuer.ChoosesNames = true;
        var replica = await world.ReplicaAsync();
        world.Issuer.Users["of another"] = world.Clock.GetUtcNow();
        if (!mayList) world.Issuer.ListFailure = new(IssuerFailure.Refused, "permission denied");
        world.Engine.Found[OfWorkers] = new(OfWorkers, null, 1);

        var refusal = await replica.Leftovers.DropAsync(World.Ask(0).Caller, "orders", OfWorkers, "a test", World.From, default);
        if (whyNot is null) refusal.ShouldBeNull();
        else refusal.ShouldNotBeNull().Detail.ShouldContain(whyNot);
        world.Engine.Found.ContainsKey(OfWorkers).ShouldBe(whyNot is not null);

        world.Issuer.Users.Clear();
        world.Issuer.ListFailure = null;
        if (whyNot is not null) (await replica.Leftovers.DropAsync(World.Ask(0).Caller, "orders", OfWorkers, "a test", World.From, default)).ShouldBeNull("Vault's lease has ended, and its user is left");
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
