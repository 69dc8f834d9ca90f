using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>A pooler that reads its users from a file: it knows each user before any pod is told of it, and as long as a pod may use it.</summary>
public sealed class PoolerUserListTests : IDisposable
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    private readonly DirectoryInfo directory = Directory.CreateTempSubdirectory("broker-userlist-");

    public PoolerUserListTests() => File.WriteAllText(List, "\"console\" \"geheim\"\n");

    private string List => Path.Combine(directory.FullName, "userlist.txt");

    private Database Pooled => World.Orders with
    {
        Pooler = new() { Kind = PoolerKind.PgBouncer, Host = "pooler", PoolSize = 20, ConsoleConnectionString = new("Host=pooler"), UserList = List },
    };

    private string Written => File.ReadAllText(List);

    public void Dispose() => directory.Delete(recursive: true);

    [Fact]
    public async Task Nobody_is_told_of_a_user_before_the_pooler_lets_it_in()
    {
        await using var world = new World(World.OrdersApi, Pooled);
        var knows = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        string? seen = null;
        world.Engine.OnPooler = _ =>
        {
            seen = Written;
            return knows.Task;
        };
        var tried = false;
        world.Engine.OnLogin = () =>
        {
            tried = true;
            return Task.CompletedTask;
        };
        var replica = await world.ReplicaAsync();
        var asked = replica.AskAsync(World.Ask(1, 5, wait: Minute));
        await world.PassAsync(() => seen is not null, Minute);
        await world.PassAsync(TimeSpan.FromSeconds(5));

        var lease = (await world.LeasesAsync()).ShouldHaveSingleItem();
        (lease.State, asked.IsCompleted, tried).ShouldBe((LeaseState.Issuing, false, false));
        seen.ShouldBe($"\"console\" \"geheim\"\n; Below this line the broker keeps the users of its leases.\n\"{lease.Username}\" \"SCRAM-SHA-256$4096:{lease.Username}\"\n");
        knows.SetResult();
        (await world.PassAsync(asked, Minute)).Grant.ShouldNotBeNull();
        tried.ShouldBeTrue("through the pooler");
    }

    [Fact]
    public async Task A_pooler_that_does_not_let_it_in_and_a_list_that_cannot_be_kept_are_told_and_the_user_is_dropped()
    {
        await using var world = new World(World.OrdersApi, Pooled);
        world.Engine.OnPooler = login => throw new DatabaseException(DatabaseFailure.LoginRefused, $"the pooler does not let in '{login.Username}'");
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 5)), Minute)).Refusal.ShouldNotBeNull().Detail.ShouldContain("the pooler does not let in");
        await world.PassAsync(() => world.Issuer.Users.IsEmpty, Minute);

        world.Engine.OnPooler = null;
        File.Move(List, List + ".away");
        await world.PassAsync(Minute);
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 5)), Minute)).Refusal.ShouldNotBeNull().Detail.ShouldContain("cannot be written");
        await world.PassAsync(() => world.Issuer.Users.IsEmpty, Minute);

        File.Move(List + ".away", List);
        await world.PassAsync(Minute);
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(1, 5)), Minute)).Grant.ShouldNotBeNull();
        Written.ShouldContain(grant.Credentials.Login.Username);
    }

    [Fact]
    public async Task L5_A_user_that_was_listed_by_a_replica_that_died_is_dropped_and_taken_out_by_another()
    {
        await using var world = new World(World.OrdersApi, Pooled);
        var replica = await world.ReplicaAsync();
        var other = await world.ReplicaAsync();
        world.Engine.OnPooler = _ =>
        {
            world.Engine.OnPooler = null;
            replica.Link.Cut();
            return Task.CompletedTask;
        };
        _ = replica.AskAsync(World.Ask(1));
        await world.PassAsync(() => replica.Link.IsCut, Minute);
        var lost = world.Issuer.Users.Keys.ShouldHaveSingleItem();
        Written.ShouldContain(lost);

        var grant = (await world.PassAsync(other.AskAsync(World.Ask(2, wait: Minute)), 2 * Minute)).Grant.ShouldNotBeNull();
        await world.PassAsync(() => !world.Issuer.Users.ContainsKey(lost), 2 * Minute);
        world.Clock.Advance(TimeSpan.FromSeconds(20));
        await other.PoolerUsers.KeepAsync(Pooled, default);
        Written.ShouldNotContain(lost);
        Written.ShouldContain(grant.Credentials.Login.Username);
    }

    [Fact]
    public async Task Users_of_active_and_retiring_leases_stand_in_it_and_those_that_are_gone_do_not()
    {
        await using var world = new World(World.OrdersApi, Pooled);
        var replica = await world.ReplicaAsync();
        var first = (await world.PassAsync(replica.AskAsync(World.Ask(1, 5)), Minute)).Grant!;
        await world.PassAsync(replica.Leases.RotateAsync(World.Ask(1).Caller, "orders-api", "a leaked password", World.From, default).AsTask(), Minute);
        var second = await world.LeaseAsync(lease => lease.State == LeaseState.Active && lease.Username != first.Credentials.Login.Username, Minute);
        Written.ShouldContain(first.Credentials.Login.Username);
        Written.ShouldContain(second.Username);

        await world.PassAsync(replica.Holders.ReleaseAsync(World.Ask(1).Caller, first.Holder.Id, World.From, default).AsTask(), Minute);
        await world.LeaseAsync(lease => lease.State == LeaseState.Revoked, TimeSpan.FromHours(1));
        world.Clock.Advance(TimeSpan.FromSeconds(20));
        await replica.PoolerUsers.KeepAsync(Pooled, default);
        Written.ShouldNotContain(first.Credentials.Login.Username);

        // What is written is read; and again as long as a process does not answer, which may come back with the list of before.
        var before = world.Engine.Reloads;
        await replica.PoolerUsers.KeepAsync(Pooled, default);
        world.Engine.Reloads.ShouldBe(before);
        world.Engine.PoolerAnswers = false;
        await File.WriteAllTextAsync(List, "\"console\" \"geheim\"\n");
        for (var i = 1; i <= 2; i++)
        {
            await replica.PoolerUsers.KeepAsync(Pooled, default);
            world.Engine.Reloads.ShouldBe(before + i);
        }

        world.Engine.PoolerAnswers = true;
        for (var i = 0; i < 2; i++) await replica.PoolerUsers.KeepAsync(Pooled, default);
        world.Engine.Reloads.ShouldBe(before + 3);
    }

    [Fact]
    public async Task A_ledger_that_forgot_its_leases_takes_nobody_out_who_is_on_the_server()
    {
        await using var world = new World(World.OrdersApi, Pooled);
        var replica = await world.ReplicaAsync();
        var user = (await world.PassAsync(replica.AskAsync(World.Ask(1, 5)), Minute)).Grant!.Credentials.Login.Username;
        world.Engine.Found[user] = new(user, null, 0);
        world.Flush();
        await replica.PoolerUsers.KeepAsync(Pooled, default);
        Written.ShouldContain(user);
    }

    [Fact]
    public async Task Another_replica_writes_what_is_missing_and_one_login_that_does_not_work_keeps_out_no_other()
    {
        await using var world = new World(World.OrdersApi with { Sharing = SharingScope.Holder }, Pooled);
        var replica = await world.ReplicaAsync();
        var first = (await world.PassAsync(replica.AskAsync(World.Ask(1, 5)), Minute)).Grant!.Credentials.Login.Username;
        var second = (await world.PassAsync(replica.AskAsync(World.Ask(2, 5)), Minute)).Grant!.Credentials.Login.Username;

        // Somebody puts the file there as it was at first; the other replica has never seen the logins.
        var other = await world.ReplicaAsync();
        await File.WriteAllTextAsync(List, "\"console\" \"another\"\n");
        world.Engine.RefusedUser = first;
        await other.PoolerUsers.KeepAsync(Pooled, default);
        Written.ShouldStartWith("\"console\" \"another\"\n");
        Written.ShouldContain(second);
        Written.ShouldNotContain(first);
        world.Engine.RefusedUser = null;
        world.Clock.Advance(TimeSpan.FromSeconds(20));
        await other.PoolerUsers.KeepAsync(Pooled, default);
        Written.ShouldContain(first);
    }
}
