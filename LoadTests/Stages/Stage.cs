using System.Text.Json.Nodes;
using LoadTests.Engines;
using LoadTests.LocalServers;

namespace LoadTests.Stages;

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

    public LocalRedis? Redis { get; private set; }

    public LocalVault? Vault { get; private set; }

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
        if (settings.Issuer == IssuerKind.Vault)
            await SetVaultAsync(cancellation);
        if (settings.Replicas == 0)
            return;
        if (settings.Ledger == LedgerKind.Redis)
            Redis = Keep(await LocalRedis.StartAsync(cancellation: cancellation));

        var shared = Keep(await PrivateDirectory.CreateAsync("replicas", owner: null));
        var sealing = await shared.MakeAsync("sealing");
        var starts = Enumerable.Range(1, settings.Replicas).Select(replica => LocalBroker.StartAsync(
            new()
            {
                Configuration = ConfigurationOf(replica, sealing, shared.Path),
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

    private JsonObject ConfigurationOf(int replica, string sealingDirectory, string auditDirectory)
    {
        var configuration = BrokerConfiguration.For(settings, this, sealingDirectory, Path.Combine(auditDirectory, $"audit-{replica}.jsonl"));
        settings.Configure?.Invoke(replica, configuration);
        return configuration;
    }

    private async Task SetVaultAsync(CancellationToken cancellation)
    {
        Vault = Keep(await LocalVault.StartAsync(cancellation)
            ?? throw new ServerStartException($"There is no Vault here: {LocalVault.HowToGetOne}."));
        VaultPath = await Vault.ServeAsync(
            Database is LocalPostgres postgres ? postgres : throw new ServerStartException("Vault is set up here for PostgreSQL only: leave --vault or --engine away."),
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
