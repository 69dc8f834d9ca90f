using LoadTests.LocalServers;
using LoadTests.Stages;
using Npgsql;

namespace LoadTests.Rollouts;

/// <summary>
/// A rollout without the broker: each pod gets a database user of its own, from Vault where there is one, else created the
/// way Vault does it: the role's statements in a transaction, one user at a time (its PostgreSQL plugin holds a lock; without
/// it grants collide with "tuple concurrently updated"). Nobody tells a pod how many connections there are.
/// </summary>
internal sealed class IssuerDoor : IDoor, IAsyncDisposable
{
    private readonly RolloutSettings settings;
    private readonly LocalPostgres postgres;
    private readonly LocalVault? vault;
    private readonly string? vaultPath;
    private readonly NpgsqlDataSource administrator;

    public IssuerDoor(RolloutSettings settings, Stage stage)
    {
        this.settings = settings;
        postgres = stage.Postgres;
        vault = stage.Vault;
        vaultPath = stage.VaultPath;
        administrator = NpgsqlDataSource.Create(
            new NpgsqlConnectionStringBuilder(stage.Postgres.AdminConnectionString) { MinPoolSize = 1, MaxPoolSize = 1, Timeout = 60 });
    }

    public async Task<Answer> AskAsync(int pod, int ask, CancellationToken cancellation)
    {
        string username, password;
        try
        {
            (username, password) = vault is null
                ? await CreateUserAsync(pod, ask, cancellation)
                : await vault.ReadCredentialsAsync(vaultPath!, cancellation);
        }
        catch (Exception failure) when (failure is NpgsqlException or HttpRequestException)
        {
            return new Refused("issuer-failed", null, failure.Message);
        }

        var connectionString = new NpgsqlConnectionStringBuilder
        {
            Host = postgres.Host,
            Port = postgres.Port,
            Database = postgres.Database,
            Username = username,
            Password = password,
        };
        return new Grant(username, connectionString.ConnectionString, settings.Connections, null, null);
    }

    public Task<Answer> RenewAsync(int pod, Grant grant, CancellationToken cancellation) => Task.FromResult<Answer>(grant);

    public Task ReleaseAsync(int pod, Grant grant, CancellationToken cancellation) => Task.CompletedTask;

    public ValueTask DisposeAsync() => administrator.DisposeAsync();

    private async Task<(string Username, string Password)> CreateUserAsync(int pod, int ask, CancellationToken cancellation)
    {
        var username = $"v-pod-{pod}-{ask}-{Guid.NewGuid():N}";
        var password = Guid.NewGuid().ToString("N");
        await using var connection = await administrator.OpenConnectionAsync(cancellation);
        await using var transaction = await connection.BeginTransactionAsync(cancellation);
        foreach (var template in StageSettings.StandardStatements)
        {
            var statement = template
                .Replace("{{name}}", username, StringComparison.Ordinal)
                .Replace("{{password}}", password, StringComparison.Ordinal)
                .Replace("{{expiration}}", "infinity", StringComparison.Ordinal);
            await using var command = new NpgsqlCommand(statement, connection, transaction);
            await command.ExecuteNonQueryAsync(cancellation);
        }

        await transaction.CommitAsync(cancellation);
        return (username, password);
    }
}
