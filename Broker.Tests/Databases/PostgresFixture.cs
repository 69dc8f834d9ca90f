using Broker.Core.Catalog;
using Broker.Core.Model;
using Broker.Core.Operators;
using LoadTests.Servers.LocalServers;
using Npgsql;

namespace Broker.Tests.Databases;

/// <summary>A database of a test's own in a PostgreSQL server, with its superuser at hand. Names are unique on the server.</summary>
public sealed class PostgresFixture : IAsyncDisposable
{
    private readonly LocalPostgres server;
    private readonly List<NpgsqlConnection> sessions = [];

    private PostgresFixture(LocalPostgres server, string name)
    {
        this.server = server;
        Name = name;
        Database = new()
        {
            Name = "orders",
            Engine = DatabaseEngineKind.PostgreSql,
            Host = server.Host,
            Port = server.Port,
            DatabaseName = name,
            AdminConnectionString = new($"Username={server.AdminUsername};Password={server.AdminPassword}"),
            Budget = new(),
            Issuing = new(),
        };
    }

    /// <summary>The name of the database on the server, and a prefix for names of users that no other test uses.</summary>
    public string Name { get; }

    /// <summary>The database, as the catalog would have it, with the superuser as administrator.</summary>
    public Database Database { get; }

    public static async Task<PostgresFixture> StartAsync(LocalPostgres server, CancellationToken cancellation)
    {
        var bench = new PostgresFixture(server, $"t{Guid.NewGuid():N}"[..16]);
        await bench.DoInAsync(server.Database, $"CREATE DATABASE {bench.Name}", cancellation);
        return bench;
    }

    /// <summary>The same database with another administrator.</summary>
    public Database AdministeredBy(Login administrator) => Database with
    {
        AdminConnectionString = new($"Username={administrator.Username};Password={administrator.Password.Reveal()}"),
    };

    /// <summary>Makes a login of this bench, by the superuser.</summary>
    public async Task<Login> CreateLoginAsync(string suffix, string attributes, CancellationToken cancellation)
    {
        var login = new Login($"{Name}-{suffix}", new($"pw{Guid.NewGuid():N}"));
        await DoAsync($"CREATE ROLE \"{login.Username}\" LOGIN PASSWORD '{login.Password.Reveal()}' {attributes}", cancellation);
        return login;
    }

    /// <summary>Runs a statement as the superuser in this bench's database.</summary>
    public Task DoAsync(string sql, CancellationToken cancellation) => DoInAsync(Name, sql, cancellation);

    /// <summary>Runs a statement as the superuser in a database of the server.</summary>
    public async Task DoInAsync(string databaseName, string sql, CancellationToken cancellation)
    {
        await using var connection = new NpgsqlConnection(Superuser(databaseName));
        await connection.OpenAsync(cancellation);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Asks for one value as the superuser in this bench's database; null stays null.</summary>
    public async Task<T?> AskAsync<T>(string sql, CancellationToken cancellation)
    {
        await using var connection = new NpgsqlConnection(Superuser(Name));
        await connection.OpenAsync(cancellation);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(cancellation) is T value ? value : default;
    }

    /// <summary>Opens a session; it is closed with the bench.</summary>
    /// <param name="login">Whose; null: the superuser's.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="databaseName">In this database; null: the bench's.</param>
    public async Task<NpgsqlConnection> OpenAsync(Login? login, CancellationToken cancellation, string? databaseName = null)
    {
        var connection = new NpgsqlConnection(login is null
            ? Superuser(databaseName ?? Name)
            : Text(login.Username, login.Password.Reveal(), databaseName ?? Name));
        sessions.Add(connection);
        await connection.OpenAsync(cancellation);
        return connection;
    }

    /// <summary>Whether a session still answers.</summary>
    public static async Task<bool> AnswersAsync(NpgsqlConnection session, CancellationToken cancellation)
    {
        try
        {
            await using var command = new NpgsqlCommand("SELECT 1", session);
            await command.ExecuteNonQueryAsync(cancellation);
            return true;
        }
        catch (Exception exception) when (exception is NpgsqlException or InvalidOperationException)
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var session in sessions)
            await session.DisposeAsync();
        await DoInAsync(server.Database, $"DROP DATABASE {Name} WITH (FORCE)", CancellationToken.None);
    }

    private string Superuser(string databaseName) => Text(server.AdminUsername, server.AdminPassword, databaseName);

    private string Text(string username, string password, string databaseName) => new NpgsqlConnectionStringBuilder
    {
        Host = server.Host,
        Port = server.Port,
        Username = username,
        Password = password,
        Database = databaseName,
        Pooling = false,
    }.ConnectionString;
}
