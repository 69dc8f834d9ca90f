using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Bench;

/// <summary>The strongest rival of a claim: a login read from a Vault agent's cache, which knows neither the caller nor how much the database can take.</summary>
internal sealed class VaultAgent : IAsyncDisposable
{
    private readonly LocalVault vault;
    private readonly LocalVaultAgent agent;

    private VaultAgent(LocalVault vault, LocalVaultAgent agent, string path)
    {
        this.vault = vault;
        this.agent = agent;
        Path = path;
        // Without tokens: the agent caches by the whole request, so pods with tokens of their own would each get a login of their own.
        Target = new(ClaimRate.Agent, HttpMethod.Get, new Uri(agent.Address, $"/v1/{path}"), [], () => Task.FromResult(ProcessorTime.Of(agent.ProcessId)));
    }

    public Target Target { get; }

    /// <summary>What it is asked for.</summary>
    public string Path { get; }

    /// <summary>Where it listens.</summary>
    public Uri Address => agent.Address;

    /// <inheritdoc cref="LocalVaultAgent.MustCacheAsync"/>
    public Task MustCacheAsync(CancellationToken cancellation) => agent.MustCacheAsync(Path, cancellation);

    /// <summary>Starts one with nothing in its cache. Null when no program is named.</summary>
    public static async Task<VaultAgent?> StartAsync(LocalPostgres postgres, CancellationToken cancellation)
    {
        var vault = await LocalVault.StartAsync(cancellation);
        if (vault is null) return null;
        try
        {
            var path = await vault.ServeAsync(
                postgres, StageSettings.RoleName, StageSettings.StandardStatements, TimeSpan.FromHours(1), TimeSpan.FromHours(24), cancellation);
            if (await LocalVaultAgent.StartAsync(vault, path, cancellation) is { } agent) return new(vault, agent, path);
        }
        catch
        {
            await vault.DisposeAsync();
            throw;
        }

        await vault.DisposeAsync();
        return null;
    }

    public async ValueTask DisposeAsync()
    {
        await agent.DisposeAsync();
        await vault.DisposeAsync();
    }
}
