using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Model;
using LoadTests.Servers.LocalServers;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>What the engine does beyond the contract: rights, ownership, lost answers, dead connections.</summary>
public sealed class PostgreSqlRolesTests(SharedServers servers) : IAsyncLifetime
{
    private readonly PostgreSqlEngine engine = new(TimeProvider.System);
    private PostgresFixture bench = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => bench = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);

    public async ValueTask DisposeAsync()
    {
        await engine.DisposeAsync();
        await bench.DisposeAsync();
    }

    [Fact]
    public async Task L13_A_look_beside_a_transaction_goes_to_the_same_of_several_servers()
    {
        await using var admin = new AdminConnections();
        var another = LoopbackPort.Take();
        var several = bench.Database with { AdminConnectionString = new($"Host=127.0.0.1:{another},{bench.Database.Host}:{bench.Database.Port};{bench.Database.AdminConnectionString.Reveal()}") };

        await using var inside = await admin.OpenAsync(several, null, Cancellation);
        await using var beside = await admin.OpenAsync(several, null, Cancellation, inside);

        var settings = new NpgsqlConnectionStringBuilder(admin.Pool(several, null, inside).ConnectionString);
        (settings.Host, settings.Port, settings.MaxPoolSize).ShouldBe((bench.Database.Host, bench.Database.Port, 1));
        (beside.Host, beside.Port).ShouldBe((inside.Host, inside.Port));
    }

    [Fact]
    public async Task An_administrator_without_superuser_counts_creates_and_drops()
    {
        var admin = await bench.CreateLoginAsync("admin", "CREATEROLE IN ROLE pg_monitor", Cancellation);
        await bench.DoAsync($"GRANT ALL ON DATABASE {bench.Name} TO \"{admin.Username}\" WITH GRANT OPTION; GRANT ALL ON SCHEMA public TO \"{admin.Username}\" WITH GRANT OPTION", Cancellation);
        var database = bench.AdministeredBy(admin);
        var user = new Login(bench.Name + "-user", new("secret"));

        await engine.RunAsync(
            database, [$"CREATE ROLE \"{user.Username}\" LOGIN PASSWORD 'secret'", $"GRANT CREATE ON SCHEMA public TO \"{user.Username}\""], Cancellation);
        await bench.DoAsync($"CREATE ROLE \"{bench.Name}-owner\" NOLOGIN; GRANT \"{bench.Name}-owner\" TO \"{admin.Username}\", \"{user.Username}\"; GRANT CREATE ON SCHEMA public TO \"{bench.Name}-owner\"", Cancellation);
        var session = await bench.OpenAsync(user, Cancellation);
        await DoAsync(session, "CREATE TABLE migrated AS SELECT 42 AS answer");

        (await engine.SampleAsync(database, Cancellation)).Users.ShouldContain(new UserConnections(user.Username, 1, 1));
        await engine.ShutOutAsync(database, user.Username, Cancellation);
        await engine.DropUserAsync(database, user.Username, [], bench.Name + "-owner", Cancellation);

        (await PostgresFixture.AnswersAsync(session, Cancellation)).ShouldBeFalse();
        (await engine.FindUsersAsync(database, user.Username, Cancellation)).ShouldBeEmpty();
        (await bench.AskAsync<int>("SELECT answer FROM migrated", Cancellation)).ShouldBe(42);
        (await bench.AskAsync<string>("SELECT tableowner::text FROM pg_tables WHERE tablename = 'migrated'", Cancellation)).ShouldBe(bench.Name + "-owner");
    }

    [Fact]
    public async Task An_administrator_that_may_not_read_statistics_still_counts_every_connection()
    {
        var admin = await bench.CreateLoginAsync("admin", "", Cancellation);
        var user = await bench.CreateLoginAsync("user", "", Cancellation);
        await bench.OpenAsync(user, Cancellation);
        await bench.OpenAsync(user, Cancellation);

        (await engine.SampleAsync(bench.AdministeredBy(admin), Cancellation)).Users.ShouldContain(new UserConnections(user.Username, 2, 2));
    }

    [Fact]
    public async Task Connections_to_other_databases_count_for_the_server_and_not_for_the_database()
    {
        var user = await bench.CreateLoginAsync("user", "", Cancellation);
        await bench.OpenAsync(user, Cancellation);
        await bench.OpenAsync(user, Cancellation, "postgres");

        (await engine.SampleAsync(bench.Database, Cancellation)).Users.ShouldContain(new UserConnections(user.Username, 2, 1));
    }

    [Fact]
    public async Task A_name_that_only_a_pooler_knows_means_the_administrators_database()
    {
        var user = await bench.CreateLoginAsync("user", "", Cancellation);
        await bench.OpenAsync(user, Cancellation);
        var aliased = bench.Database with
        {
            DatabaseName = "alias-in-pooler",
            AdminConnectionString = new($"{bench.Database.AdminConnectionString.Reveal()};Database={bench.Name}"),
        };

        (await engine.SampleAsync(aliased, Cancellation)).Users.ShouldContain(new UserConnections(user.Username, 1, 1));
    }

    [Fact]
    public async Task What_a_user_owns_and_was_granted_in_any_database_goes_with_it_and_no_row_is_lost()
    {
        var user = await bench.CreateLoginAsync("user", "", Cancellation);
        var owner = bench.Name + "-owner";
        await bench.DoAsync($"CREATE ROLE \"{owner}\" NOLOGIN; GRANT \"{owner}\" TO \"{user.Username}\"", Cancellation);
        await using var other = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);
        foreach (var place in new[] { bench, other })
        {
            await place.DoAsync(
                $"CREATE TABLE granted (x int); GRANT SELECT ON granted TO \"{user.Username}\"; GRANT ALL ON SCHEMA public TO \"{user.Username}\"; "
                + $"GRANT ALL ON DATABASE {place.Name} TO \"{user.Username}\"; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO \"{user.Username}\"",
                Cancellation);
            var session = await bench.OpenAsync(user, Cancellation, place.Name);
            await DoAsync(session, "CREATE TABLE migrated AS SELECT 42 AS answer");
        }

        await engine.DropUserAsync(bench.Database, user.Username, [], owner, Cancellation);

        (await engine.FindUsersAsync(bench.Database, user.Username, Cancellation)).ShouldBeEmpty();
        (await bench.AskAsync<int>("SELECT answer FROM migrated", Cancellation)).ShouldBe(42);
        (await other.AskAsync<int>("SELECT answer FROM migrated", Cancellation)).ShouldBe(42);
    }

    [Fact]
    public async Task Configured_statements_drop_in_place_of_the_default_after_the_user_is_let_in_no_more()
    {
        var user = await bench.CreateLoginAsync("user", "", Cancellation);

        await engine.DropUserAsync(bench.Database, user.Username, ["CREATE TABLE said_so (x int)"], null, Cancellation);

        (await bench.AskAsync<bool>("SELECT to_regclass('said_so') IS NOT NULL", Cancellation)).ShouldBeTrue();
        (await bench.AskAsync<bool>($"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{user.Username}'", Cancellation)).ShouldBeFalse();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task L12_A_user_whose_table_a_long_report_reads_is_dropped_later_and_holds_up_nobody(bool byStatements)
    {
        var user = await bench.CreateLoginAsync("user", "", Cancellation);
        var (owner, name) = (bench.Name + "-owner", $"\"{user.Username}\"");
        await bench.DoAsync($"CREATE ROLE \"{owner}\" NOLOGIN; GRANT \"{owner}\" TO {name}; CREATE TABLE migrated AS SELECT 42 AS answer; ALTER TABLE migrated OWNER TO {name}", Cancellation);
        var (report, reader) = (await bench.OpenAsync(null, Cancellation), await bench.OpenAsync(null, Cancellation));
        await DoAsync(report, "BEGIN; SELECT * FROM migrated");
        string[] statements = byStatements ? [$"REASSIGN OWNED BY {name} TO \"{owner}\"", $"DROP OWNED BY {name}", $"DROP ROLE {name}"] : [];
        Task DropAsync() => engine.DropUserAsync(bench.Database, user.Username, statements, byStatements ? null : owner, Cancellation);

        var drop = DropAsync();
        await Eventually.HoldsAsync(
            async () => drop.IsCompleted || await bench.AskAsync<bool>("SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'migrated'::regclass AND NOT granted)", Cancellation),
            "the drop waits for the report, or has given up",
            Cancellation);
        await DoAsync(reader, "SET lock_timeout = '5s'; SELECT * FROM migrated");
        (await Should.ThrowAsync<DatabaseException>(() => drop)).Failure.ShouldBe(DatabaseFailure.Unavailable);

        await DoAsync(report, "COMMIT");
        await DropAsync();
        (await bench.AskAsync<int>("SELECT answer FROM migrated", Cancellation)).ShouldBe(42);
    }

    [Fact]
    public async Task A_refusal_to_drop_says_what_still_depends_on_the_user()
    {
        var user = await bench.CreateLoginAsync("user", "", Cancellation);
        await bench.DoAsync($"CREATE TABLE kept (x int); ALTER TABLE kept OWNER TO \"{user.Username}\"", Cancellation);

        var refusal = await Should.ThrowAsync<DatabaseException>(
            () => engine.DropUserAsync(bench.Database, user.Username, [$"DROP ROLE \"{user.Username}\""], null, Cancellation));

        refusal.Failure.ShouldBe(DatabaseFailure.StatementRefused);
        refusal.Message.ShouldContain("2BP01");
        refusal.Message.ShouldContain("owner of table kept");
    }

    [Fact]
    public async Task The_brokers_own_administrator_is_not_dropped_nor_shut_out()
    {
        var admin = await bench.CreateLoginAsync("admin", "CREATEROLE", Cancellation);
        var database = bench.AdministeredBy(admin);

        (await Should.ThrowAsync<DatabaseException>(() => engine.DropUserAsync(database, admin.Username, [], null, Cancellation)))
            .Failure.ShouldBe(DatabaseFailure.StatementRefused);

        await engine.TryLoginAsync(database, admin, Cancellation);
    }

    [Fact]
    public async Task A_users_own_limit_of_connections_is_read()
    {
        var plain = await bench.CreateLoginAsync("plain", "", Cancellation);
        var limited = await bench.CreateLoginAsync("limited", "CONNECTION LIMIT 7", Cancellation);
        var super = await bench.CreateLoginAsync("super", "SUPERUSER CONNECTION LIMIT 7", Cancellation);

        (await engine.UserLimitAsync(bench.Database, plain.Username, Cancellation)).ShouldBeNull();
        (await engine.UserLimitAsync(bench.Database, limited.Username, Cancellation)).ShouldBe(7);
        (await engine.UserLimitAsync(bench.Database, super.Username, Cancellation)).ShouldBeNull();
        (await engine.UserLimitAsync(bench.Database, "nobody", Cancellation)).ShouldBeNull();
    }

    [Fact]
    public async Task Names_with_quotes_are_quoted()
    {
        const string Odd = "a\"; DROP ROLE postgres; --'";
        var name = $"{bench.Name}-{Odd}";
        await engine.RunAsync(bench.Database, [$"CREATE ROLE \"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\" LOGIN"], Cancellation);

        (await engine.FindUsersAsync(bench.Database, name, Cancellation)).ShouldHaveSingleItem().Username.ShouldBe(name);
        await engine.DropUserAsync(bench.Database, name, [], null, Cancellation);

        (await engine.FindUsersAsync(bench.Database, bench.Name, Cancellation)).ShouldBeEmpty();
    }

    [Fact]
    public async Task L5_A_connection_lost_in_the_commit_is_a_lost_answer()
    {
        await bench.DoAsync(
            """
            CREATE TABLE trap (x int);
            CREATE FUNCTION spring() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
            CREATE CONSTRAINT TRIGGER spring AFTER INSERT ON trap DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION spring();
            """,
            Cancellation);

        var lost = await Should.ThrowAsync<DatabaseException>(
            () => engine.RunAsync(bench.Database, [$"CREATE ROLE \"{bench.Name}-user\"", "INSERT INTO trap VALUES (1)"], Cancellation));

        lost.Failure.ShouldBe(DatabaseFailure.AnswerLost);
    }

    [Fact]
    public async Task L5_A_connection_lost_between_the_statements_is_a_lost_answer()
    {
        (await Should.ThrowAsync<DatabaseException>(() => engine.RunAsync(
            bench.Database, [$"CREATE ROLE \"{bench.Name}-user\"", "SELECT pg_terminate_backend(pg_backend_pid())"], Cancellation)))
            .Failure.ShouldBe(DatabaseFailure.AnswerLost);
    }

    [Fact]
    public async Task Pooled_connections_that_died_unseen_fail_nothing()
    {
        var open = Enumerable.Range(0, 3).Select(_ => engine.RunAsync(bench.Database, ["SELECT pg_sleep(0.2)"], Cancellation));
        await Task.WhenAll(open);

        async Task KillAsync()
        {
            await bench.DoAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'broker'", Cancellation);
            await Eventually.HoldsAsync(
                () => bench.AskAsync<bool>("SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'broker')", Cancellation),
                "the broker's connections are gone",
                Cancellation);
        }

        await KillAsync();
        await engine.RunAsync(bench.Database, [$"CREATE ROLE \"{bench.Name}-user\""], Cancellation);
        await KillAsync();
        (await engine.SampleAsync(bench.Database, Cancellation)).Users.ShouldNotBeEmpty();
        await KillAsync();
        await engine.DropUserAsync(bench.Database, bench.Name + "-user", [], null, Cancellation);
    }

    [Fact]
    public async Task The_broker_takes_at_most_four_connections_however_much_it_has_to_do()
    {
        var work = Task.WhenAll(Enumerable.Range(0, 12).Select(_ => engine.RunAsync(bench.Database, ["SELECT pg_sleep(0.1)"], Cancellation)));
        var most = 0L;
        while (!work.IsCompleted)
            most = Math.Max(most, await bench.AskAsync<long>(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'broker'", Cancellation));
        await work;

        most.ShouldBeInRange(1, 4);
    }

    [Fact]
    public void Addresses_of_version_6_stand_in_brackets()
    {
        var strings = engine.Describe(bench.Database with { Host = "fd00::1", Port = 6432 }, new("u", new("p")), 5);

        strings.Uri.ShouldBe($"postgresql://u:p@[fd00::1]:6432/{bench.Name}");
        strings.Jdbc.ShouldBe($"jdbc:postgresql://[fd00::1]:6432/{bench.Name}?user=u&password=p");
        var adoNet = new NpgsqlConnectionStringBuilder(strings.AdoNet);
        (adoNet.Host, adoNet.Port, adoNet.MaxPoolSize).ShouldBe(("fd00::1", 6432, 5));
    }

    [Fact]
    public void Several_addresses_of_version_6_are_hosts_and_ports_apart_where_a_driver_takes_the_first_colon_for_the_ports()
    {
        var strings = engine.Describe(bench.Database with { Host = "[fd00::1]:6432,pg2", Port = 5432 }, new("u", new("p")), 5);

        strings.Uri.ShouldBe($"postgresql://u:p@[fd00::1]:6432,pg2:5432/{bench.Name}");
        foreach (var driver in new[] { "psycopg", "psycopg2" })
            strings.Of("sqlalchemy+" + driver).ShouldBe($"postgresql+{driver}://u:p@/{bench.Name}?host=fd00%3A%3A1%2Cpg2&port=6432%2C5432");
        strings.Of("pgx").ShouldBe($"host='fd00::1,pg2' port='6432,5432' dbname='{bench.Name}' user='u' password='p'");
    }

    private static async Task DoAsync(NpgsqlConnection session, string sql)
    {
        await using var command = new NpgsqlCommand(sql, session);
        await command.ExecuteNonQueryAsync(Cancellation);
    }
}
