using System.Globalization;
using Broker.Core.Databases;
using Broker.Core.Databases.MySql;
using Broker.Core.Model;
using Broker.Tests.Databases;
using LoadTests.Servers.LocalServers;
using MySqlConnector;
using Shouldly;
using Xunit;

namespace Broker.Tests.Behaviour;

/// <summary>What MariaDB (and, where the names say nothing else, MySQL) does that the engine relies on, or works around.</summary>
public sealed class MariaDbBehaviourTests(SharedServers servers) : IAsyncLifetime
{
    private readonly MySqlEngine engine = new(TimeProvider.System);
    private MySqlFixture bench = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => bench = await MySqlFixture.StartAsync(MySqlServer.Of(await servers.MariaDbAsync()), Cancellation);

    public async ValueTask DisposeAsync()
    {
        foreach (var user in await engine.FindUsersAsync(bench.Database, bench.Name, CancellationToken.None))
            await engine.DropUserAsync(bench.Database, user.Username, [], null, CancellationToken.None);
        await engine.DisposeAsync();
        await bench.DisposeAsync();
    }

    [Fact]
    public async Task DROP_USER_leaves_open_sessions_working_under_their_old_name()
    {
        var login = await bench.CreateLoginAsync("user", "", Cancellation);
        var session = await bench.OpenAsync(login, Cancellation);

        await bench.DoAsync($"DROP USER '{login.Username}'@'%'", Cancellation);

        (await MySqlFixture.AnswersAsync(session, Cancellation)).ShouldBeTrue();
        (await engine.SampleAsync(bench.Database, Cancellation)).Users.ShouldContain(new UserConnections(login.Username, 1, 1));
        await engine.ShutOutAsync(bench.Database, login.Username, Cancellation);
        (await MySqlFixture.AnswersAsync(session, Cancellation)).ShouldBeFalse("the name is still known, and shutting it out ends them");
    }

    [Fact]
    public async Task ACCOUNT_LOCK_ends_new_logins_and_no_open_session()
    {
        var login = await bench.CreateLoginAsync("user", "", Cancellation);
        var session = await bench.OpenAsync(login, Cancellation);

        await bench.DoAsync($"ALTER USER '{login.Username}'@'%' ACCOUNT LOCK", Cancellation);

        var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(bench.Database, login, Cancellation));
        refusal.Failure.ShouldBe(DatabaseFailure.LoginRefused);
        refusal.Message.ShouldContain("locked");
        (await MySqlFixture.AnswersAsync(session, Cancellation)).ShouldBeTrue();
    }

    [Fact]
    public async Task Statements_on_accounts_commit_at_once_and_cannot_be_rolled_back()
    {
        var session = await bench.OpenAsync(null, Cancellation);

        await MySqlFixture.DoAsync(session, $"START TRANSACTION; CREATE USER '{bench.Name}-user'@'%'; ROLLBACK", Cancellation);

        (await engine.FindUsersAsync(bench.Database, bench.Name + "-user", Cancellation)).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task A_cap_counts_only_sessions_opened_while_there_is_one()
    {
        var login = await bench.CreateLoginAsync("user", "", Cancellation);
        await bench.OpenAsync(login, Cancellation);

        await engine.CapUserAsync(bench.Database, login.Username, 1, Cancellation);
        await bench.OpenAsync(login, Cancellation);

        (await Should.ThrowAsync<MySqlException>(() => bench.OpenAsync(login, Cancellation))).ErrorCode.ShouldBe(MySqlErrorCode.UserLimitReached);
    }

    [Fact]
    public async Task A_full_server_keeps_one_connection_for_administrators_and_an_extra_port_as_many_as_set()
    {
        var extraPort = LoopbackPort.Take();
        await using var server = await LocalMariaDb.StartAsync(
            new()
            {
                MaxConnections = 10,
                Settings = new Dictionary<string, string> { ["extra_port"] = extraPort.ToString(CultureInfo.InvariantCulture), ["extra_max_connections"] = "5" },
            },
            Cancellation);
        await using var small = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        var user = await small.CreateLoginAsync("user", "", Cancellation);
        await Eventually.HoldsAsync(async () => !await OpensAsync(small, user), "the server is full", Cancellation);

        var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(small.Database, user, Cancellation));
        refusal.Failure.ShouldBe(DatabaseFailure.OutOfConnections);
        refusal.Message.ShouldContain("1040");

        var sample = await engine.SampleAsync(small.Database, Cancellation);
        sample.Users.ShouldContain(new UserConnections(user.Username, 10, 10));
        await Should.ThrowAsync<MySqlException>(async () =>
        {
            // The engine's pooled connection is the one extra; there is no second.
            await small.OpenAsync(null, Cancellation);
            await small.OpenAsync(null, Cancellation);
        });
        var throughExtra = small.Database with
        {
            AdminConnectionString = new($"Server=127.0.0.1;Port={extraPort};{small.Database.AdminConnectionString.Reveal()}"),
        };
        (await engine.SampleAsync(throughExtra, Cancellation)).Limit.ShouldBe(10);
    }

    [Fact]
    public async Task A_user_runs_out_of_its_own_connections_in_two_ways()
    {
        await using var server = await LocalMariaDb.StartAsync(
            new() { MaxConnections = 30, Settings = new Dictionary<string, string> { ["max_user_connections"] = "2" } }, Cancellation);
        await using var small = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        var user = await small.CreateLoginAsync("user", "", Cancellation);
        await small.OpenAsync(user, Cancellation);
        await small.OpenAsync(user, Cancellation);

        async Task RunsOutAsync(string number)
        {
            var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(small.Database, user, Cancellation));
            (refusal.Failure, refusal.Message.Contains(number, StringComparison.Ordinal)).ShouldBe((DatabaseFailure.UserLimitReached, true), refusal.Message);
        }

        await RunsOutAsync("1203");
        await engine.CapUserAsync(small.Database, user.Username, 1, Cancellation);
        await RunsOutAsync("1226");
    }

    [Fact]
    public async Task Statements_on_accounts_wait_for_a_lock_and_end_as_unavailable_rather_than_wait_for_ever()
    {
        await using var server = await LocalMariaDb.StartAsync(new() { MaxConnections = 30 }, Cancellation);
        await using var own = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        var user = new Login(own.Name + "-user", new("secret"));
        var backup = await own.OpenAsync(null, Cancellation);
        await MySqlFixture.DoAsync(backup, "FLUSH TABLES WITH READ LOCK", Cancellation);

        // Plain MariaDB: the statement waits until the lock is given back.
        var create = engine.CreateUserAsync(own.Database, user, [$"CREATE USER '{user.Username}'@'%'"], null, Cancellation);
        await Eventually.HoldsAsync(
            () => own.AskAsync<bool>("SELECT EXISTS (SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for%' AND INFO LIKE 'CREATE USER%')", Cancellation),
            "the statement waits",
            Cancellation);
        await MySqlFixture.DoAsync(backup, "UNLOCK TABLES", Cancellation);
        await create;

        (await engine.FindUsersAsync(own.Database, user.Username, Cancellation)).ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Many_role_statements_at_once_all_succeed_through_the_engine()
    {
        var names = Enumerable.Range(0, 24).Select(number => string.Create(CultureInfo.InvariantCulture, $"{bench.Name}-{number}")).ToList();

        await Parallel.ForEachAsync(names, new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = Cancellation }, async (name, token) =>
            await engine.CreateUserAsync(
                bench.Database,
                new(name, new("secret")),
                [$"CREATE USER '{name}'@'%' IDENTIFIED BY 'secret'", $"GRANT SELECT, INSERT ON {bench.Name}.* TO '{name}'@'%'"], null,
                token));

        (await engine.FindUsersAsync(bench.Database, bench.Name + "-", Cancellation)).Count.ShouldBe(names.Count);
    }

    [Fact]
    public async Task A_login_by_ed25519_works_with_passwords_of_32_bytes_and_says_so_with_others()
    {
        await using var server = await LocalMariaDb.StartAsync(
            new() { MaxConnections = 30, Settings = new Dictionary<string, string> { ["plugin_load_add"] = "auth_ed25519" } }, Cancellation);
        await using var own = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        var user = new Login(own.Name + "-user", new("secret"));
        var issued = new Login(own.Name + "-issued", new(Guid.NewGuid().ToString("N")));
        foreach (var login in new[] { user, issued })
            await own.DoAsync(
                $"CREATE USER '{login.Username}'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('{login.Password.Reveal()}'); GRANT ALL ON {own.Name}.* TO '{login.Username}'@'%'",
                Cancellation);

        await engine.TryLoginAsync(own.Database, issued, Cancellation);
        (await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(own.Database, issued with { Password = new(new string('x', 32)) }, Cancellation)))
            .Failure.ShouldBe(DatabaseFailure.LoginRefused);
        var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(own.Database, user, Cancellation));

        refusal.Failure.ShouldBe(DatabaseFailure.LoginRefused);
        refusal.Message.ShouldContain("ed25519");
        refusal.Message.ShouldContain("32 bytes");
    }

    /// <summary>https://mariadb.com/kb/en/simple-password-check-plugin/; MySQL's validate_password asks for the same at MEDIUM.</summary>
    [Fact]
    public async Task A_server_that_checks_passwords_takes_each_of_the_brokers_own()
    {
        await using var server = await LocalMariaDb.StartAsync(
            new() { MaxConnections = 30, Settings = new Dictionary<string, string> { ["plugin_load_add"] = "simple_password_check" } }, Cancellation);
        await using var own = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);

        (await Should.ThrowAsync<MySqlException>(() => own.DoAsync($"CREATE USER '{own.Name}-weak'@'%' IDENTIFIED BY 'Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1'", Cancellation)))
            .ErrorCode.ShouldBe((MySqlErrorCode)1819, "without a special character");
        for (var draw = 0; draw < 40; draw++)
        {
            var user = new Login($"{own.Name}-{draw}", Passwords.New());
            await engine.CreateUserAsync(own.Database, user, [$"CREATE USER '{user.Username}'@'%' IDENTIFIED BY '{user.Password.Reveal()}'"], null, Cancellation);
        }
    }

    [Fact]
    public async Task Another_password_leaves_an_account_its_plugin_and_one_that_keeps_no_password_is_refused()
    {
        await using var server = await LocalMariaDb.StartAsync(
            new() { MaxConnections = 30, Settings = new Dictionary<string, string> { ["plugin_load_add"] = "auth_ed25519" } }, Cancellation);
        await using var own = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        async Task<Login> CreateAsync(string name, string identified)
        {
            var login = new Login($"{own.Name}-{name}", new(Guid.NewGuid().ToString("N")));
            await own.DoAsync($"CREATE USER '{login.Username}'@'%' {identified}; GRANT ALL ON {own.Name}.* TO '{login.Username}'@'%'", Cancellation);
            return login;
        }

        var (ed25519, native) = (await CreateAsync("ed", "IDENTIFIED VIA ed25519 USING PASSWORD('before') ACCOUNT LOCK"), await CreateAsync("native", "IDENTIFIED BY 'before'"));
        foreach (var login in new[] { ed25519, native })
        {
            var plugin = await own.AskAsync<string>($"SELECT plugin FROM mysql.user WHERE User = '{login.Username}'", Cancellation);
            await engine.SetPasswordAsync(own.Database, login, Cancellation);

            (await own.AskAsync<string>($"SELECT plugin FROM mysql.user WHERE User = '{login.Username}'", Cancellation)).ShouldBe(plugin);
            await engine.TryLoginAsync(own.Database, login, Cancellation);
        }

        var (several, none) = (await CreateAsync("several", "IDENTIFIED VIA ed25519 USING PASSWORD('before') OR mysql_native_password USING PASSWORD('before')"), await CreateAsync("none", "IDENTIFIED VIA unix_socket"));
        foreach (var (login, why) in new[] { (several, "several"), (none, "unix_socket") })
        {
            var before = await own.AskAsync<string>($"SELECT Priv FROM mysql.global_priv WHERE User = '{login.Username}'", Cancellation);
            var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.SetPasswordAsync(own.Database, login, Cancellation));

            refusal.Failure.ShouldBe(DatabaseFailure.StatementRefused);
            refusal.Message.ShouldContain(why);
            (await own.AskAsync<string>($"SELECT Priv FROM mysql.global_priv WHERE User = '{login.Username}'", Cancellation)).ShouldBe(before);
        }
    }

    // MariaDB has caching_sha2_password too from 11.4.9 on, and puts mysql_native_password in its place where it is not named.
    [Theory]
    [InlineData(true, "mysql_native_password", "IDENTIFIED BY 'p'")]
    [InlineData(true, "", "IDENTIFIED BY 'p'")]
    [InlineData(true, "ed25519", "IDENTIFIED VIA ed25519 USING PASSWORD('p')")]
    [InlineData(true, "parsec", null)]
    [InlineData(true, "caching_sha2_password", "IDENTIFIED VIA caching_sha2_password USING PASSWORD('p')")]
    [InlineData(true, "unix_socket", null)]
    [InlineData(false, "caching_sha2_password", "IDENTIFIED BY 'p'")]
    [InlineData(false, "sha256_password", "IDENTIFIED BY 'p'")]
    [InlineData(false, "ed25519", null)]
    public void A_clause_for_another_password_leaves_the_plugin(bool isMariaDb, string plugin, string? clause) => Core.Databases.MySql.Authentication.Clause(isMariaDb, plugin, "p").ShouldBe(clause);

    [Fact]
    public async Task Another_password_keeps_the_plugin_for_an_administrator_that_may_read_the_list_of_users_alone()
    {
        await using var server = await LocalMariaDb.StartAsync(
            new() { MaxConnections = 30, Settings = new Dictionary<string, string> { ["plugin_load_add"] = "auth_ed25519" } }, Cancellation);
        await using var own = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        var admin = await own.CreateLoginAsync("admin", "", Cancellation);
        await own.DoAsync($"GRANT CREATE USER, PROCESS, CONNECTION ADMIN ON *.* TO '{admin.Username}'@'%'; GRANT SELECT ON mysql.user TO '{admin.Username}'@'%'", Cancellation);
        var login = new Login(own.Name + "-ed", new(Guid.NewGuid().ToString("N")));
        await own.DoAsync($"CREATE USER '{login.Username}'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('before'); GRANT ALL ON {own.Name}.* TO '{login.Username}'@'%'", Cancellation);

        await engine.SetPasswordAsync(own.AdministeredBy(admin), login, Cancellation);

        (await own.AskAsync<string>($"SELECT plugin FROM mysql.user WHERE User = '{login.Username}'", Cancellation)).ShouldBe("ed25519");
        await engine.TryLoginAsync(own.Database, login, Cancellation);
    }

    /// <summary>https://mariadb.com/kb/en/server-system-variables/#read_only: whoever has READ_ONLY ADMIN (or SUPER) still writes.</summary>
    [Fact]
    public async Task A_demoted_server_that_takes_its_administrators_writes_is_not_written_to()
    {
        await using var server = await LocalMariaDb.StartAsync(new() { MaxConnections = 30 }, Cancellation);
        await using var own = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        var there = await own.CreateLoginAsync("there", "", Cancellation);
        var user = new Login(own.Name + "-user", new(Guid.NewGuid().ToString("N")));
        await own.DoAsync("SET GLOBAL read_only = 1", Cancellation);
        await own.DoAsync($"CREATE USER '{own.Name}-by-hand'@'%'", Cancellation);
        var session = await own.OpenAsync(there, Cancellation);

        Func<Task>[] changes =
        [
            () => engine.CreateUserAsync(own.Database, user, [$"CREATE USER '{user.Username}'@'%'"], null, Cancellation),
            () => engine.RunAsync(own.Database, [$"CREATE TABLE {own.Name}.x (y int)"], Cancellation),
            () => engine.SetPasswordAsync(own.Database, there with { Password = new(Guid.NewGuid().ToString("N")) }, Cancellation),
            () => engine.CapUserAsync(own.Database, there.Username, 5, Cancellation),
            () => engine.ShutOutAsync(own.Database, there.Username, Cancellation),
            () => engine.DropUserAsync(own.Database, there.Username, [], null, Cancellation),
        ];
        foreach (var change in changes)
        {
            var failure = await Should.ThrowAsync<DatabaseException>(change);
            failure.Failure.ShouldBe(DatabaseFailure.Unavailable);
            failure.Message.ShouldContain("read_only");
        }

        (await MySqlFixture.AnswersAsync(session, Cancellation)).ShouldBeFalse("it was shut out: its sessions end on a replica too");
        await engine.TryLoginAsync(own.Database, there, Cancellation);
        (await engine.FindUsersAsync(own.Database, own.Name, Cancellation)).Select(one => one.Username).ShouldBe([own.Name + "-by-hand", there.Username], ignoreOrder: true);
        await own.DoAsync("SET GLOBAL read_only = 0", Cancellation);
        foreach (var change in changes) await change();
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task A_count_on_a_demoted_server_connects_anew_unless_a_replica_is_counted(bool replica, bool anew)
    {
        await using var server = await LocalMariaDb.StartAsync(new() { MaxConnections = 30 }, Cancellation);
        await using var own = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        await own.DoAsync("SET GLOBAL read_only = 1", Cancellation);
        var database = replica ? own.Database with { ReplicaConnectionString = own.Database.AdminConnectionString } : own.Database;
        await engine.SampleAsync(database, Cancellation);

        // Each question is one more.
        Task<int> ConnectionsAsync() => own.AskAsync<int>("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'CONNECTIONS'", Cancellation);
        var before = await ConnectionsAsync();
        await engine.SampleAsync(database, Cancellation);
        (await ConnectionsAsync() - before).ShouldBe(anew ? 2 : 1);
    }

    private static async Task<bool> OpensAsync(MySqlFixture bench, Login login)
    {
        try
        {
            await bench.OpenAsync(login, Cancellation);
            return true;
        }
        catch (MySqlException refusal) when (refusal.ErrorCode == MySqlErrorCode.ConnectionCountError)
        {
            return false;
        }
    }
}
