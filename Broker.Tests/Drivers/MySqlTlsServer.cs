using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Model;
using LoadTests.Servers.LocalServers;
using MySqlConnector;
using Xunit;

namespace Broker.Tests.Drivers;

/// <summary>A server with a certificate, that takes connections with TLS and without.</summary>
public sealed class MySqlTlsServer : IAsyncLifetime
{
    private LocalMariaDb? mariadb;
    private static int logins;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public Certificates Certificates { get; } = new();

    public string Socket { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        var (certificate, key) = Certificates.Write("server", "mysql");
        mariadb = await LocalMariaDb.StartAsync(
            new()
            {
                MaxConnections = 100,
                Settings = new Dictionary<string, string>
                {
                    ["performance_schema"] = "ON",
                    ["ssl_cert"] = certificate,
                    ["ssl_key"] = key,
                    ["ssl_ca"] = Certificates.AuthorityFile,
                },
            },
            Cancellation);
        await using var connection = await OpenAsync(mariadb);
        await using var command = new MySqlCommand("SELECT @@socket", connection);
        Socket = (string)(await command.ExecuteScalarAsync(Cancellation))!;
    }

    public Task<(Database Database, Login Login)> CreateAsync(string databaseName, string password, string more = "") => CreateAsync(mariadb!, databaseName, password, more);

    public static async Task<(Database Database, Login Login)> CreateAsync(LocalMariaDb mariadb, string databaseName, string password, string more = "")
    {
        var login = new Login($"user-{Interlocked.Increment(ref logins)}", new(password));
        await using var connection = await OpenAsync(mariadb);
        await using (var user = new MySqlCommand($"CREATE USER '{login.Username}'@'%' IDENTIFIED BY '{password.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "''", StringComparison.Ordinal)}' {more}", connection))
            await user.ExecuteNonQueryAsync(Cancellation);
        var quoted = $"`{databaseName.Replace("`", "``", StringComparison.Ordinal)}`";
        await using (var create = new MySqlCommand($"CREATE DATABASE IF NOT EXISTS {quoted}; GRANT ALL ON *.* TO '{login.Username}'@'%'", connection))
            await create.ExecuteNonQueryAsync(Cancellation);
        return (
            MySqlDrivers.PlainDatabase with
            {
                Host = mariadb.Host,
                Port = mariadb.Port,
                DatabaseName = databaseName,
                AdminConnectionString = new($"User ID={mariadb.AdminUsername};Password={mariadb.AdminPassword}"),
            },
            login);
    }

    public async ValueTask DisposeAsync()
    {
        if (mariadb is not null) await mariadb.DisposeAsync();
        Certificates.Dispose();
    }

    private static async Task<MySqlConnection> OpenAsync(LocalMariaDb mariadb)
    {
        var connection = new MySqlConnection(new MySqlConnectionStringBuilder
        {
            Server = mariadb.Host,
            Port = (uint)mariadb.Port,
            UserID = mariadb.AdminUsername,
            Password = mariadb.AdminPassword,
            Pooling = false,
            AllowUserVariables = true,
        }.ConnectionString);
        await connection.OpenAsync(Cancellation);
        return connection;
    }
}
