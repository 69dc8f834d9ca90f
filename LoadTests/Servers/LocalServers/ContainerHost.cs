using DotNet.Testcontainers.Containers;

namespace LoadTests.Servers.LocalServers;

/// <summary>A server in a container, its port bound to one on loopback.</summary>
/// <param name="create">Makes a container, not started; called again when its data are to be gone.</param>
internal sealed class ContainerHost(Func<IContainer> create) : IRedisHost
{
    private IContainer container = create();

    public string? Directory => null;

    public async Task StartAsync(CancellationToken cancellation)
    {
        try
        {
            await container.StartAsync(cancellation);
        }
        catch (Exception failure) when (failure is not OperationCanceledException)
        {
            throw new ServerStartException($"A container did not start: {failure.Message}", failure)
            {
                PortTaken = failure.Message.Contains("already allocated", StringComparison.OrdinalIgnoreCase)
                    || failure.Message.Contains("address already in use", StringComparison.OrdinalIgnoreCase),
            };
        }
    }

    public Task StopAsync() => container.StopAsync(CancellationToken.None);

    // What is removed while it runs is killed.
    public Task KillAsync() => EmptyAsync();

    public async Task EmptyAsync()
    {
        await container.DisposeAsync();
        container = create();
    }

    public Task PauseAsync() => container.PauseAsync(CancellationToken.None);

    public Task ResumeAsync() => container.UnpauseAsync(CancellationToken.None);

    public ValueTask DisposeAsync() => container.DisposeAsync();
}
