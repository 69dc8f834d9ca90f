using System.Text.Json.Nodes;
using LoadTests.Servers.Engines;
using LoadTests.Servers.Ledgers;
using LoadTests.Servers.LocalServers;

namespace LoadTests.Servers.Stages;

/// <summary>A database and, in front of it, the broker's replicas: all of it private, real, and gone when disposed of.</summary>
internal sealed class Stage : IAsyncDisposable
{
    private readonly List<IAsyncDisposable> started = [];
    private readonly StageSettings settings;

    private Stage(StageSettings settings) => this.settings = settings;

    public ILocalDatabase Database { get; private set; } = null!;

    /// <summary>The database as PostgreSQL, which it is unless another engine was asked for.</summary>
    public LocalPostgres Postgres => (LocalPostgres)Database;

    public Engine Engine => settings.Engine;

    public LocalIdentity Identity { get; private set; } = null!;

    /// <summary>The only Redis, or the first of two; null with a Cluster, and without any.</summary>
    public LocalRedis? Redis { get; private set; }

    /// <summary>The Redis that the replicas share, whatever it is made of; null: there is none.</summary>
    public IRedisOnStage? Ledger { get; private set; }

    /// <summary>The replicas' audit, a file each.</summary>
    public IReadOnlyList<string> AuditFiles { get; private set; } = [];

    /// <summary>Between pods and database, with <see cref="StageSettings.PoolSize"/>.</summary>
    public LocalPgBouncer? PgBouncer { get; private set; }

    public LocalVault? Vault { get; private set; }

    /// <summary>The double of Vault, with <see cref="IssuerKind.SimulatedVault"/>.</summary>
    public SimulatedVault? SimulatedVault { get; private set; }

    /// <summary>What Vault is asked for: <c>…/creds/…</c>.</summary>
    public string? VaultPath { get; private set; }

    public IReadOnlyList<LocalBroker> Brokers { get; private set; } = [];

    /// <exception cref="ServerStartException">A server did not start, or Vault is wanted and there is none.</exception>
    public static async Task<Stage> SetAsync(StageSettings settings, CancellationToken cancellation)
    {
        var stage = new Stage(settings);
        try
        {
            await stage.SetAsync(cancellation);
            return stage;
        }
        catch
        {
            await stage.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        for (var last = started.Count - 1; last >= 0; last--)
            await started[last].DisposeAsync();
    }

    private async Task SetAsync(CancellationToken cancellation)
    {
        Database = Keep(await settings.Engine.StartAsync(settings, cancellation));
        Identity = Keep(await LocalIdentity.StartAsync(cancellation: cancellation));
        if (settings.PoolSize is not null)
            PgBouncer = Keep(await LocalPgBouncer.StartAsync(Postgres, new() { MaxClients = 3000, ReadsUsers = settings.UserList }, cancellation));
        if (settings.Issuer == IssuerKind.Vault)
            await SetVaultAsync(cancellation);
        if (settings.Issuer == IssuerKind.SimulatedVault)
            await SetSimulatedVaultAsync();
        if (settings.Replicas == 0)
            return;
        await SetLedgerAsync(cancellation);

        var shared = Keep(await PrivateDirectory.CreateAsync("replicas", owner: null));
        var sealing = await shared.MakeAsync("sealing");
        AuditFiles = [.. Enumerable.Range(1, settings.Replicas).Select(replica => Path.Combine(shared.Path, $"audit-{replica}.jsonl"))];
        var starts = Enumerable.Range(1, settings.Replicas).Select(replica => LocalBroker.StartAsync(
            new()
            {
                Configuration = ConfigurationOf(replica, sealing, AuditFiles[replica - 1]),
                Program = settings.Program,
                StartedBy = settings.StartedBy,
                Environment = settings.EnvironmentOf?.Invoke(replica) ?? new Dictionary<string, string>(),
                LogFile = settings.LogDirectory is { } logs ? Path.Combine(logs, $"broker-{replica}.log") : null,
            },
            cancellation)).ToList();
        try
        {
            Brokers = await Task.WhenAll(starts);
        }
        finally
        {
            // One that failed does not leave the others running.
            foreach (var start in starts.Where(start => start.IsCompletedSuccessfully))
                Keep(await start);
        }
    }

    private async Task SetLedgerAsync(CancellationToken cancellation)
    {
        switch (settings.Ledger)
        {
            case LedgerKind.Redis:
                Redis = Keep(await LocalRedis.StartAsync(cancellation: cancellation));
                Ledger = new RedisOnStage(Redis, copy: null);
                break;
            case LedgerKind.RedisWithReplica:
                Redis = Keep(await LocalRedis.StartAsync(cancellation: cancellation));
                var copy = Keep(await LocalRedis.StartAsync(cancellation: cancellation));
                await copy.FollowAsync(Redis, cancellation);
                Ledger = new RedisOnStage(Redis, copy);
                break;
            case LedgerKind.RedisCluster or LedgerKind.RedisMasters:
                Ledger = new RedisClusterOnStage(Keep(await LocalRedisCluster.StartAsync(withReplicas: settings.Ledger == LedgerKind.RedisCluster, cancellation)));
                break;
        }
    }

    private JsonObject ConfigurationOf(int replica, string sealingDirectory, string auditFile)
    {
        var configuration = BrokerConfiguration.For(settings, this, sealingDirectory, auditFile);
        settings.Configure?.Invoke(replica, configuration);
        return configuration;
    }

    private async Task SetSimulatedVaultAsync()
    {
        SimulatedVault = Keep(await LocalServers.SimulatedVault.StartAsync());
        VaultPath = $"database/creds/{StageSettings.RoleName}";
        SimulatedVault.AddRole(PostgresRole.On(
            Database.AdminConnectionString, VaultPath, TimeSpan.FromHours(1), TimeSpan.FromHours(24), settings.CreationStatements));
    }

    private async Task SetVaultAsync(CancellationToken cancellation)
    {
        Vault = Keep(await LocalVault.StartAsync(cancellation)
            ?? throw new ServerStartException($"There is no Vault here: {LocalVault.HowToGetOne}."));
        VaultPath = await Vault.ServeAsync(
            Database is LocalPostgres postgres ? postgres : throw new ServerStartException("Vault is set up here for PostgreSQL only: omit --vault or --engine."),
            StageSettings.RoleName,
            settings.CreationStatements,
            TimeSpan.FromHours(1),
            TimeSpan.FromHours(24),
            cancellation);
    }

    private T Keep<T>(T server)
        where T : IAsyncDisposable
    {
        started.Add(server);
        return server;
    }
}
