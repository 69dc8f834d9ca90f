using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>What a user does in its sessions while it is dropped: they go on unless somebody ends them.</summary>
public abstract partial class NothingGivenGrowsTests
{
    private const string Who = "CREATE FUNCTION who() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'";

    [Theory]
    [InlineData("CURRENT_USER", true)]
    [InlineData("\"{{owner}}-rich\"", true)]
    [InlineData("\"{{owner}}-stranger\"", true)]
    [InlineData("\"{{owner}}\"", false)]
    public async Task L13_What_a_user_makes_while_its_roles_own_statements_run_gets_no_more_rights(string to, bool refused)
    {
        await OthersAsync();
        var user = await CreateAsync(bench.Database, "user");
        await bench.DoAsync($"GRANT SELECT ON secrets TO \"{user.Username}\"", Cancellation);
        var session = await bench.OpenAsync(user, Cancellation);
        string[] statements =
        [
            $"REVOKE SELECT ON secrets FROM \"{user.Username}\"", $"REASSIGN OWNED BY \"{user.Username}\" TO {to.Replace("{{owner}}", owner, StringComparison.Ordinal)}",
            $"DROP OWNED BY \"{user.Username}\"", $"DROP ROLE \"{user.Username}\"",
        ];

        var (drop, go) = await HeldAsync(
            $"GRANT SELECT ON secrets TO \"{owner}\"", "REVOKE SELECT", () => engine.DropUserAsync(bench.Database, user.Username, statements, null, Cancellation));
        await DoAsync(session, Who);
        await go();

        if (refused)
        {
            var refusal = await Should.ThrowAsync<DatabaseException>(() => drop);
            refusal.Failure.ShouldBe(DatabaseFailure.StillOwns);
            refusal.Message.ShouldContain("function public.who()");
            (await PostgresFixture.AnswersAsync(session, Cancellation)).ShouldBeFalse("it is locked out, its sessions too");
        }
        else
        {
            await drop;
        }

        (await bench.AskAsync<string>("SELECT who()", Cancellation)).ShouldBe(refused ? user.Username : owner);
    }

    [Fact]
    public async Task L13_What_a_user_makes_between_two_tries_of_its_roles_own_statements_gets_no_more_rights()
    {
        var user = await CreateAsync(bench.Database, "user");
        await bench.DoAsync($"GRANT SELECT ON secrets TO \"{user.Username}\"", Cancellation);
        var (session, another) = (await bench.OpenAsync(user, Cancellation), await bench.OpenAsync(user, Cancellation));
        string[] statements =
        [
            $"REVOKE SELECT ON secrets FROM \"{user.Username}\"", $"REASSIGN OWNED BY \"{user.Username}\" TO CURRENT_USER", $"DROP OWNED BY \"{user.Username}\"",
            $"DROP ROLE \"{user.Username}\"",
        ];

        var (drop, go) = await HeldAsync(
            $"GRANT SELECT ON secrets TO \"{owner}\"", "REVOKE SELECT", () => engine.DropUserAsync(bench.Database, user.Username, statements, null, Cancellation));
        var collides = await session.BeginTransactionAsync(Cancellation);
        await DoAsync(session, "ALTER ROLE CURRENT_USER PASSWORD 'mine'");
        await go();
        await WaitsAsync("DROP ROLE");

        // DROP ROLE waits for the first, and then fails: the tuple was concurrently updated. The second waits for DROP ROLE, and what it makes is there for the next try.
        var second = DoAsync(another, Who);
        await Eventually.HoldsAsync(
            async () => await bench.AskAsync<long>($"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = '{user.Username}'", Cancellation) > 0,
            "the second session waits", Cancellation);
        await collides.CommitAsync(Cancellation);
        await second;

        await Should.ThrowAsync<DatabaseException>(() => drop);
        (await bench.AskAsync<string>("SELECT who()", Cancellation)).ShouldBe(user.Username);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L13_No_row_is_lost_that_a_user_writes_after_it_was_looked_at(bool named)
    {
        var user = await CreateAsync(bench.Database, "user");
        await using var other = await PostgresFixture.StartAsync(await ServerAsync(), Cancellation);
        await other.DoAsync($"GRANT CREATE ON SCHEMA public TO \"{user.Username}\"; GRANT CREATE ON SCHEMA public TO \"{owner}\"; CREATE TABLE secrets (x int)", Cancellation);
        await bench.DoAsync($"GRANT CREATE ON SCHEMA public TO \"{user.Username}\"", Cancellation);

        // The databases are looked through in this order.
        var first = await bench.AskAsync<string>($"SELECT min(datname::text) FROM pg_database WHERE datname IN ('{bench.Name}', '{other.Name}')", Cancellation) == bench.Name ? bench : other;
        var last = first == bench ? other : bench;
        await first.DoAsync($"GRANT SELECT ON secrets TO \"{user.Username}\"", Cancellation);
        var session = await bench.OpenAsync(user, Cancellation, last.Name);

        var (drop, go) = await HeldAsync(
            $"GRANT SELECT ON secrets TO \"{owner}\"", "DROP OWNED", () => engine.DropUserAsync(bench.Database, user.Username, [], named ? owner : null, Cancellation), first.Name);
        await DoAsync(session, "CREATE TABLE made AS SELECT 42 AS answer");
        await go();

        if (named)
        {
            await drop;
            (await last.AskAsync<string>("SELECT tableowner::text FROM pg_tables WHERE tablename = 'made'", Cancellation)).ShouldBe(owner);
        }
        else
        {
            var refusal = await Should.ThrowAsync<DatabaseException>(() => drop);
            refusal.Failure.ShouldBe(DatabaseFailure.StillOwns);
            refusal.Message.ShouldSatisfyAllConditions(text => text.ShouldContain("table public.made"), text => text.ShouldContain(last.Name), text => text.ShouldContain("OwnerRole"));
            (await PostgresFixture.AnswersAsync(session, Cancellation)).ShouldBeFalse("it is locked out, its sessions too");
        }

        (await last.AskAsync<int>("SELECT answer FROM made", Cancellation)).ShouldBe(42);
    }

    [Fact]
    public async Task L13_No_row_is_lost_that_a_user_writes_while_the_rest_is_handed_over()
    {
        var user = await CreateAsync(bench.Database, "user");
        var session = await bench.OpenAsync(user, Cancellation);
        await DoAsync(session, "CREATE TABLE early AS SELECT 41 AS answer");

        // It has found what there is by then, and waits for the first of it.
        var (drop, go) = await HeldAsync("SELECT FROM early", "REASSIGN OWNED", () => engine.DropUserAsync(bench.Database, user.Username, [], owner, Cancellation));
        await DoAsync(session, "CREATE TABLE late AS SELECT 42 AS answer");
        await go();
        await drop;

        (await bench.AskAsync<int>("SELECT answer FROM late", Cancellation)).ShouldBe(42);
        (await OwnedByAsync(owner)).ShouldBe(2);
        (await engine.FindUsersAsync(bench.Database, user.Username, Cancellation)).ShouldBeEmpty();
    }

    [Fact]
    public async Task L13_A_session_of_a_dropped_user_makes_nothing_any_more()
    {
        var user = await CreateAsync(bench.Database, "user");
        var session = await bench.OpenAsync(user, Cancellation);
        await bench.DoAsync("GRANT CREATE ON SCHEMA public TO PUBLIC", Cancellation);

        await engine.DropUserAsync(bench.Database, user.Username, [], owner, Cancellation);

        (await PostgresFixture.AnswersAsync(session, Cancellation)).ShouldBeTrue("its sessions go on");
        await Should.ThrowAsync<PostgresException>(() => DoAsync(session, Who));
        (await engine.CountSessionsAsync(bench.Database, user.Username, Cancellation)).ShouldBe(1);
    }

    [Fact]
    public async Task L13_An_operator_that_a_user_made_is_not_run_by_the_driver_either_when_it_connects()
    {
        // The driver looks up the server's types, and would find it fitter for "oid = regproc" than the server's own.
        var user = await CreateAsync(bench.Database, "user");
        await bench.DoAsync("GRANT CREATE ON SCHEMA public TO PUBLIC", Cancellation);
        await DoAsync(
            await bench.OpenAsync(user, Cancellation),
            """
            CREATE FUNCTION catch(oid, regproc) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''it ran as %'', current_user; END';
            CREATE OPERATOR public.= (FUNCTION = catch, LEFTARG = oid, RIGHTARG = regproc);
            """);

        await using var started = new PostgreSqlEngine(TimeProvider.System);
        await started.SampleAsync(bench.Database, Cancellation);
        await started.ExamineAsync(bench.Database, [user.Username], Cancellation);
        await started.RunAsync(bench.Database, [$"ALTER ROLE \"{user.Username}\" VALID UNTIL 'infinity'"], Cancellation);
        await started.DropUserAsync(bench.Database, user.Username, [], owner, Cancellation);
    }

    // A role with more rights than any user, and another's role; neither has the administrator's.
    private Task OthersAsync() => bench.DoAsync($"CREATE ROLE \"{owner}-rich\" NOLOGIN CREATEROLE; CREATE ROLE \"{owner}-stranger\" NOLOGIN", Cancellation);

    /// <summary>Starts the work, which waits, at a statement that begins like this, for what a transaction of the superuser's holds until it is told to go on.</summary>
    private async Task<(Task Work, Func<Task> Go)> HeldAsync(string holds, string statement, Func<Task> work, string? databaseName = null)
    {
        var holder = await bench.OpenAsync(null, Cancellation, databaseName);
        var transaction = await holder.BeginTransactionAsync(Cancellation);
        await DoAsync(holder, holds);
        var under = work();
        await WaitsAsync(statement);
        return (under, () => transaction.RollbackAsync(Cancellation));
    }

    private Task WaitsAsync(string statement) => Eventually.HoldsAsync(
        async () => await bench.AskAsync<long>(
            $"SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'broker' AND query LIKE '{statement}%' AND query LIKE '%{bench.Name}%'", Cancellation) > 0,
        $"the broker waits at {statement}", Cancellation);
}
