using Broker.Core.Databases;
using Broker.Core.Databases.MySql;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>
/// Law L13 on the MySQL that BROKER_TEST_MYSQL names, or in a container: it drops no user that is the definer of a stored object, unless the
/// administrator may leave it without one (https://dev.mysql.com/doc/refman/8.4/en/drop-user.html).
/// </summary>
public sealed class NothingGivenGrowsOnMySqlTests(SharedServers servers) : IAsyncLifetime
{
    private readonly MySqlEngine engine = new(TimeProvider.System);
    private MySqlFixture? bench;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private MySqlFixture Bench => bench!;

    public async ValueTask InitializeAsync()
    {
        var server = await MySqlServer.NamedAsync(servers);
        Assert.SkipWhen(server is null, $"No Docker engine answers and {MySqlServer.Variable} names no MySQL server (Server=…;Port=3306;User ID=root;Password=…).");
        bench = await MySqlFixture.StartAsync(server, Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        await engine.DisposeAsync();
        if (bench is not null) await bench.DisposeAsync();
    }

    [Theory]
    [InlineData("CREATE PROCEDURE p() SQL SECURITY INVOKER SELECT CURRENT_USER()", "procedure", "p", "PROCEDURE p")]
    [InlineData("CREATE SQL SECURITY INVOKER VIEW v AS SELECT CURRENT_USER() AS who", "view", "v", "VIEW v")]
    public async Task L13_A_definer_of_what_runs_with_its_callers_rights_is_locked_out_and_shown_until_it_defines_nothing(string make, string kind, string name, string mend)
    {
        var admin = await Bench.CreateLoginAsync("admin", "", Cancellation);
        await Bench.DoAsync(
            $"GRANT CREATE USER, PROCESS, CONNECTION_ADMIN ON *.* TO '{admin.Username}'@'%'; GRANT SELECT ON mysql.user TO '{admin.Username}'@'%'; "
            + $"GRANT ALL ON {Bench.Name}.* TO '{admin.Username}'@'%' WITH GRANT OPTION",
            Cancellation);
        var database = Bench.AdministeredBy(admin);
        var user = await Bench.CreateLoginAsync("user", "", Cancellation);
        var session = await Bench.OpenAsync(user, Cancellation);
        await MySqlFixture.DoAsync(session, make, Cancellation);

        var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.DropUserAsync(database, user.Username, [], null, Cancellation));

        refusal.Failure.ShouldBe(DatabaseFailure.StillOwns);
        refusal.Message.ShouldContain($"{kind} {Bench.Name}.{name}");
        (await MySqlFixture.AnswersAsync(session, Cancellation)).ShouldBeFalse();
        (await engine.FindUsersAsync(database, user.Username, Cancellation)).ShouldHaveSingleItem().Owned.ShouldBe($"{kind} {Bench.Name}.{name}");
        await Bench.DoAsync($"USE {Bench.Name}; DROP {mend}", Cancellation);
        await engine.DropUserAsync(database, user.Username, [], null, Cancellation);
        (await engine.FindUsersAsync(database, user.Username, Cancellation)).ShouldBeEmpty();
    }
}
