using Broker.Core.Catalog;
using Broker.Core.Model;
using Broker.Core.Operators;
using MySqlConnector;

namespace Broker.Tests.Databases;

/// <summary>A database of a test's own in a server of the MySQL family, with its administrator at hand. Names are unique on the server.</summary>
public sealed class MySqlFixture : IAsyncDisposable
{
    private readonly MySqlConnectionStringBuilder administrator;
    private readonly List<MySqlConnection> sessions = [];

    private MySqlFixture(MySqlServer server, string name)
    {
        administrator = new(server.Administrator) { Database = "", Pooling = false };
        Name = name;
        Database = new()
        {
            Name = "orders",
            Engine = DatabaseEngineKind.MySql,
            Host = administrator.Server,
            Port = (int)administrator.Port,
            DatabaseName = name,
            AdminConnectionString = new(WithoutPlace(server.Administrator)),
            Budget = new(),
            Issuing = new(),
        };
    }

    /// <summary>The name of the database on the server, and a prefix for names of users that no other test uses.</summary>
    public string Name { get; }

    /// <summary>The database, as the catalog would have it.</summary>
    public Database Database { get; }

    // Its server and port are the pods'.
    private static string WithoutPlace(string connectionString)
    {
        var settings = new MySqlConnectionStringBuilder(connectionString);
        foreach (var key in new[] { "Server", "Port", "Database" }) settings.Remove(key);
        return settings.ConnectionString;
    }

    public static async Task<MySqlFixture> StartAsync(MySqlServer server, CancellationToken cancellation)
    {
        var bench = new MySqlFixture(server, $"t{Guid.NewGuid():N}"[..11]);
        await bench.DoAsync($"CREATE DATABASE {bench.Name} CHARACTER SET utf8mb4", cancellation);
        return bench;
    }

    /// <summary>The same database with another administrator.</summary>
    public Database AdministeredBy(Login login) => Database with
    {
        AdminConnectionString = new($"User ID={login.Username};Password={login.Password.Reveal()}"),
    };

    /// <summary>Makes a login of this bench, by the administrator; it may use this bench's database.</summary>
    public async Task<Login> CreateLoginAsync(string suffix, string attributes, CancellationToken cancellation, string host = "%")
    {
        var login = new Login($"{Name}-{suffix}", new($"pw{Guid.NewGuid():N}"));
        await DoAsync($"CREATE USER '{login.Username}'@'{host}' IDENTIFIED BY '{login.Password.Reveal()}' {attributes}", cancellation);
        await DoAsync($"GRANT ALL ON {Name}.* TO '{login.Username}'@'{host}'", cancellation);
        return login;
    }

    /// <summary>Runs statements as the administrator.</summary>
    public async Task DoAsync(string sql, CancellationToken cancellation)
    {
        await using var connection = new MySqlConnection(administrator.ConnectionString + ";AllowUserVariables=true");
        await connection.OpenAsync(cancellation);
        await DoAsync(connection, sql, cancellation);
    }

    /// <summary>Runs statements in a session.</summary>
    public static async Task DoAsync(MySqlConnection session, string sql, CancellationToken cancellation)
    {
        await using var command = new MySqlCommand(sql, session);
        await command.ExecuteNonQueryAsync(cancellation);
    }

    /// <summary>Asks for one value as the administrator; null stays null.</summary>
    public async Task<T?> AskAsync<T>(string sql, CancellationToken cancellation)
    {
        await using var connection = new MySqlConnection(administrator.ConnectionString + ";AllowUserVariables=true");
        await connection.OpenAsync(cancellation);
        await using var command = new MySqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(cancellation) is { } value and not DBNull
            ? (T)Convert.ChangeType(value, typeof(T), System.Globalization.CultureInfo.InvariantCulture)
            : default;
    }

    /// <summary>Opens a session; it is closed with the bench.</summary>
    /// <param name="login">Whose; null: the administrator's.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task<MySqlConnection> OpenAsync(Login? login, CancellationToken cancellation)
    {
        var settings = new MySqlConnectionStringBuilder(administrator.ConnectionString) { Database = Name, AllowUserVariables = true };
        if (login is not null) (settings.UserID, settings.Password) = (login.Username, login.Password.Reveal());
        var connection = new MySqlConnection(settings.ConnectionString);
        sessions.Add(connection);
        await connection.OpenAsync(cancellation);
        return connection;
    }

    /// <summary>Whether a session still answers.</summary>
    public static async Task<bool> AnswersAsync(MySqlConnection session, CancellationToken cancellation)
    {
        try
        {
            await using var command = new MySqlCommand("SELECT 1", session);
            await command.ExecuteScalarAsync(cancellation);
            return true;
        }
        catch (Exception exception) when (exception is MySqlException or InvalidOperationException)
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var session in sessions)
            await session.DisposeAsync();
        // A server that was full counts a session for a moment longer than its client does.
        await Eventually.HoldsAsync(DropsAsync, "the server has room for who drops the database", CancellationToken.None);
    }

    private async Task<bool> DropsAsync()
    {
        try
        {
            await DoAsync($"DROP DATABASE {Name}", CancellationToken.None);
            return true;
        }
        catch (MySqlException full) when (full.ErrorCode == MySqlErrorCode.ConnectionCountError)
        {
            return false;
        }
    }
}
