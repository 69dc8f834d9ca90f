using LoadTests.Servers.LocalServers;
using MySqlConnector;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs.Blocks;

/// <summary>SQL in a document runs on the real server, after what the document takes for granted.</summary>
public sealed class SqlBlocksTests(SqlBlocksTests.Server server) : IClassFixture<SqlBlocksTests.Server>
{
    // What stands on the reader's server before; all of it, and what a block makes, is undone on PostgreSQL.
    private static readonly Dictionary<string, string> Before = new(StringComparer.Ordinal)
    {
        ["docs/databases.md sql 1"] = "CREATE ROLE broker LOGIN CREATEROLE",
        ["docs/databases.md sql 2"] = "CREATE ROLE orders_owner NOLOGIN; CREATE ROLE \"b-orders-api-…\" LOGIN; GRANT CREATE ON SCHEMA public TO \"b-orders-api-…\"; SET ROLE \"b-orders-api-…\"; CREATE TABLE made_by_it (id int); RESET ROLE",
        ["docs/poolers.md sql 1"] = "",
        ["docs/rds.md sql 1"] = "CREATE ROLE rds_superuser",
    };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> ForPostgreSql => [.. DocumentBlock.NamesOf("sql").Where(static name => !IsForMySql(name))];

    public static TheoryData<string> ForMySql => [.. DocumentBlock.NamesOf("sql").Where(IsForMySql)];

    [Theory]
    [MemberData(nameof(ForPostgreSql))]
    public async Task A_block_runs_on_PostgreSQL(string name)
    {
        Before.ShouldContainKey(name, "say what stands on the server before");
        await using var connection = new NpgsqlConnection(server.Postgres.AdminConnectionString);
        await connection.OpenAsync(Cancellation);
        await using var transaction = await connection.BeginTransactionAsync(Cancellation);
        foreach (var sql in new[] { Before[name], DocumentBlock.Named(name).Text })
        {
            if (sql.Length == 0) continue;
            await using var command = new NpgsqlCommand(sql, connection, transaction);
            await command.ExecuteNonQueryAsync(Cancellation);
        }

        await transaction.RollbackAsync(Cancellation);
    }

    /// <summary>The statements that Vault is given drop a user with what it owns, and leave that to the owner.</summary>
    [Fact]
    public async Task What_Vault_is_told_to_revoke_by_runs_on_PostgreSQL()
    {
        using var example = new ShellExample();
        var (_, calls) = await example.RunAsync(DocumentBlock.Named("docs/databases.md sh 1").Text, new Dictionary<string, string>(), Cancellation);
        var statements = calls.ShouldHaveSingleItem().Single(word => word.StartsWith("revocation_statements=", StringComparison.Ordinal)).Split('=', 2)[1];
        await using var connection = new NpgsqlConnection(server.Postgres.AdminConnectionString);
        await connection.OpenAsync(Cancellation);
        await using var transaction = await connection.BeginTransactionAsync(Cancellation);
        await using var command = new NpgsqlCommand(
            $"{Before["docs/databases.md sql 2"]}; {statements.Replace("{{name}}", "b-orders-api-…", StringComparison.Ordinal)}; SELECT tableowner::text FROM pg_tables WHERE tablename = 'made_by_it'", connection, transaction);
        (await command.ExecuteScalarAsync(Cancellation)).ShouldBe("orders_owner");
        await transaction.RollbackAsync(Cancellation);
    }

    [Theory]
    [MemberData(nameof(ForMySql))]
    public async Task A_block_runs_on_MariaDB(string name)
    {
        // Of its own: accounts are the whole server's.
        await using var mariaDb = await LocalMariaDb.StartAsync(cancellation: Cancellation);
        await using var connection = new MySqlConnection(mariaDb.AdminConnectionString);
        await connection.OpenAsync(Cancellation);
        foreach (var sql in new[] { "CREATE PROCEDURE mysql.rds_kill(IN thread BIGINT) BEGIN END", "CREATE DATABASE IF NOT EXISTS app", DocumentBlock.Named(name).Text })
        {
            await using var command = new MySqlCommand(sql, connection);
            await command.ExecuteNonQueryAsync(Cancellation);
        }
    }

    private static bool IsForMySql(string name) => DocumentBlock.Named(name).Text.Contains("'@'", StringComparison.Ordinal);

    /// <summary>A server of these tests' own: roles are the whole server's, and the documents' names are plain ones.</summary>
    public sealed class Server : IAsyncLifetime
    {
        internal LocalPostgres Postgres { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 20 }, TestContext.Current.CancellationToken);

        public ValueTask DisposeAsync() => Postgres.DisposeAsync();
    }
}
