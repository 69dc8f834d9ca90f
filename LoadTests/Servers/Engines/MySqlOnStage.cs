using System.Data.Common;
using System.Globalization;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using MySqlConnector;

namespace LoadTests.Servers.Engines;

/// <summary>MySQL, played by MariaDB.</summary>
internal sealed class MySqlOnStage : Engine
{
    public override string Kind => "MySql";

    public override string Product => "MariaDB";

    public override IReadOnlyList<string> CreationStatements { get; } =
    [
        "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON app.* TO '{{name}}'@'%'",
    ];

    public override string LimitQuery => "SELECT @@max_connections";

    // A server shows no application's name: all that are not the administrator's are the pods'.
    public override string WatchQuery =>
        """
        SELECT User FROM mysql.user WHERE Host <> '';
        SELECT COUNT(*) FROM information_schema.PROCESSLIST
        WHERE USER NOT IN ('system user', 'event_scheduler', 'unauthenticated user', SUBSTRING_INDEX(CURRENT_USER(), '@', 1))
        """;

    public override string WhoAmIQuery => "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)";

    public override async Task<ILocalDatabase> StartAsync(StageSettings settings, CancellationToken cancellation) =>
        await LocalMariaDb.StartAsync(new() { MaxConnections = settings.MaxConnections }, cancellation);

    public override string Client(ILocalDatabase server) =>
        $"mariadb -h {server.Host} -P {server.Port} -u {server.AdminUsername} -p{server.AdminPassword} {server.Database}";

    public override string ConnectionString(ILocalDatabase server, string username, string password) => new MySqlConnectionStringBuilder
    {
        Server = server.Host,
        Port = (uint)server.Port,
        Database = server.Database,
        UserID = username,
        Password = password,
    }.ConnectionString;

    public override DbConnection Connect(string connectionString, string application) => new MySqlConnection(
        new MySqlConnectionStringBuilder(connectionString) { Pooling = false, ApplicationName = application, ConnectionTimeout = 60 }.ConnectionString);

    public override string? Refusal(DbException exception) => exception is MySqlException { InnerException: null } refused
        ? string.Create(CultureInfo.InvariantCulture, $"{(int)refused.ErrorCode} {refused.Message}")
        : null;
}
