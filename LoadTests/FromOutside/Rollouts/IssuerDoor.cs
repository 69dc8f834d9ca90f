using System.Data.Common;
using LoadTests.Servers.Engines;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Rollouts;

/// <summary>
/// A rollout without the broker: each pod gets a database user of its own, from Vault where there is one, else created the
/// way Vault does it: the role's statements in a transaction, one user at a time (its plugins hold a lock; without it grants
/// collide in PostgreSQL with "tuple concurrently updated"). A pod is not told how many connections there are.
/// </summary>
internal sealed class IssuerDoor : IDoor, IAsyncDisposable
{
    private readonly RolloutSettings settings;
    private readonly Engine engine;
    private readonly ILocalDatabase server;
    private readonly LocalVault? vault;
    private readonly string? vaultPath;
    private readonly SemaphoreSlim oneAtATime = new(1, 1);
    private DbConnection? administrator;

    public IssuerDoor(RolloutSettings settings, Stage stage)
    {
        this.settings = settings;
        engine = stage.Engine;
        server = stage.Database;
        vault = stage.Vault;
        vaultPath = stage.VaultPath;
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
        catch (Exception failure) when (failure is DbException or HttpRequestException)
        {
            return new Refused("issuer-failed", null, failure.Message);
        }

        return new Grant(username, engine.ConnectionString(server, username, password), settings.Connections, null, null);
    }

    public Task<Answer> RenewAsync(int pod, Grant grant, CancellationToken cancellation) => Task.FromResult<Answer>(grant);

    public Task ReleaseAsync(int pod, Grant grant, CancellationToken cancellation) => Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (administrator is not null)
            await administrator.DisposeAsync();
        oneAtATime.Dispose();
    }

    private async Task<(string Username, string Password)> CreateUserAsync(int pod, int ask, CancellationToken cancellation)
    {
        var username = $"v-pod-{pod}-{ask}-{Guid.NewGuid():N}"[..30];
        var password = Guid.NewGuid().ToString("N");
        await oneAtATime.WaitAsync(cancellation);
        try
        {
            await RunAsync(username, password, cancellation);
        }
        finally
        {
            oneAtATime.Release();
        }

        return (username, password);
    }

    private async Task RunAsync(string username, string password, CancellationToken cancellation)
    {
        if (administrator is null)
        {
            administrator = engine.Connect(server.AdminConnectionString, "issuer");
            await administrator.OpenAsync(cancellation);
        }

        await using var transaction = await administrator.BeginTransactionAsync(cancellation);
        foreach (var template in engine.CreationStatements)
        {
            var statement = template
                .Replace("{{name}}", username, StringComparison.Ordinal)
                .Replace("{{password}}", password, StringComparison.Ordinal)
                .Replace("{{expiration}}", "infinity", StringComparison.Ordinal);
            await using var command = administrator.CreateCommand();
            (command.CommandText, command.Transaction) = (statement, transaction);
            await command.ExecuteNonQueryAsync(cancellation);
        }

        await transaction.CommitAsync(cancellation);
    }
}
