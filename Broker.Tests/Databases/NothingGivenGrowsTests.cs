using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Issuing;
using Broker.Core.Issuing.BuiltIn;
using Broker.Core.Model;
using LoadTests.Servers.LocalServers;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>
/// Law L13 on a real PostgreSQL: what a user makes, owns or leaves behind gives nobody more than it had. Each test is an attack, by a
/// pod whose role may create in a schema.
/// </summary>
public abstract partial class NothingGivenGrowsTests : IAsyncLifetime
{
    private readonly PostgreSqlEngine engine = new(TimeProvider.System);
    private PostgresFixture bench = null!;
    private Login administrator = null!;
    private string owner = "";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    protected abstract Task<LocalPostgres> ServerAsync();

    public async ValueTask InitializeAsync()
    {
        bench = await PostgresFixture.StartAsync(await ServerAsync(), Cancellation);
        owner = bench.Name + "-owner";
        administrator = await bench.CreateLoginAsync("admin", "CREATEROLE", Cancellation);
        await bench.DoAsync(
            $"""
            CREATE ROLE "{owner}" NOLOGIN;
            GRANT "{owner}" TO "{administrator.Username}" WITH ADMIN OPTION;
            GRANT ALL ON DATABASE {bench.Name} TO "{administrator.Username}" WITH GRANT OPTION;
            GRANT ALL ON SCHEMA public TO "{administrator.Username}" WITH GRANT OPTION;
            GRANT CREATE, USAGE ON SCHEMA public TO "{owner}";
            CREATE TABLE secrets AS SELECT 42 AS secret;
            """,
            Cancellation);
    }

    public async ValueTask DisposeAsync()
    {
        await engine.DisposeAsync();
        await bench.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L13_A_function_of_a_dropped_user_never_runs_with_an_administrators_rights(bool superuser)
    {
        var database = superuser ? bench.Database : bench.AdministeredBy(administrator);
        var user = await CreateAsync(database, "user");
        var session = await bench.OpenAsync(user, Cancellation);
        await DoAsync(session, "CREATE FUNCTION who() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'");

        var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.DropUserAsync(database, user.Username, [], null, Cancellation));

        refusal.Failure.ShouldBe(DatabaseFailure.StillOwns);
        refusal.Message.ShouldContain("function");
        refusal.Message.ShouldContain("who()");
        refusal.Message.ShouldContain("OwnerRole");
        (await PostgresFixture.AnswersAsync(session, Cancellation)).ShouldBeFalse("it is locked out, its sessions too");
        (await Should.ThrowAsync<DatabaseException>(() => engine.TryLoginAsync(database, user, Cancellation))).Failure.ShouldBe(DatabaseFailure.LoginRefused);
        (await bench.AskAsync<string>("SELECT who()", Cancellation)).ShouldBe(user.Username);
        var left = (await engine.FindUsersAsync(database, user.Username, Cancellation)).ShouldHaveSingleItem();
        left.OwnedObjects.ShouldBe(1);
        left.Owned.ShouldNotBeNull().ShouldContain("who()");

        // What a DBA does then, in the words of the refusal.
        await bench.DoAsync($"DROP OWNED BY \"{user.Username}\"", Cancellation);
        await engine.DropUserAsync(database, user.Username, [], null, Cancellation);
        (await engine.FindUsersAsync(database, user.Username, Cancellation)).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("CREATE TABLE left_over (x int)", "table public.left_over")]
    [InlineData("CREATE VIEW left_over AS SELECT * FROM secrets", "view public.left_over")]
    [InlineData("CREATE MATERIALIZED VIEW left_over AS SELECT 1 AS x", "materialized view public.left_over")]
    [InlineData("CREATE TABLE left_over (x int); CREATE RULE r AS ON INSERT TO left_over DO ALSO NOTIFY x", "table public.left_over")]
    [InlineData("CREATE FUNCTION left_over() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'", "function public.left_over()")]
    [InlineData("CREATE PROCEDURE left_over() LANGUAGE sql AS 'SELECT 1'", "left_over()")]
    [InlineData("CREATE SEQUENCE left_over", "sequence public.left_over")]
    [InlineData("CREATE TYPE left_over AS ENUM ('a')", "type public.left_over")]
    [InlineData("CREATE SCHEMA left_over", "schema left_over")]
    [InlineData("SELECT lo_create(0)", "large object")]
    [InlineData("CREATE EXTENSION citext", "extension citext")]
    public async Task L13_What_a_user_leaves_stays_its_own_or_goes_to_the_owner_role_and_to_nobody_else(string make, string named)
    {
        var database = bench.AdministeredBy(administrator);
        var user = await CreateAsync(database, "user");
        await DoAsync(await bench.OpenAsync(user, Cancellation), make);

        var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.DropUserAsync(database, user.Username, [], null, Cancellation));

        refusal.Failure.ShouldBe(DatabaseFailure.StillOwns);
        refusal.Message.ShouldContain(named);
        (await OwnedByAsync(user.Username)).ShouldBe(1);

        await engine.DropUserAsync(database, user.Username, [], owner, Cancellation);
        (await engine.FindUsersAsync(database, user.Username, Cancellation)).ShouldBeEmpty();
        (await OwnedByAsync(owner)).ShouldBe(1);
    }

    [Fact]
    public async Task L13_A_trigger_and_a_function_run_as_the_owner_role_after_their_user_is_gone()
    {
        var database = bench.AdministeredBy(administrator);
        var user = await CreateAsync(database, "user");
        await DoAsync(
            await bench.OpenAsync(user, Cancellation),
            """
            CREATE TABLE orders (id int, by text);
            CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN NEW.by := current_user; RETURN NEW; END';
            CREATE TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION stamp();
            """);

        await engine.DropUserAsync(database, user.Username, [], owner, Cancellation);

        await bench.DoAsync("INSERT INTO orders (id) VALUES (1)", Cancellation);
        (await bench.AskAsync<string>("SELECT by FROM orders", Cancellation)).ShouldBe(owner);
        (await bench.AskAsync<bool>($"SELECT NOT has_table_privilege('{owner}', 'secrets', 'SELECT')", Cancellation)).ShouldBeTrue();
    }

    [Fact]
    public async Task L13_Defaults_for_what_it_would_have_made_and_user_mappings_go_with_a_user_and_hold_up_nothing()
    {
        var database = bench.AdministeredBy(administrator);
        var user = await CreateAsync(database, "user");
        await DoAsync(await bench.OpenAsync(user, Cancellation), "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC; ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC; CREATE TEMP TABLE t (x int)");
        await bench.DoAsync($"CREATE FOREIGN DATA WRAPPER f; CREATE SERVER s FOREIGN DATA WRAPPER f; CREATE USER MAPPING FOR \"{user.Username}\" SERVER s", Cancellation);

        await engine.DropUserAsync(bench.Database, user.Username, [], null, Cancellation);

        (await engine.FindUsersAsync(database, user.Username, Cancellation)).ShouldBeEmpty();
        (await bench.AskAsync<long>("SELECT count(*) FROM pg_default_acl", Cancellation)).ShouldBe(0);
    }

    [Fact]
    public async Task L13_An_event_trigger_stays_its_users_and_names_itself()
    {
        var user = await bench.CreateLoginAsync("user", "SUPERUSER", Cancellation);
        await DoAsync(
            await bench.OpenAsync(user, Cancellation),
            "CREATE FUNCTION spring() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; CREATE EVENT TRIGGER spring ON ddl_command_start EXECUTE FUNCTION spring()");

        (await Should.ThrowAsync<DatabaseException>(() => engine.DropUserAsync(bench.Database, user.Username, [], null, Cancellation)))
            .Message.ShouldContain("event trigger spring");
        (await Should.ThrowAsync<DatabaseException>(() => engine.DropUserAsync(bench.Database, user.Username, [], owner, Cancellation)))
            .Failure.ShouldBe(DatabaseFailure.StatementRefused, "only a superuser can own it, and the server says so");

        (await bench.AskAsync<string>("SELECT pg_get_userbyid(evtowner)::text FROM pg_event_trigger WHERE evtname = 'spring'", Cancellation)).ShouldBe(user.Username);
        await bench.DoAsync("DROP EVENT TRIGGER spring", Cancellation);
    }

    [Fact]
    public async Task L13_What_a_user_owns_in_other_databases_of_the_server_counts_and_goes_the_same_way()
    {
        var database = bench.AdministeredBy(administrator);
        var user = await CreateAsync(database, "user");
        await using var other = await PostgresFixture.StartAsync(await ServerAsync(), Cancellation);
        await other.DoAsync($"GRANT CREATE ON SCHEMA public TO PUBLIC; GRANT CREATE ON SCHEMA public TO \"{owner}\"", Cancellation);
        await DoAsync(
            await bench.OpenAsync(user, Cancellation, other.Name), "CREATE FUNCTION who() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'");

        var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.DropUserAsync(database, user.Username, [], null, Cancellation));
        refusal.Failure.ShouldBe(DatabaseFailure.StillOwns);
        refusal.Message.ShouldContain(other.Name);
        (await other.AskAsync<string>("SELECT who()", Cancellation)).ShouldBe(user.Username);

        await engine.DropUserAsync(database, user.Username, [], owner, Cancellation);
        (await other.AskAsync<string>("SELECT who()", Cancellation)).ShouldBe(owner);
    }

    [Theory]
    [InlineData("missing", "has no role")]
    [InlineData("administrator", "own administrator")]
    [InlineData("login", "can log in")]
    [InlineData("superuser", "SUPERUSER")]
    [InlineData("createrole", "CREATEROLE")]
    [InlineData("createdb", "CREATEDB")]
    [InlineData("bypassrls", "BYPASSRLS")]
    [InlineData("of-administrator", "member of the broker's administrator")]
    [InlineData("not-a-member", "is not a member")]
    [InlineData("not-settable", "cannot act as")]
    public async Task L13_An_owner_role_that_would_give_more_is_refused_when_it_is_first_used_and_leaves_no_user(string kind, string said)
    {
        var bad = kind == "administrator" ? administrator.Username : $"{bench.Name}-{kind}";
        var member = kind is not ("missing" or "administrator" or "of-administrator" or "not-a-member");
        await bench.DoAsync(
            kind switch
            {
                "missing" or "administrator" => "SELECT 1",
                "of-administrator" => $"CREATE ROLE \"{bad}\" NOLOGIN; GRANT \"{administrator.Username}\" TO \"{bad}\"",
                "not-settable" or "not-a-member" => $"CREATE ROLE \"{bad}\" NOLOGIN",
                _ => $"CREATE ROLE \"{bad}\" {kind}; GRANT \"{bad}\" TO \"{administrator.Username}\" WITH ADMIN OPTION",
            },
            Cancellation);
        if (kind == "not-settable" && await bench.AskAsync<bool>("SELECT current_setting('server_version_num')::int >= 160000", Cancellation))
            await bench.DoAsync($"GRANT \"{bad}\" TO \"{administrator.Username}\" WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", Cancellation);

        // The superuser makes those that a plain administrator could not, so that the check alone is what refuses.
        var database = kind == "superuser" ? bench.Database : bench.AdministeredBy(administrator);
        var user = new Login($"{bench.Name}-user", new("secret"));
        string[] statements = member ? [Creation(user), $"GRANT \"{bad}\" TO \"{user.Username}\""] : [Creation(user)];
        var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.CreateUserAsync(database, user, statements, bad, Cancellation));

        refusal.Failure.ShouldBe(DatabaseFailure.StatementRefused);
        refusal.Message.ShouldContain(said);
        refusal.Message.ShouldContain("OwnerRole");
        (await engine.FindUsersAsync(database, user.Username, Cancellation)).ShouldBeEmpty();
    }

    [Fact]
    public async Task L13_An_owner_role_that_got_more_rights_since_owns_nothing_new()
    {
        var database = bench.AdministeredBy(administrator);
        var user = await CreateAsync(database, "user");
        await DoAsync(await bench.OpenAsync(user, Cancellation), "CREATE FUNCTION who() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'");
        await bench.DoAsync($"ALTER ROLE \"{owner}\" SUPERUSER", Cancellation);

        var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.DropUserAsync(database, user.Username, [], owner, Cancellation));

        refusal.Failure.ShouldBe(DatabaseFailure.StillOwns);
        refusal.Message.ShouldContain("SUPERUSER");
        (await bench.AskAsync<string>("SELECT who()", Cancellation)).ShouldBe(user.Username);
    }

    [Theory]
    [InlineData("CURRENT_USER", true)]
    [InlineData("SESSION_USER", true)]
    [InlineData("postgres", true)]
    [InlineData("\"{{owner}}\"", false)]
    [InlineData("\"{{owner}}-rich\"", true)]
    [InlineData("\"{{owner}}-stranger\"", true)]
    public async Task L13_A_roles_own_statements_give_an_administrator_or_anothers_role_nothing_either(string to, bool refused)
    {
        await OthersAsync();
        var user = await CreateAsync(bench.Database, "user");
        await DoAsync(await bench.OpenAsync(user, Cancellation), "CREATE FUNCTION who() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'");
        string[] statements =
        [
            $"REASSIGN OWNED BY \"{user.Username}\" TO {to.Replace("{{owner}}", owner, StringComparison.Ordinal)}", $"DROP OWNED BY \"{user.Username}\"", $"DROP ROLE \"{user.Username}\"",
        ];

        var drop = engine.DropUserAsync(bench.Database, user.Username, statements, null, Cancellation);

        if (refused) (await Should.ThrowAsync<DatabaseException>(() => drop)).Failure.ShouldBe(DatabaseFailure.StillOwns);
        else await drop;
        (await bench.AskAsync<string>("SELECT who()", Cancellation)).ShouldBe(refused ? user.Username : owner);
    }

    [Fact]
    public async Task L13_A_roles_own_statements_give_nothing_to_an_administrator_that_is_no_superuser_either()
    {
        var database = bench.AdministeredBy(administrator);
        var user = await CreateAsync(database, "user");
        await DoAsync(await bench.OpenAsync(user, Cancellation), "CREATE FUNCTION who() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'");
        string[] statements = [$"REASSIGN OWNED BY \"{user.Username}\" TO CURRENT_USER", $"DROP OWNED BY \"{user.Username}\"", $"DROP ROLE \"{user.Username}\""];

        (await Should.ThrowAsync<DatabaseException>(() => engine.DropUserAsync(database, user.Username, statements, null, Cancellation))).Failure.ShouldBe(DatabaseFailure.StillOwns);

        (await bench.AskAsync<string>("SELECT who()", Cancellation)).ShouldBe(user.Username);
    }

    [Fact]
    public async Task L13_An_operator_that_a_user_made_is_not_what_the_administrators_queries_mean()
    {
        // It fits "oid = regclass" better than the server's own, and would run as whoever asks.
        var user = await CreateAsync(bench.Database, "user");
        await bench.DoAsync("GRANT CREATE ON SCHEMA public TO PUBLIC", Cancellation);
        await DoAsync(
            await bench.OpenAsync(user, Cancellation),
            $"""
            CREATE TABLE caught (who text);
            GRANT INSERT ON caught TO PUBLIC;
            CREATE FUNCTION catch(oid, regclass) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.caught VALUES (current_user); RETURN $1 = $2::oid; END';
            CREATE FUNCTION catch(oid, integer) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.caught VALUES (current_user); RETURN $1 = $2::oid; END';
            CREATE FUNCTION catch(name, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.caught VALUES (current_user); RETURN $1::text = $2; END';
            CREATE OPERATOR public.= (FUNCTION = catch, LEFTARG = oid, RIGHTARG = regclass);
            CREATE OPERATOR public.= (FUNCTION = catch, LEFTARG = oid, RIGHTARG = integer);
            """);

        await engine.FindUsersAsync(bench.Database, user.Username, Cancellation);
        await engine.SampleAsync(bench.Database, Cancellation);
        await engine.CountSessionsAsync(bench.Database, user.Username, Cancellation);
        (await bench.AskAsync<long>("SELECT count(*) FROM caught", Cancellation)).ShouldBe(0);
        await Should.ThrowAsync<DatabaseException>(() => engine.DropUserAsync(bench.Database, user.Username, [], null, Cancellation));
        await engine.DropUserAsync(bench.Database, user.Username, [], owner, Cancellation);

        (await bench.AskAsync<long>("SELECT count(*) FROM caught", Cancellation)).ShouldBe(0);
    }

    [Fact]
    public async Task L13_Migrations_go_on_over_a_rotation_and_everything_has_one_owner()
    {
        var database = bench.AdministeredBy(administrator);
        var issuer = new BuiltInIssuer(new DatabaseEngines(_ => engine));
        var role = new Role
        {
            Name = bench.Name,
            Database = "orders",
            Issuer = "built-in",
            CreationStatements = [$"CREATE ROLE \"{{{{name}}}}\" LOGIN PASSWORD '{{{{password}}}}' VALID UNTIL '{{{{expiration}}}}' IN ROLE \"{owner}\";"],
            OwnerRole = owner,
        };
        IssueOrder Order() => new(role, database, null, TimeProvider.System.GetUtcNow());

        var first = await issuer.IssueAsync(Order(), Cancellation);
        await DoAsync(
            await bench.OpenAsync(first.Login, Cancellation),
            "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (1); CREATE VIEW latest AS SELECT max(id) AS id FROM orders");

        // The pods of the next generation are there before those of the last are gone.
        var second = await issuer.IssueAsync(Order(), Cancellation);
        await issuer.RevokeAsync(new(role, database, first.Id), Cancellation);
        await DoAsync(
            await bench.OpenAsync(second.Login, Cancellation),
            "ALTER TABLE orders ADD COLUMN total numeric; INSERT INTO orders VALUES (2, 9.5); CREATE INDEX ON orders (total); CREATE OR REPLACE VIEW latest AS SELECT max(id) AS id FROM orders; CREATE TABLE lines (id int)");
        var third = await issuer.IssueAsync(Order(), Cancellation);
        await issuer.RevokeAsync(new(role, database, second.Id), Cancellation);
        await DoAsync(await bench.OpenAsync(third.Login, Cancellation), "DROP TABLE lines; ALTER TABLE orders DROP COLUMN total");

        (await bench.AskAsync<long>("SELECT count(*) FROM orders", Cancellation)).ShouldBe(2);
        (await bench.AskAsync<string>("SELECT string_agg(DISTINCT tableowner::text, ',') FROM pg_tables WHERE tablename = 'orders'", Cancellation)).ShouldBe(owner);

        // One that is somebody's by now is found out when the next user is made, and not when that one's things are to go there.
        await bench.DoAsync($"ALTER ROLE \"{owner}\" LOGIN", Cancellation);
        (await Should.ThrowAsync<IssuerException>(() => issuer.IssueAsync(Order(), Cancellation))).Message.ShouldContain("can log in");
        (await engine.FindUsersAsync(database, UserNames.Prefix(role.Name, 63), Cancellation)).Select(user => user.Username).ShouldBe([third.Login.Username]);
    }

    [Fact]
    public async Task Revoked_means_that_no_session_is_left_also_by_an_administrator_that_made_none_of_it()
    {
        var other = await bench.CreateLoginAsync("other", "CREATEROLE", Cancellation);
        var user = await CreateAsync(bench.AdministeredBy(administrator), "user");
        var stolen = await bench.OpenAsync(user, Cancellation);
        var database = bench.AdministeredBy(other);
        var newer = await bench.AskAsync<bool>("SELECT current_setting('server_version_num')::int >= 160000", Cancellation);

        // It says what it could not do, and does the rest: with pg_signal_backend the session ends although the login stays.
        if (newer)
        {
            var refusal = await Should.ThrowAsync<DatabaseException>(() => engine.ShutOutAsync(database, user.Username, Cancellation));
            refusal.Message.ShouldContain("can still log in");
            refusal.Message.ShouldContain("pg_signal_backend");
            (await engine.CountSessionsAsync(database, user.Username, Cancellation)).ShouldBe(1);
            await bench.DoAsync($"GRANT pg_signal_backend TO \"{other.Username}\"", Cancellation);
            (await Should.ThrowAsync<DatabaseException>(() => engine.ShutOutAsync(database, user.Username, Cancellation))).Message.ShouldContain("can still log in");
        }
        else
        {
            await engine.ShutOutAsync(database, user.Username, Cancellation);
        }

        (await PostgresFixture.AnswersAsync(stolen, Cancellation)).ShouldBeFalse();
        (await engine.CountSessionsAsync(database, user.Username, Cancellation)).ShouldBe(0);
    }

    [Fact]
    public async Task Sessions_that_are_left_of_a_dropped_user_are_counted_and_can_still_be_ended()
    {
        var user = await CreateAsync(bench.Database, "user");
        var session = await bench.OpenAsync(user, Cancellation);

        await engine.DropUserAsync(bench.Database, user.Username, [], null, Cancellation);

        (await engine.CountSessionsAsync(bench.Database, user.Username, Cancellation)).ShouldBe(1);
        await using var stranger = new PostgreSqlEngine(TimeProvider.System);
        (await stranger.CountSessionsAsync(bench.Database, user.Username, Cancellation))!.Value.ShouldBeGreaterThanOrEqualTo(1, "a replica that never saw it counts all that are nobody's");
        await engine.ShutOutAsync(bench.Database, user.Username, Cancellation);
        (await PostgresFixture.AnswersAsync(session, Cancellation)).ShouldBeFalse();
        (await engine.CountSessionsAsync(bench.Database, user.Username, Cancellation)).ShouldBe(0);
    }

    // A user of the role: it may create in the schema, and everything it could own, the owner role could too.
    private async Task<Login> CreateAsync(Database database, string suffix)
    {
        var user = new Login($"{bench.Name}-{suffix}", new("secret"));
        await engine.CreateUserAsync(
            database, user, [Creation(user), $"GRANT \"{owner}\" TO \"{user.Username}\"", $"GRANT ALL ON DATABASE {bench.Name} TO \"{owner}\"", $"GRANT ALL ON SCHEMA public TO \"{owner}\""], owner, Cancellation);
        return user;
    }

    private static string Creation(Login user) => $"CREATE ROLE \"{user.Username}\" LOGIN PASSWORD '{user.Password.Reveal()}'";

    private Task<long> OwnedByAsync(string role) => bench.AskAsync<long>(
        $"SELECT count(*) FROM pg_shdepend s WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND s.deptype = 'o' AND s.refobjid = '\"{role}\"'::regrole", Cancellation);

    private static async Task DoAsync(NpgsqlConnection session, string sql)
    {
        await using var command = new NpgsqlCommand(sql, session);
        await command.ExecuteNonQueryAsync(Cancellation);
    }
}

/// <summary>On the distribution's PostgreSQL.</summary>
public sealed class NothingGivenGrowsOnPostgreSqlTests(SharedServers servers) : NothingGivenGrowsTests
{
    protected override Task<LocalPostgres> ServerAsync() => servers.PostgresAsync();
}

/// <summary>On PostgreSQL 18, where administrators may do less to the users of others.</summary>
public sealed class NothingGivenGrowsOnPostgreSql18Tests(SharedServers servers) : NothingGivenGrowsTests
{
    protected override Task<LocalPostgres> ServerAsync() => servers.Postgres18Async();
}
