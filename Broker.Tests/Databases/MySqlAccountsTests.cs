using System.Reflection;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.MySql;
using Broker.Core.Issuing;
using Broker.Core.Model;
using Broker.Core.Operators;
using LoadTests.Servers.LocalServers;
using MySqlConnector;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>What the engine does beyond the contract: rights, hosts, quoting, lost answers, dead connections.</summary>
public sealed class MySqlAccountsTests(SharedServers servers) : IAsyncLifetime
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
    public async Task An_administrator_with_just_the_documented_rights_counts_creates_caps_and_drops()
    {
        var admin = await bench.CreateLoginAsync("admin", "", Cancellation);
        await bench.DoAsync(
            $"GRANT CREATE USER, PROCESS, CONNECTION ADMIN ON *.* TO '{admin.Username}'@'%'; GRANT SELECT ON mysql.user TO '{admin.Username}'@'%'; "
            + $"GRANT ALL ON {bench.Name}.* TO '{admin.Username}'@'%' WITH GRANT OPTION",
            Cancellation);
        var database = bench.AdministeredBy(admin);
        var user = new Login(bench.Name + "-user", new("secret"));

        await engine.CreateUserAsync(database, user, Statements(user), null, Cancellation);
        await engine.CapUserAsync(database, user.Username, 5, Cancellation);
        var session = await bench.OpenAsync(user, Cancellation);
        await MySqlFixture.DoAsync(session, "CREATE TABLE migrated AS SELECT 42 AS answer", Cancellation);

        (await engine.SampleAsync(database, Cancellation)).Users.ShouldContain(new UserConnections(user.Username, 1, 1));
        await engine.ShutOutAsync(database, user.Username, Cancellation);
        await engine.DropUserAsync(database, user.Username, [], null, Cancellation);

        (await MySqlFixture.AnswersAsync(session, Cancellation)).ShouldBeFalse();
        (await engine.FindUsersAsync(database, user.Username, Cancellation)).ShouldBeEmpty();
        (await bench.AskAsync<int>($"SELECT answer FROM {bench.Name}.migrated", Cancellation)).ShouldBe(42);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task L13_What_a_user_defines_by_the_rights_of_a_role_is_seen_by_an_administrator_that_has_them_by_that_role_alone(bool isActive)
    {
        var (admin, user, role) = (new Login(bench.Name + "-admin", new("secret")), new Login(bench.Name + "-user", new("secret")), bench.Name + "_owner");
        await bench.DoAsync(
            $"CREATE ROLE {role}; GRANT ALL ON {bench.Name}.* TO {role}; CREATE USER '{admin.Username}'@'%' IDENTIFIED BY 'secret'; "
            + $"GRANT CREATE USER, PROCESS, CONNECTION ADMIN ON *.* TO '{admin.Username}'@'%'; GRANT SELECT ON mysql.user TO '{admin.Username}'@'%'; "
            + $"GRANT {role} TO '{admin.Username}'@'%' WITH ADMIN OPTION",
            Cancellation);
        if (isActive) await bench.DoAsync($"CREATE ROLE {role}_too; GRANT {role}_too TO '{admin.Username}'@'%'; SET DEFAULT ROLE {role}_too FOR '{admin.Username}'@'%'", Cancellation);
        var database = bench.AdministeredBy(admin);
        await engine.CreateUserAsync(database, user, [$"CREATE USER '{user.Username}'@'%' IDENTIFIED BY 'secret'", $"GRANT {role} TO '{user.Username}'@'%'"], null, Cancellation);
        await using (var session = new MySqlConnection(new MySqlConnectionStringBuilder(engine.Describe(bench.Database, user, 1).AdoNet) { Database = "", Pooling = false }.ConnectionString))
        {
            await session.OpenAsync(Cancellation);
            await MySqlFixture.DoAsync(session, $"SET ROLE {role}; CREATE PROCEDURE {bench.Name}.p() SELECT 1", Cancellation);
        }

        var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.DropUserAsync(database, user.Username, [], null, Cancellation));

        refusal.Failure.ShouldBe(DatabaseFailure.StillOwns);
        refusal.Message.ShouldContain($"procedure {bench.Name}.p");
        await using var connection = new MySqlConnection($"Server={bench.Database.Host};Port={bench.Database.Port};{database.AdminConnectionString.Reveal()};Pooling=false");
        await connection.OpenAsync(Cancellation);
        (await Definers.OfAsync(connection, database, user.Username, Cancellation)).ShouldNotBeNull();
        await using (var command = new MySqlCommand("SELECT COALESCE(CURRENT_ROLE(), '')", connection))
            (await command.ExecuteScalarAsync(Cancellation)).ShouldBe(isActive ? role + "_too" : "", "the roles that were active are so again");

        await bench.DoAsync($"DROP PROCEDURE {bench.Name}.p", Cancellation);
        await engine.DropUserAsync(database, user.Username, [], null, Cancellation);
        await bench.DoAsync($"DROP ROLE IF EXISTS {role}, {role}_too", Cancellation);
    }

    [Fact]
    public async Task On_Amazon_RDS_a_session_that_ends_before_it_is_ended_fails_nothing()
    {
        await using var server = await LocalMariaDb.StartAsync(new() { MaxConnections = 30 }, Cancellation);
        await using var own = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        var (admin, user) = (await own.CreateLoginAsync("admin", "", Cancellation), await own.CreateLoginAsync("user", "", Cancellation));
        // Amazon's procedure passes on what KILL says of a session that has gone meanwhile.
        await own.DoAsync(
            "CREATE PROCEDURE mysql.rds_kill(IN thread BIGINT) BEGIN KILL CONNECTION thread; SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1094, MESSAGE_TEXT = 'Unknown thread id'; END; "
            + $"GRANT CREATE USER, PROCESS ON *.* TO '{admin.Username}'@'%'; GRANT SELECT ON mysql.user TO '{admin.Username}'@'%'; GRANT EXECUTE ON PROCEDURE mysql.rds_kill TO '{admin.Username}'@'%'",
            Cancellation);
        MySqlConnection[] sessions = [await own.OpenAsync(user, Cancellation), await own.OpenAsync(user, Cancellation)];

        await engine.ShutOutAsync(own.AdministeredBy(admin), user.Username, Cancellation);

        foreach (var session in sessions) (await MySqlFixture.AnswersAsync(session, Cancellation)).ShouldBeFalse();
    }

    [Fact]
    public async Task A_users_own_limit_of_connections_or_the_servers_for_each_user_is_read()
    {
        var free = await bench.CreateLoginAsync("free", "", Cancellation);
        (await engine.UserLimitAsync(bench.Database, free.Username, Cancellation)).ShouldBeNull();
        await using var server = await LocalMariaDb.StartAsync(
            new() { MaxConnections = 30, Settings = new Dictionary<string, string> { ["max_user_connections"] = "9" } }, Cancellation);
        await using var own = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        var plain = await own.CreateLoginAsync("plain", "", Cancellation);
        var limited = await own.CreateLoginAsync("limited", "WITH MAX_USER_CONNECTIONS 7", Cancellation);

        (await engine.UserLimitAsync(own.Database, plain.Username, Cancellation)).ShouldBe(9);
        (await engine.UserLimitAsync(own.Database, limited.Username, Cancellation)).ShouldBe(7);
        var blind = await own.CreateLoginAsync("blind", "", Cancellation);
        (await engine.UserLimitAsync(own.AdministeredBy(blind), limited.Username, Cancellation)).ShouldBe(9, "who may not read accounts still reads what the server says of all");
        (await engine.UserLimitAsync(own.Database with { Budget = new() { Enforce = true } }, plain.Username, Cancellation)).ShouldBeNull("a cap takes its place");
    }

    [Fact]
    public async Task L2_An_administrator_that_may_not_see_others_connections_still_counts_them()
    {
        await using var server = await LocalMariaDb.StartAsync(new() { MaxConnections = 30 }, Cancellation);
        await using var own = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        var admin = await own.CreateLoginAsync("admin", "", Cancellation);
        var user = await own.CreateLoginAsync("user", "", Cancellation);
        await own.OpenAsync(user, Cancellation);
        await own.OpenAsync(user, Cancellation);

        (await engine.SampleAsync(own.AdministeredBy(admin), Cancellation)).Users.Where(seen => seen.Username is null).Sum(seen => seen.Open).ShouldBe(2);
    }

    [Fact]
    public async Task Connections_to_other_databases_count_for_the_server_and_not_for_the_database()
    {
        var user = await bench.CreateLoginAsync("user", "", Cancellation);
        await bench.OpenAsync(user, Cancellation);
        var elsewhere = await bench.OpenAsync(user, Cancellation);
        await MySqlFixture.DoAsync(elsewhere, "USE information_schema", Cancellation);

        (await engine.SampleAsync(bench.Database, Cancellation)).Users.ShouldContain(new UserConnections(user.Username, 2, 1));
    }

    [Fact]
    public async Task All_accounts_of_a_name_go_whatever_their_hosts()
    {
        var user = await bench.CreateLoginAsync("user", "", Cancellation);
        await bench.DoAsync(
            $"CREATE USER '{user.Username}'@'127.0.0.1' IDENTIFIED BY '{user.Password.Reveal()}'; CREATE USER '{user.Username}'@'10.%'; "
            + $"GRANT ALL ON {bench.Name}.* TO '{user.Username}'@'127.0.0.1'",
            Cancellation);
        var session = await bench.OpenAsync(user, Cancellation);

        await engine.ShutOutAsync(bench.Database, user.Username, Cancellation);
        await engine.DropUserAsync(bench.Database, user.Username, [], null, Cancellation);

        (await MySqlFixture.AnswersAsync(session, Cancellation)).ShouldBeFalse();
        (await bench.AskAsync<int>($"SELECT COUNT(*) FROM mysql.user WHERE User = '{user.Username}'", Cancellation)).ShouldBe(0);
    }

    [Fact]
    public async Task An_administrator_that_sees_all_sessions_is_not_taken_for_blind_while_others_come_and_go()
    {
        await using var server = await LocalMariaDb.StartAsync(new() { MaxConnections = 30 }, Cancellation);
        await using var own = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        var user = await own.CreateLoginAsync("user", "", Cancellation);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var others = Enumerable.Range(0, 4).Select(_ => Task.Run(
            async () =>
            {
                while (!enough.IsCancellationRequested) await engine.TryLoginAsync(own.Database, user, Cancellation);
            },
            Cancellation)).ToArray();
        try
        {
            for (var look = 0; look < 300; look++) (await engine.CountSessionsAsync(own.Database, "nobody", Cancellation)).ShouldBe(0);
        }
        finally
        {
            await enough.CancelAsync();
            await Task.WhenAll(others);
        }
    }

    [Fact]
    public async Task A_host_that_does_not_match_is_a_refused_login_that_says_so()
    {
        var user = await bench.CreateLoginAsync("user", "", Cancellation, host: "10.%");

        var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(bench.Database, user, Cancellation));

        refusal.Failure.ShouldBe(DatabaseFailure.LoginRefused);
        refusal.Message.ShouldContain("host part");
        refusal.Message.ShouldContain("1045");
    }

    [Theory]
    [InlineData("CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'; GRANT ALL ON DB.* TO '{{name}}'@'%' # and; this\n; SELECT 'it\\'s; a' -- or; this\n")]
    [InlineData("CREATE USER `{{ name }}`@`%` IDENTIFIED BY \"{{ password }}\"; /*!50001 GRANT ALL ON DB.* TO `{{name}}`@`%` */; /* ; */ SELECT 1")]
    [InlineData("DELIMITER $$\nCREATE OR REPLACE PROCEDURE DB.p() BEGIN DECLARE i INT; IF i IS NULL THEN SET i = 1; END IF; END$$\nDELIMITER ;\nCREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'; GRANT ALL ON DB.* TO '{{name}}'@'%';")]
    [InlineData("CREATE OR REPLACE PROCEDURE DB.p() BEGIN FOR i IN 1..2 DO SELECT i; END FOR; CASE 1 WHEN 1 THEN SELECT 1; END CASE; END; CREATE USER '{{username}}'@'%' IDENTIFIED BY '{{password}}'; GRANT ALL ON DB.* TO '{{name}}'@'%'")]
    [InlineData("BEGIN NOT ATOMIC EXECUTE IMMEDIATE 'CREATE USER ''{{name}}''@''%'' IDENTIFIED BY ''{{password}}'''; GRANT ALL ON DB.* TO '{{name}}'@'%'; END")]
    [InlineData("IF 1 = 1 THEN CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'; GRANT ALL ON DB.* TO '{{name}}'@'%'; END IF; SELECT 1")]
    [InlineData("BEGIN; CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'; GRANT ALL ON DB.* TO '{{name}}'@'%'; COMMIT;")]
    [InlineData("[\"CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'\", \"GRANT ALL ON DB.* TO '{{name}}'@'%';\"]")]
    public async Task What_SQL_can_say_in_one_entry_makes_a_user_that_logs_in(string statements)
    {
        var user = new Login(bench.Name + "-user", new("secret"));

        await engine.CreateUserAsync(
            bench.Database,
            user,
            StatementTemplate.Render(DatabaseEngineKind.MySql, [statements.Replace("DB.", $"`{bench.Name}`.", StringComparison.Ordinal)], user.Username, user.Password),
            null,
            Cancellation);

        await engine.TryLoginAsync(bench.Database, user, Cancellation);
    }

    [Fact]
    public async Task A_refused_statement_after_the_user_was_made_drops_it_and_not_anothers()
    {
        var user = new Login(bench.Name + "-user", new("secret"));
        var neighbour = await bench.CreateLoginAsync("user2", "", Cancellation);

        (await Should.ThrowAsync<DatabaseException>(() => engine.CreateUserAsync(
            bench.Database, user, [.. Statements(user), "GRANT SELECT ON no_such_database.no_such_table TO `nobody`@`%`"], null, Cancellation)))
            .Failure.ShouldBe(DatabaseFailure.StatementRefused);

        (await engine.FindUsersAsync(bench.Database, bench.Name + "-", Cancellation)).ShouldHaveSingleItem().Username.ShouldBe(neighbour.Username);
    }

    [Fact]
    public async Task Configured_statements_drop_in_place_of_the_default_after_the_user_is_shut_out()
    {
        var user = await bench.CreateLoginAsync("user", "", Cancellation);

        await engine.DropUserAsync(
            bench.Database, user.Username, [$"REVOKE ALL PRIVILEGES, GRANT OPTION FROM '{user.Username}'@'%'", $"CREATE TABLE {bench.Name}.said_so (x int)"], null, Cancellation);

        (await engine.FindUsersAsync(bench.Database, user.Username, Cancellation)).ShouldHaveSingleItem();
        (await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(bench.Database, user, Cancellation))).Failure.ShouldBe(DatabaseFailure.LoginRefused);
        (await bench.AskAsync<int>($"SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{bench.Name}' AND TABLE_NAME = 'said_so'", Cancellation)).ShouldBe(1);
    }

    [Fact]
    public async Task The_brokers_own_administrator_is_not_dropped_nor_shut_out()
    {
        var admin = await bench.CreateLoginAsync("admin", "", Cancellation);
        await bench.DoAsync($"GRANT ALL ON *.* TO '{admin.Username}'@'%'", Cancellation);
        var database = bench.AdministeredBy(admin);

        (await Should.ThrowAsync<DatabaseException>(() => engine.DropUserAsync(database, admin.Username, [], null, Cancellation)))
            .Failure.ShouldBe(DatabaseFailure.StatementRefused);
        (await Should.ThrowAsync<DatabaseException>(() => engine.ShutOutAsync(database, admin.Username, Cancellation)))
            .Failure.ShouldBe(DatabaseFailure.StatementRefused);

        await engine.TryLoginAsync(database, admin, Cancellation);
    }

    [Fact]
    public async Task Names_with_quotes_and_backslashes_are_quoted_under_every_sql_mode()
    {
        await using var server = await LocalMariaDb.StartAsync(
            new() { MaxConnections = 30, Settings = new Dictionary<string, string> { ["sql_mode"] = "NO_BACKSLASH_ESCAPES,ANSI_QUOTES" } }, Cancellation);
        var places = new[] { bench, await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation) };
        foreach (var place in places)
        {
            var name = place.Name + "`\\' --x";
            await place.DoAsync($"CREATE USER `{name.Replace("`", "``", StringComparison.Ordinal)}`@`%`", Cancellation);

            (await engine.FindUsersAsync(place.Database, name, Cancellation)).ShouldHaveSingleItem().Username.ShouldBe(name);
            await engine.DropUserAsync(place.Database, name, [], null, Cancellation);

            (await engine.FindUsersAsync(place.Database, place.Name, Cancellation)).ShouldBeEmpty();
        }

        await places[1].DisposeAsync();
    }

    [Fact]
    public async Task L5_A_connection_lost_between_the_statements_is_a_lost_answer()
    {
        var user = new Login(bench.Name + "-user", new("secret"));

        (await Should.ThrowAsync<DatabaseException>(() => engine.CreateUserAsync(
            bench.Database, user, [.. Statements(user), "KILL CONNECTION_ID()"], null, Cancellation))).Failure.ShouldBe(DatabaseFailure.AnswerLost);

        (await engine.FindUsersAsync(bench.Database, user.Username, Cancellation)).ShouldHaveSingleItem("whoever takes over has to look for it");
    }

    [Fact]
    public async Task Pooled_connections_that_died_unseen_fail_nothing()
    {
        await using var server = await LocalMariaDb.StartAsync(new() { MaxConnections = 30 }, Cancellation);
        await using var own = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => engine.RunAsync(own.Database, ["DO SLEEP(0.2)"], Cancellation)));
        var user = new Login(own.Name + "-user", new("secret"));

        async Task RestartAsync()
        {
            await server.StopAsync();
            await server.StartAgainAsync(Cancellation);
        }

        await RestartAsync();
        await engine.CreateUserAsync(own.Database, user, [$"CREATE USER '{user.Username}'@'%'"], null, Cancellation);
        await RestartAsync();
        (await engine.SampleAsync(own.Database, Cancellation)).Users.ShouldNotBeEmpty();
        await RestartAsync();
        await engine.DropUserAsync(own.Database, user.Username, [], null, Cancellation);
    }

    [Fact]
    public async Task A_server_that_has_become_a_replica_is_unavailable_and_nothing_remains_done()
    {
        await using var server = await LocalMariaDb.StartAsync(new() { MaxConnections = 30 }, Cancellation);
        await using var own = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        var admin = await own.CreateLoginAsync("admin", "", Cancellation);
        await own.DoAsync(
            $"GRANT CREATE USER, PROCESS, CONNECTION ADMIN, SELECT ON *.* TO '{admin.Username}'@'%' WITH GRANT OPTION; SET GLOBAL read_only = ON", Cancellation);
        var user = new Login(own.Name + "-user", new("secret"));

        var failure = await Should.ThrowAsync<DatabaseException>(
            () => engine.CreateUserAsync(own.AdministeredBy(admin), user, [$"CREATE USER '{user.Username}'@'%'"], null, Cancellation));

        failure.Failure.ShouldBe(DatabaseFailure.Unavailable);
        failure.Message.ShouldContain("read_only");
        await own.DoAsync("SET GLOBAL read_only = OFF", Cancellation);
    }

    [Theory]
    [InlineData("Authentication method 'caching_sha2_password' failed. Either use a secure connection, specify the server's RSA public key with ServerRSAPublicKeyFile, or set AllowPublicKeyRetrieval=True.", DatabaseFailure.LoginRefused)]
    [InlineData("Couldn't load server's RSA public key; try using a secure connection instead.", DatabaseFailure.LoginRefused)]
    [InlineData("Authentication method 'mysql_clear_password' requires a secure connection with a verified server certificate to send the password.", DatabaseFailure.LoginRefused)]
    [InlineData("Server does not support SSL", DatabaseFailure.LoginRefused)]
    [InlineData("Unable to connect to any of the specified MySQL hosts.", DatabaseFailure.Unavailable)]
    public void What_the_driver_says_of_a_server_that_answered_is_no_server_that_is_away(string words, DatabaseFailure failure)
    {
        // The driver has no public constructor for what it throws.
        var thrown = (MySqlException)Activator.CreateInstance(
            typeof(MySqlException), BindingFlags.Instance | BindingFlags.NonPublic, binder: null, [MySqlErrorCode.UnableToConnectToHost, words], culture: null)!;

        var refusal = MySqlFailure.OfLogin(bench.Database, "u", thrown);

        refusal.Failure.ShouldBe(failure, refusal.Message);
        refusal.Message.ShouldContain(words);
        if (failure == DatabaseFailure.LoginRefused) refusal.Message.ShouldContain("AllowPublicKeyRetrieval");
    }

    [Fact]
    public async Task A_server_without_TLS_where_TLS_is_demanded_is_a_refused_login_that_says_so()
    {
        var user = await bench.CreateLoginAsync("user", "", Cancellation);

        var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(bench.Database with { Pods = new() { SslMode = PodSslMode.Require } }, user, Cancellation));

        refusal.Failure.ShouldBe(DatabaseFailure.LoginRefused);
        refusal.Message.ShouldContain("SSL");
    }

    [Fact]
    public async Task The_broker_takes_at_most_four_connections_however_much_it_has_to_do()
    {
        await using var server = await LocalMariaDb.StartAsync(new() { MaxConnections = 30 }, Cancellation);
        await using var own = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        var work = Task.WhenAll(Enumerable.Range(0, 12).Select(_ => engine.RunAsync(own.Database, ["DO SLEEP(0.1)"], Cancellation)));
        var most = 0;
        while (!work.IsCompleted)
            most = Math.Max(most, await own.AskAsync<int>("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO = 'DO SLEEP(0.1)'", Cancellation));
        await work;

        most.ShouldBeInRange(1, 4);
    }

    [Fact]
    public void Addresses_of_version_6_stand_in_brackets()
    {
        var strings = engine.Describe(bench.Database with { Host = "fd00::1", Port = 3307 }, new("u", new("p")), 5);

        strings.Uri.ShouldBe($"mysql://u:p@[fd00::1]:3307/{bench.Name}?connectionLimit=5");
        strings.Jdbc.ShouldBe($"jdbc:mysql://[fd00::1]:3307/{bench.Name}?user=u&password=p");
        strings.Go.ShouldBe($"u:p@tcp([fd00::1]:3307)/{bench.Name}?tls=preferred");
        var adoNet = new MySqlConnectionStringBuilder(strings.AdoNet);
        (adoNet.Server, adoNet.Port, adoNet.MaximumPoolSize).ShouldBe(("fd00::1", 3307u, 5u));
    }

    private string[] Statements(Login login) =>
        [$"CREATE USER '{login.Username}'@'%' IDENTIFIED BY '{login.Password.Reveal()}'", $"GRANT ALL ON {bench.Name}.* TO '{login.Username}'@'%'"];
}
