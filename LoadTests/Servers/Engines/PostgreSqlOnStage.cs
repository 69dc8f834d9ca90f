using System.Data.Common;
using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using Npgsql;

namespace LoadTests.Servers.Engines;

/// <summary>PostgreSQL.</summary>
internal sealed class PostgreSqlOnStage : Engine
{
    public override string Kind => "PostgreSql";

    public override string Product => "PostgreSQL";

    public override IReadOnlyList<string> CreationStatements { get; } =
    [
        """CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'""",
        """GRANT USAGE ON SCHEMA public TO "{{name}}" """,
        """GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO "{{name}}" """,
    ];

    public override string LimitQuery =>
        """
        SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
             - coalesce(current_setting('reserved_connections', true)::int, 0)
        """;

    public override string WatchQuery =>
        $"""
        SELECT rolname::text FROM pg_roles;
        SELECT count(*)::int FROM pg_stat_activity WHERE application_name = '{Pod.ApplicationName}'
        """;

    public override string WhoAmIQuery => "SELECT current_user::text";

    public override async Task<ILocalDatabase> StartAsync(StageSettings settings, CancellationToken cancellation) => await LocalPostgres.StartAsync(
        new() { MaxConnections = settings.MaxConnections, Settings = settings.PostgresSettings, StartWithin = settings.PostgresWithin }, cancellation);

    public override string Client(ILocalDatabase server) =>
        $"psql 'postgresql://{server.AdminUsername}:{server.AdminPassword}@{server.Host}:{server.Port}/{server.Database}'";

    public override string ConnectionString(ILocalDatabase server, string username, string password) => new NpgsqlConnectionStringBuilder
    {
        Host = server.Host,
        Port = server.Port,
        Database = server.Database,
        Username = username,
        Password = password,
    }.ConnectionString;

    public override DbConnection Connect(string connectionString, string application) => new NpgsqlConnection(
        new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, ApplicationName = application, Timeout = 60 }.ConnectionString);

    public override string? Refusal(DbException exception) => exception is PostgresException refused ? $"{refused.SqlState} {refused.MessageText}" : null;
}
