using Broker.Core.Databases;
using Broker.Core.Databases.MySql;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>
/// Law L13 on a real MariaDB, where nothing has an owner, but routines, views, triggers and events run with the rights of who defined
/// them.
/// </summary>
public sealed class NothingGivenGrowsOnMariaDbTests(SharedServers servers) : IAsyncLifetime
{
    private readonly MySqlEngine engine = new(TimeProvider.System);
    private MySqlFixture bench = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => bench = await MySqlFixture.StartAsync(MySqlServer.Of(await servers.MariaDbAsync()), Cancellation);

    public async ValueTask DisposeAsync()
    {
        await engine.DisposeAsync();
        await bench.DisposeAsync();
    }

    [Theory]
    [InlineData("CREATE PROCEDURE p() SELECT CURRENT_USER()", "procedure", "p", "PROCEDURE p")]
    [InlineData("CREATE FUNCTION f() RETURNS TEXT DETERMINISTIC RETURN CURRENT_USER()", "function", "f", "FUNCTION f")]
    [InlineData("CREATE VIEW v AS SELECT CURRENT_USER() AS who", "view", "v", "VIEW v")]
    [InlineData("CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW SET NEW.who = CURRENT_USER()", "trigger", "t", "TRIGGER t")]
    [InlineData("CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM orders", "event", "e", "EVENT e")]
    public async Task L13_A_user_with_whose_rights_something_runs_is_locked_out_and_shown(string make, string kind, string name, string mend)
    {
        var database = bench.AdministeredBy(await AdministratorAsync());
        var user = await CreateAsync(database);
        var session = await bench.OpenAsync(user, Cancellation);
        await MySqlFixture.DoAsync(session, make, Cancellation);

        var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.DropUserAsync(database, user.Username, [], null, Cancellation));

        refusal.Failure.ShouldBe(DatabaseFailure.StillOwns);
        refusal.Message.ShouldContain($"{kind} {bench.Name}.{name}");
        (await MySqlFixture.AnswersAsync(session, Cancellation)).ShouldBeFalse();
        (await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(database, user, Cancellation))).Failure.ShouldBe(DatabaseFailure.LoginRefused);
        var left = (await engine.FindUsersAsync(database, user.Username, Cancellation)).ShouldHaveSingleItem();
        (left.OwnedObjects, left.Owned).ShouldBe((1, $"{kind} {bench.Name}.{name}"));

        await bench.DoAsync($"USE {bench.Name}; DROP {mend}", Cancellation);
        await engine.DropUserAsync(database, user.Username, [], null, Cancellation);
        (await engine.FindUsersAsync(database, user.Username, Cancellation)).ShouldBeEmpty();
    }

    [Fact]
    public async Task L13_What_runs_with_the_rights_of_its_caller_holds_up_nothing_and_gives_nothing()
    {
        var database = bench.AdministeredBy(await AdministratorAsync());
        var user = await CreateAsync(database);
        await MySqlFixture.DoAsync(
            await bench.OpenAsync(user, Cancellation),
            "CREATE PROCEDURE p() SQL SECURITY INVOKER SELECT CURRENT_USER(); CREATE SQL SECURITY INVOKER VIEW v AS SELECT 1 AS x; CREATE TABLE made (x int)",
            Cancellation);

        await engine.DropUserAsync(database, user.Username, [], null, Cancellation);

        (await bench.AskAsync<string>($"CALL {bench.Name}.p()", Cancellation)).ShouldNotBeNull().ShouldNotStartWith(user.Username);
    }

    [Fact]
    public async Task L13_A_roles_own_statements_drop_no_user_with_whose_rights_something_runs_either()
    {
        var database = bench.AdministeredBy(await AdministratorAsync());
        var user = await CreateAsync(database);
        await MySqlFixture.DoAsync(await bench.OpenAsync(user, Cancellation), "CREATE PROCEDURE p() SELECT CURRENT_USER()", Cancellation);

        var refusal = await Should.ThrowAsync<DatabaseException>(
            () => engine.DropUserAsync(database, user.Username, [$"DROP USER '{user.Username}'@'%'"], null, Cancellation));

        refusal.Failure.ShouldBe(DatabaseFailure.StillOwns);
        refusal.Message.ShouldContain($"procedure {bench.Name}.p");
        (await engine.FindUsersAsync(database, user.Username, Cancellation)).ShouldHaveSingleItem();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L13_What_a_user_defines_while_or_after_it_is_dropped_is_shown(bool after)
    {
        var database = bench.AdministeredBy(await AdministratorAsync());
        var user = await CreateAsync(database);
        var session = await bench.OpenAsync(user, Cancellation);
        string[] statements = [$"DO GET_LOCK('{bench.Name}', 10)", $"DROP USER '{user.Username}'@'%'"];

        if (after)
        {
            await engine.DropUserAsync(database, user.Username, [], null, Cancellation);
            await MySqlFixture.DoAsync(session, "CREATE VIEW v AS SELECT CURRENT_USER() AS who", Cancellation);
            statements = [];
        }

        var holder = await bench.OpenAsync(null, Cancellation);
        await MySqlFixture.DoAsync(holder, $"DO GET_LOCK('{bench.Name}', 10)", Cancellation);
        var drop = engine.DropUserAsync(database, user.Username, statements, null, Cancellation);
        if (!after)
        {
            await Eventually.HoldsAsync(
                async () => await bench.AskAsync<long>($"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'User lock' AND INFO LIKE '%{bench.Name}%'", Cancellation) > 0,
                "the broker waits in the role's statements", Cancellation);
            await MySqlFixture.DoAsync(session, "CREATE VIEW v AS SELECT CURRENT_USER() AS who", Cancellation);
        }

        await MySqlFixture.DoAsync(holder, $"DO RELEASE_LOCK('{bench.Name}')", Cancellation);
        var refusal = await Should.ThrowAsync<DatabaseException>(() => drop);

        refusal.Failure.ShouldBe(DatabaseFailure.StillOwns);
        refusal.Message.ShouldContain($"view {bench.Name}.v");
        await bench.DoAsync($"DROP VIEW {bench.Name}.v", Cancellation);
        await engine.DropUserAsync(database, user.Username, [], null, Cancellation);
    }

    [Fact]
    public async Task L13_A_user_whose_name_holds_anothers_is_not_taken_for_it()
    {
        var database = bench.AdministeredBy(await AdministratorAsync());
        var user = await CreateAsync(database);
        var other = await CreateAsync(database, "@x");
        await MySqlFixture.DoAsync(await bench.OpenAsync(other, Cancellation), "CREATE PROCEDURE p() SELECT 1", Cancellation);

        await engine.DropUserAsync(database, user.Username, [], null, Cancellation);

        (await Should.ThrowAsync<DatabaseException>(() => engine.DropUserAsync(database, other.Username, [], null, Cancellation))).Failure.ShouldBe(DatabaseFailure.StillOwns);
    }

    /// <summary>MySQL refuses to drop the definer of any stored object with this number: ER_CANNOT_USER_REFERENCED_AS_DEFINER.</summary>
    [Fact]
    public async Task L13_A_definer_that_the_server_does_not_drop_is_locked_out_and_shown()
    {
        var database = bench.AdministeredBy(await AdministratorAsync());
        var user = await CreateAsync(database);
        var session = await bench.OpenAsync(user, Cancellation);
        await MySqlFixture.DoAsync(session, "CREATE PROCEDURE p() SQL SECURITY INVOKER SELECT CURRENT_USER()", Cancellation);

        var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.DropUserAsync(
            database, user.Username, ["SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 4006, MESSAGE_TEXT = 'Operation DROP USER failed as it is referenced as a definer account in a stored routine.'"], null, Cancellation));

        refusal.Failure.ShouldBe(DatabaseFailure.StillOwns);
        refusal.Message.ShouldSatisfyAllConditions(
            text => text.ShouldContain($"procedure {bench.Name}.p"),
            text => text.ShouldContain("referenced as a definer"),
            text => text.ShouldContain("another DEFINER"),
            text => text.ShouldContain("ALLOW_NONEXISTENT_DEFINER"));
        (await MySqlFixture.AnswersAsync(session, Cancellation)).ShouldBeFalse();
        (await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(database, user, Cancellation))).Failure.ShouldBe(DatabaseFailure.LoginRefused);
        await engine.DropUserAsync(database, user.Username, [], null, Cancellation);
        (await engine.FindUsersAsync(database, user.Username, Cancellation)).ShouldBeEmpty();
    }

    [Fact]
    public async Task Shutting_out_ends_the_sessions_also_where_the_account_may_not_be_locked()
    {
        var user = await bench.CreateLoginAsync("user", "", Cancellation);
        var admin = await bench.CreateLoginAsync("admin", "", Cancellation);
        await bench.DoAsync($"GRANT PROCESS, CONNECTION ADMIN ON *.* TO '{admin.Username}'@'%'; GRANT SELECT ON mysql.user TO '{admin.Username}'@'%'", Cancellation);
        var database = bench.AdministeredBy(admin);
        var stolen = await bench.OpenAsync(user, Cancellation);
        (await engine.CountSessionsAsync(database, user.Username, Cancellation)).ShouldBe(1);

        (await Should.ThrowAsync<DatabaseException>(() => engine.ShutOutAsync(database, user.Username, Cancellation))).Message.ShouldContain("can still log in");

        (await MySqlFixture.AnswersAsync(stolen, Cancellation)).ShouldBeFalse();
        (await engine.CountSessionsAsync(database, user.Username, Cancellation)).ShouldBe(0);
    }

    [Fact]
    public async Task Sessions_of_a_dropped_user_are_counted_and_can_still_be_ended()
    {
        var user = await bench.CreateLoginAsync("user", "", Cancellation);
        var session = await bench.OpenAsync(user, Cancellation);
        await engine.DropUserAsync(bench.Database, user.Username, [], null, Cancellation);

        (await engine.CountSessionsAsync(bench.Database, user.Username, Cancellation)).ShouldBe(1);
        await engine.ShutOutAsync(bench.Database, user.Username, Cancellation);

        (await MySqlFixture.AnswersAsync(session, Cancellation)).ShouldBeFalse();
        (await engine.CountSessionsAsync(bench.Database, user.Username, Cancellation)).ShouldBe(0);
    }

    [Fact]
    public async Task Sessions_that_the_administrator_may_not_see_are_not_taken_for_ended()
    {
        var user = await bench.CreateLoginAsync("user", "", Cancellation);
        var blind = await bench.CreateLoginAsync("blind", "", Cancellation);
        await bench.DoAsync($"GRANT CREATE USER, CONNECTION ADMIN ON *.* TO '{blind.Username}'@'%'; GRANT SELECT ON mysql.user TO '{blind.Username}'@'%'", Cancellation);
        var database = bench.AdministeredBy(blind);
        await bench.OpenAsync(user, Cancellation);

        (await Should.ThrowAsync<DatabaseException>(() => engine.CountSessionsAsync(database, user.Username, Cancellation))).Message.ShouldContain("GRANT PROCESS");
        (await Should.ThrowAsync<DatabaseException>(() => engine.ShutOutAsync(database, user.Username, Cancellation))).Message.ShouldContain("GRANT PROCESS");
        (await engine.CountSessionsAsync(bench.Database, user.Username, Cancellation)).ShouldBe(1);
    }

    // The rights that the documents name: it sees what it lets its users make.
    private async Task<Login> AdministratorAsync()
    {
        var admin = await bench.CreateLoginAsync("admin", "", Cancellation);
        await bench.DoAsync(
            $"GRANT CREATE USER, PROCESS, CONNECTION ADMIN ON *.* TO '{admin.Username}'@'%'; GRANT SELECT ON mysql.user TO '{admin.Username}'@'%'; "
            + $"GRANT ALL ON {bench.Name}.* TO '{admin.Username}'@'%' WITH GRANT OPTION; CREATE TABLE IF NOT EXISTS {bench.Name}.orders (who TEXT)",
            Cancellation);
        return admin;
    }

    private async Task<Login> CreateAsync(Core.Catalog.Database database, string suffix = "")
    {
        var user = new Login($"{bench.Name}-user{suffix}", new($"pw{Guid.NewGuid():N}"));
        await engine.CreateUserAsync(
            database, user, [$"CREATE USER '{user.Username}'@'%' IDENTIFIED BY '{user.Password.Reveal()}'", $"GRANT ALL ON {bench.Name}.* TO '{user.Username}'@'%'"], null, Cancellation);
        return user;
    }
}
