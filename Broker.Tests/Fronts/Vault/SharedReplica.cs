using Broker.Tests.Security;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>A replica for those tests of a class that leave nothing behind in it: each asks as a pod of its own.</summary>
public sealed class SharedReplica : IAsyncLifetime
{
    private readonly BrokerWorld world = new();
    private int pods;

    internal HttpClient Client { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Client = await world.ReplicaAsync();

    public ValueTask DisposeAsync() => world.DisposeAsync();

    /// <summary>A client that has logged in as a pod that nobody else is.</summary>
    internal Task<VaultCaller> CallerAsync() => VaultCaller.OfPodAsync(world, Client, $"uid-{Interlocked.Increment(ref pods)}");
}
