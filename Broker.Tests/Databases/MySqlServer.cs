using LoadTests.Servers.LocalServers;
using MySqlConnector;

namespace Broker.Tests.Databases;

/// <summary>A server of the MySQL family and its administrator, wherever it comes from.</summary>
/// <param name="Administrator">The administrator's connection string, for MySqlConnector: address and password.</param>
public sealed record MySqlServer(string Administrator)
{
    /// <summary>
    /// The variable that names a running MySQL for the tests, as a MySqlConnector connection string:
    /// <c>Server=…;Port=3306;User ID=root;Password=…</c>. Its user needs all privileges with GRANT OPTION.
    /// </summary>
    public const string Variable = "BROKER_TEST_MYSQL";

    /// <summary>Our own MariaDB.</summary>
    public static MySqlServer Of(LocalMariaDb server) => new(server.AdminConnectionString);

    /// <summary>The server the variable names, or else one in a container; null when there is neither.</summary>
    public static async Task<MySqlServer?> NamedAsync(SharedServers servers) =>
        Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named ? new(named)
        : await servers.MySqlAsync() is { } container ? new(container.AdminConnectionString)
        : null;
}
