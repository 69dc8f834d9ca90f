using System.Globalization;
using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Model;
using Broker.Tests.Databases;
using LoadTests.Servers.LocalServers;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Behaviour;

/// <summary>What PostgreSQL does that the engine relies on, or works around.</summary>
public sealed class PostgresBehaviourTests(SharedServers servers) : IAsyncLifetime
{
    private PostgresFixture bench = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => bench = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);

    public ValueTask DisposeAsync() => bench.DisposeAsync();

    [Fact]
    public async Task DROP_ROLE_leaves_open_sessions_working_and_nameless()
    {
        var login = await bench.CreateLoginAsync("user", "", Cancellation);
        var session = await bench.OpenAsync(login, Cancellation);
        var oid = await bench.AskAsync<uint>($"SELECT usesysid FROM pg_stat_activity WHERE pid = {session.ProcessID}", Cancellation);

        await bench.DoAsync($"DROP ROLE \"{login.Username}\"", Cancellation);

        (await PostgresFixture.AnswersAsync(session, Cancellation)).ShouldBeTrue();
        (await bench.AskAsync<string>($"SELECT usename::text FROM pg_stat_activity WHERE pid = {session.ProcessID}", Cancellation)).ShouldBeNull();
        (await bench.AskAsync<uint>($"SELECT usesysid FROM pg_stat_activity WHERE pid = {session.ProcessID}", Cancellation)).ShouldBe(oid);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        (await engine.SampleAsync(bench.Database, Cancellation)).Users.ShouldContain(user => user.Username == null && user.InDatabase == 1);
    }

    [Fact]
    public async Task VALID_UNTIL_ends_new_logins_and_no_open_session()
    {
        var login = await bench.CreateLoginAsync("user", "", Cancellation);
        var session = await bench.OpenAsync(login, Cancellation);

        await bench.DoAsync($"ALTER ROLE \"{login.Username}\" VALID UNTIL '2000-01-01'", Cancellation);

        (await RefusalAsync(() => bench.OpenAsync(login, Cancellation))).SqlState.ShouldBe(PostgresErrorCodes.InvalidPassword);
        (await PostgresFixture.AnswersAsync(session, Cancellation)).ShouldBeTrue();
    }

    [Fact]
    public async Task NOLOGIN_ends_new_logins_and_no_open_session()
    {
        var login = await bench.CreateLoginAsync("user", "", Cancellation);
        var session = await bench.OpenAsync(login, Cancellation);

        await bench.DoAsync($"ALTER ROLE \"{login.Username}\" NOLOGIN", Cancellation);

        (await RefusalAsync(() => bench.OpenAsync(login, Cancellation))).SqlState.ShouldBe(PostgresErrorCodes.InvalidAuthorizationSpecification);
        (await PostgresFixture.AnswersAsync(session, Cancellation)).ShouldBeTrue();
    }

    [Fact]
    public async Task DROP_OWNED_drops_tables_with_their_rows_unless_they_are_reassigned_first()
    {
        var login = await bench.CreateLoginAsync("user", "SUPERUSER", Cancellation);
        var session = await bench.OpenAsync(login, Cancellation);
        await DoAsync(session, "CREATE TABLE lost AS SELECT 1 AS x");

        await bench.DoAsync($"DROP OWNED BY \"{login.Username}\"", Cancellation);

        (await bench.AskAsync<bool>("SELECT to_regclass('lost') IS NULL", Cancellation)).ShouldBeTrue();
    }

    [Fact]
    public async Task Without_pg_read_all_stats_the_backend_type_of_others_is_hidden_and_their_name_is_not()
    {
        var plain = await bench.CreateLoginAsync("plain", "", Cancellation);
        var reader = await bench.CreateLoginAsync("reader", "IN ROLE pg_read_all_stats", Cancellation);
        var other = await bench.CreateLoginAsync("other", "", Cancellation);
        var session = await bench.OpenAsync(other, Cancellation);
        var question = $"SELECT concat_ws('|', usename, coalesce(backend_type, 'hidden')) FROM pg_stat_activity WHERE pid = {session.ProcessID}";

        (await AskAsync<string>(await bench.OpenAsync(plain, Cancellation), question)).ShouldBe($"{other.Username}|hidden");
        (await AskAsync<string>(await bench.OpenAsync(reader, Cancellation), question)).ShouldBe($"{other.Username}|client backend");
    }

    [Fact]
    public async Task Statements_of_two_transactions_on_one_table_collide_and_the_engine_tries_again()
    {
        var (first, second) = (await bench.CreateLoginAsync("a", "", Cancellation), await bench.CreateLoginAsync("b", "", Cancellation));
        await bench.DoAsync("CREATE TABLE t (x int)", Cancellation);
        var holder = await bench.OpenAsync(null, Cancellation);
        string Grant(Login login) => $"GRANT SELECT ON t TO \"{login.Username}\"";

        // Plain PostgreSQL: the one that comes second waits, and is refused when the first commits.
        await DoAsync(holder, $"BEGIN; {Grant(first)}");
        var collides = RefusalAsync(() => bench.DoAsync(Grant(second), Cancellation));
        await BlockedAsync();
        await DoAsync(holder, "COMMIT");
        var refusal = await collides;
        (refusal.SqlState, refusal.MessageText).ShouldBe(("XX000", "tuple concurrently updated"));

        // The engine in the same place.
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        await DoAsync(holder, $"BEGIN; REVOKE SELECT ON t FROM \"{first.Username}\"");
        var run = engine.RunAsync(bench.Database, [Grant(second)], Cancellation);
        await BlockedAsync();
        await DoAsync(holder, "COMMIT");
        await run;
        (await bench.AskAsync<bool>($"SELECT has_table_privilege('{second.Username}', 't', 'SELECT')", Cancellation)).ShouldBeTrue();
        (await bench.AskAsync<bool>($"SELECT has_table_privilege('{first.Username}', 't', 'SELECT')", Cancellation)).ShouldBeFalse();
    }

    [Fact]
    public async Task Many_role_statements_at_once_all_succeed_through_the_engine()
    {
        await bench.DoAsync("CREATE TABLE t (x int)", Cancellation);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        var names = Enumerable.Range(0, 24).Select(number => string.Create(CultureInfo.InvariantCulture, $"{bench.Name}-{number}")).ToList();

        // Two in flight is what a database's pace allows by default.
        await Parallel.ForEachAsync(names, new ParallelOptions { MaxDegreeOfParallelism = 2, CancellationToken = Cancellation }, async (name, token) =>
            await engine.RunAsync(bench.Database, [$"CREATE ROLE \"{name}\"", $"GRANT SELECT ON t TO \"{name}\"", $"GRANT CONNECT ON DATABASE {bench.Name} TO \"{name}\""], token));

        (await engine.FindUsersAsync(bench.Database, bench.Name + "-", Cancellation)).Count.ShouldBe(names.Count);
    }

    [Fact]
    public async Task Connections_that_Amazon_RDS_reserves_for_its_superusers_are_reserved()
    {
        // Any server takes a setting with a dot in its name; on RDS the server's own extension gives it its meaning.
        await using var server = await LocalPostgres.StartAsync(
            new() { MaxConnections = 20, Settings = new Dictionary<string, string> { ["rds.rds_superuser_reserved_connections"] = "2" } }, Cancellation);
        await using var own = await PostgresFixture.StartAsync(server, Cancellation);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);

        (await engine.SampleAsync(own.Database, Cancellation)).Reserved.ShouldBe(5);
    }

    [Fact]
    public async Task Connections_run_out_in_four_ways_that_are_all_53300()
    {
        await using var server = await LocalPostgres.StartAsync(new() { MaxConnections = 8, SuperuserReservedConnections = 2 }, Cancellation);
        await using var small = await PostgresFixture.StartAsync(server, Cancellation);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        var (limited, user) = (
            await small.CreateLoginAsync("limited", "CONNECTION LIMIT 1", Cancellation), await small.CreateLoginAsync("user", "", Cancellation));

        async Task RunsOutAsync(Login login, string words, DatabaseFailure failure = DatabaseFailure.OutOfConnections)
        {
            var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(small.Database, login, Cancellation));
            refusal.Failure.ShouldBe(failure);
            refusal.Message.ShouldContain("53300");
            refusal.Message.ShouldContain(words);
        }

        await small.OpenAsync(limited, Cancellation);
        await RunsOutAsync(limited, "too many connections for role", DatabaseFailure.UserLimitReached);

        await small.DoAsync($"ALTER DATABASE {small.Name} CONNECTION LIMIT 1", Cancellation);
        await RunsOutAsync(user, "too many connections for database");
        (await engine.SampleAsync(small.Database, Cancellation)).DatabaseLimit.ShouldBe(1);
        await small.DoAsync($"ALTER DATABASE {small.Name} CONNECTION LIMIT -1", Cancellation);

        // The engine's one pooled connection and the limited user's are open: four more are left to ordinary users.
        for (var open = 0; open < 4; open++)
            await Eventually.HoldsAsync(async () => await OpensAsync(small, user), "an ordinary connection is free", Cancellation);
        await RunsOutAsync(user, "reserved");

        await small.OpenAsync(null, Cancellation);
        await Eventually.HoldsAsync(async () => await OpensAsync(small, null), "the last reserved connection is taken", Cancellation);
        await RunsOutAsync(user, "too many clients already");
    }

    private static async Task<bool> OpensAsync(PostgresFixture bench, Login? login)
    {
        try
        {
            await bench.OpenAsync(login, Cancellation);
            return true;
        }
        catch (PostgresException exception) when (exception.SqlState == PostgresErrorCodes.TooManyConnections)
        {
            return false; // one that was closed just now is still counted
        }
    }

    private Task BlockedAsync() => Eventually.HoldsAsync(
        () => bench.AskAsync<bool>(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')", Cancellation),
        "the second transaction waits for the first",
        Cancellation);

    private static async Task<PostgresException> RefusalAsync(Func<Task> call) => await Should.ThrowAsync<PostgresException>(call);

    private static async Task DoAsync(NpgsqlConnection session, string sql)
    {
        await using var command = new NpgsqlCommand(sql, session);
        await command.ExecuteNonQueryAsync(Cancellation);
    }

    private static async Task<T?> AskAsync<T>(NpgsqlConnection session, string sql)
    {
        await using var command = new NpgsqlCommand(sql, session);
        return await command.ExecuteScalarAsync(Cancellation) is T value ? value : default;
    }
}
