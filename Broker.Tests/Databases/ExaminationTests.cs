using Broker.Core.Databases;
using Broker.Core.Databases.MySql;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Model;
using Broker.Core.Operators;
using LoadTests.Servers.LocalServers;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>What is found in real servers, and that the SQL mends it.</summary>
public sealed class ExaminationTests(SharedServers servers)
{
    private const string TooMuchForMemory = "max_connections is more than the memory allows";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task On_PostgreSQL_a_user_with_rights_of_its_own_that_owns_things_and_sleeps_in_a_transaction_is_found()
    {
        await using var bench = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        var login = await bench.CreateLoginAsync("pod", "", Cancellation);
        await bench.DoInAsync(bench.Name, $"CREATE TABLE invoices (id int); GRANT SELECT ON invoices TO \"{login.Username}\"; CREATE TABLE mine (id int); ALTER TABLE mine OWNER TO \"{login.Username}\"", Cancellation);

        var found = await engine.ExamineAsync(bench.Database, [login.Username], Cancellation);

        found.Single(finding => finding.Title == "Each user is granted its rights individually").Words.ShouldContain("invoices");
        var owner = found.Single(finding => finding.Title == "A temporary user owns objects");
        owner.Words.ShouldContain("mine");
        owner.Sql.ShouldNotBeNull().ShouldContain($"REASSIGN OWNED BY \"{login.Username}\"");
        (await engine.ExamineAsync(bench.Database, ["nobody-of-that-name"], Cancellation)).ShouldNotContain(finding => finding.Title.Contains("owns", StringComparison.Ordinal));

        await bench.DoInAsync(bench.Name, owner.Sql.Replace("app_owner", "CURRENT_USER", StringComparison.Ordinal), Cancellation);
        (await engine.ExamineAsync(bench.Database, [login.Username], Cancellation)).ShouldNotContain(finding => finding.Title.Contains("owns", StringComparison.Ordinal), "its SQL mended it");
    }

    [Fact]
    public async Task On_PostgreSQL_the_group_that_is_advised_is_one_that_the_administrator_may_put_its_users_into()
    {
        await using var bench = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        var admin = await bench.CreateLoginAsync("admin", "CREATEROLE", Cancellation);
        var pod = await bench.CreateLoginAsync("pod", "", Cancellation);
        await bench.DoAsync($"CREATE TABLE invoices (id int); GRANT SELECT ON invoices TO \"{pod.Username}\"", Cancellation);

        var found = await engine.ExamineAsync(bench.AdministeredBy(admin), [pod.Username], Cancellation);

        var sql = found.Single(finding => finding.Title == "Each user is granted its rights individually").Sql.ShouldNotBeNull();
        sql.ShouldContain($"GRANT app_rw TO \"{admin.Username}\" WITH ADMIN OPTION;", customMessage: "without it a server from version 16 on lets it put nobody into the group");
        await bench.DoAsync(sql.Replace("app_rw", bench.Name + "_rw", StringComparison.Ordinal), Cancellation);
        var another = new Login(bench.Name + "-another", new("secret"));
        await engine.CreateUserAsync(bench.AdministeredBy(admin), another, [$"CREATE ROLE \"{another.Username}\" LOGIN PASSWORD 'secret' IN ROLE {bench.Name}_rw"], null, Cancellation);
        (await bench.AskAsync<bool>($"SELECT has_table_privilege('{another.Username}', 'invoices', 'INSERT')", Cancellation)).ShouldBeTrue();
    }

    [Theory]
    [InlineData(DatabaseEngineKind.PostgreSql, "GRANT app_rw TO broker WITH ADMIN OPTION;")]
    [InlineData(DatabaseEngineKind.MySql, "GRANT app_rw TO 'broker'@'%' WITH ADMIN OPTION;")]
    public void What_is_advised_of_a_roles_own_statements_lets_the_administrator_grant_the_group(DatabaseEngineKind engine, string grant) =>
        ExaminationDesk.InPlaceOfGrants(engine).ShouldContain(grant);

    [Fact]
    public async Task On_PostgreSQL_an_access_list_near_the_limit_of_its_row_is_found_before_it_stops_all_issuing()
    {
        await using var bench = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        await bench.DoInAsync(bench.Name, "CREATE TABLE crowded (id int)", Cancellation);
        var made = 0;
        try
        {
            // The server compresses a long list: how many fit is its own matter, and the GRANT that does not fit any more fails this test.
            Finding? finding = null;
            while (finding is null)
            {
                await bench.DoInAsync(bench.Name, All("CREATE ROLE %1$I; GRANT SELECT ON crowded TO %1$I", made, made += 100), Cancellation);
                finding = (await engine.ExamineAsync(bench.Database, [$"{bench.Name}-acl-1"], Cancellation)).FirstOrDefault(finding => finding.Title == "An access list is near the limit of a row");
            }

            finding.Kind.ShouldBeOneOf(FindingKind.Warning, FindingKind.Critical);
            finding.Words.ShouldContain("crowded");
            finding.Sql.ShouldNotBeNull().ShouldContain("CREATE ROLE app_rw NOLOGIN");
        }
        finally
        {
            await bench.DoInAsync(bench.Name, "DROP TABLE crowded", CancellationToken.None);
            await bench.DoInAsync(bench.Name, All("DROP ROLE IF EXISTS %1$I", 0, made), CancellationToken.None);
        }

        string All(string statements, int from, int to) =>
            $"DO $$ BEGIN FOR n IN {from}..{to - 1} LOOP EXECUTE format('{statements}', '{bench.Name}-acl-' || n); END LOOP; END $$";
    }

    [Fact]
    public async Task On_PostgreSQL_another_way_for_pods_than_for_the_broker_is_found()
    {
        await using var bench = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        var settings = new NpgsqlConnectionStringBuilder(bench.Database.AdminConnectionString.Reveal()) { Host = bench.Database.Host, Port = bench.Database.Port, Database = bench.Name };

        var found = await engine.ExamineAsync(bench.Database with { Host = "pooler", Port = 6432, AdminConnectionString = new(settings.ConnectionString) }, [], Cancellation);

        found.Single(finding => finding.Title == "Something is between the broker and the server").Words.ShouldContain("Pods connect to pooler:6432");
        (await engine.ExamineAsync(bench.Database, [], Cancellation)).ShouldNotContain(finding => finding.Title == "Something is between the broker and the server");
    }

    [Fact]
    public async Task On_PostgreSQL_more_connections_than_there_is_memory_for_are_found()
    {
        await using var bench = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);
        await bench.DoInAsync(bench.Name, $"ALTER DATABASE \"{bench.Name}\" SET work_mem = '1GB'; ALTER DATABASE \"{bench.Name}\" SET effective_cache_size = '2GB'", Cancellation);
        await using (var engine = new PostgreSqlEngine(TimeProvider.System))
        {
            var finding = (await engine.ExamineAsync(bench.Database, [], Cancellation)).Single(found => found.Title == TooMuchForMemory);
            finding.Words.ShouldContain("effective_cache_size assumes 2 GB");
            finding.Sql.ShouldNotBeNull().ShouldContain("ALTER SYSTEM SET max_connections = 20;");
        }

        await bench.DoInAsync(bench.Name, $"ALTER DATABASE \"{bench.Name}\" SET work_mem = '64kB'; ALTER DATABASE \"{bench.Name}\" SET effective_cache_size = '64GB'", Cancellation);
        await using var mended = new PostgreSqlEngine(TimeProvider.System);
        (await mended.ExamineAsync(bench.Database, [], Cancellation)).ShouldNotContain(found => found.Title == TooMuchForMemory);
    }

    [Fact]
    public async Task On_MariaDB_more_connections_than_there_is_memory_for_are_found_and_its_SQL_mends_it()
    {
        await using var server = await LocalMariaDb.StartAsync(
            new() { MaxConnections = 500, Settings = new Dictionary<string, string> { ["innodb_buffer_pool_size"] = "128M", ["sort_buffer_size"] = "2M" } }, Cancellation);
        await using var bench = await MySqlFixture.StartAsync(MySqlServer.Of(server), Cancellation);
        await using var engine = new MySqlEngine(TimeProvider.System);

        var finding = (await engine.ExamineAsync(bench.Database, [], Cancellation)).Single(found => found.Title == TooMuchForMemory);

        finding.Words.ShouldContain("more than InnoDB has for all data (128 MB)");
        await bench.DoAsync(finding.Sql.ShouldNotBeNull().Split(';')[0], Cancellation);
        (await engine.ExamineAsync(bench.Database, [], Cancellation)).ShouldNotContain(found => found.Title == TooMuchForMemory);
    }

    [Fact]
    public async Task On_MariaDB_the_role_that_is_advised_is_one_that_the_administrator_may_grant()
    {
        await using var bench = await MySqlFixture.StartAsync(MySqlServer.Of(await servers.MariaDbAsync()), Cancellation);
        await using var engine = new MySqlEngine(TimeProvider.System);
        var admin = await bench.CreateLoginAsync("admin", "", Cancellation);
        await bench.DoAsync($"GRANT CREATE USER, PROCESS ON *.* TO '{admin.Username}'@'%'; GRANT SELECT ON mysql.user TO '{admin.Username}'@'%'", Cancellation);
        var pod = await bench.CreateLoginAsync("pod", "", Cancellation);
        for (var table = 0; table < 6; table++)
            await bench.DoAsync($"CREATE TABLE {bench.Name}.t{table} (id int); GRANT SELECT ON {bench.Name}.t{table} TO '{pod.Username}'@'%'", Cancellation);

        // A DBA looks, and runs what it is told, with the broker's administrator in it.
        var found = await engine.ExamineAsync(bench.Database, [pod.Username], Cancellation);
        var sql = found.Single(finding => finding.Title == "Each user is granted its rights individually").Sql.ShouldNotBeNull();
        sql.ShouldContain("WITH ADMIN OPTION;");
        sql.ShouldContain("UPDATE ON mysql.*", customMessage: "SET DEFAULT ROLE for another account needs it");
        sql.ShouldNotContain("SET DEFAULT ROLE app_rw TO", customMessage: "that is MySQL's");
        var (root, role) = (await bench.AskAsync<string>("SELECT CONCAT('`', REPLACE(CURRENT_USER(), '@', '`@`'), '`')", Cancellation), bench.Name + "_rw");
        foreach (var line in sql.Replace("app_rw", role, StringComparison.Ordinal).Replace("app.*", $"{bench.Name}.*", StringComparison.Ordinal).Replace(root!, $"'{admin.Username}'@'%'", StringComparison.Ordinal).Split('\n').Where(line => !line.StartsWith("--", StringComparison.Ordinal)))
            await bench.DoAsync(line, Cancellation);
        await bench.DoAsync($"GRANT UPDATE ON mysql.* TO '{admin.Username}'@'%'", Cancellation);

        var another = new Login(bench.Name + "-another", new("secret"));
        await engine.CreateUserAsync(
            bench.AdministeredBy(admin), another,
            [$"CREATE USER '{another.Username}'@'%' IDENTIFIED BY 'secret'", $"GRANT {role} TO '{another.Username}'@'%'", $"SET DEFAULT ROLE {role} FOR '{another.Username}'@'%'"], null, Cancellation);
        await engine.TryLoginAsync(bench.Database, another, Cancellation);
        await bench.DoAsync($"DROP ROLE {role}; DROP USER '{another.Username}'@'%', '{admin.Username}'@'%', '{pod.Username}'@'%'", Cancellation);
    }

    [Fact]
    public async Task On_MariaDB_rights_on_many_tables_and_definers_are_found()
    {
        await using var bench = await MySqlFixture.StartAsync(MySqlServer.Of(await servers.MariaDbAsync()), Cancellation);
        await using var engine = new MySqlEngine(TimeProvider.System);
        var login = await bench.CreateLoginAsync("pod", "", Cancellation);
        for (var table = 0; table < 6; table++)
        {
            await bench.DoAsync($"CREATE TABLE {bench.Name}.t{table} (id int)", Cancellation);
            await bench.DoAsync($"GRANT SELECT ON {bench.Name}.t{table} TO '{login.Username}'@'%'", Cancellation);
        }

        await bench.DoAsync($"CREATE DEFINER = '{login.Username}'@'%' VIEW {bench.Name}.v AS SELECT 1 AS one", Cancellation);

        var found = await engine.ExamineAsync(bench.Database, [login.Username], Cancellation);

        found.Single(finding => finding.Title == "Each user is granted its rights individually").Words.ShouldContain("6 rights on single tables");
        found.Single(finding => finding.Title == "A temporary user defines objects").Words.ShouldContain($"view {bench.Name}.v");
        (await engine.ExamineAsync(bench.Database, ["nobody-of-that-name"], Cancellation)).ShouldNotContain(finding => finding.Kind == FindingKind.Warning && finding.Title.Contains("defines", StringComparison.Ordinal));
    }
}
