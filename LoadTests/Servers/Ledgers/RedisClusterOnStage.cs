using LoadTests.Servers.LocalServers;

namespace LoadTests.Servers.Ledgers;

/// <summary>A Cluster; of its three masters, the one that has the records of the stage's database decides.</summary>
internal sealed class RedisClusterOnStage(LocalRedisCluster cluster) : IRedisOnStage
{
    // The brokers choose the tag that puts a database's keys into one slot, by what its server says of itself.
    private const string Records = "broker:*:holders";

    private int touched;

    public string ConnectionString => cluster.ConnectionString;

    public async Task ExecuteAsync(string command, params object[] arguments)
    {
        foreach (var port in cluster.AllPorts) await cluster.ExecuteAsync(port, command, arguments);
    }

    public async Task PauseAsync() => await cluster.PauseAsync(await TouchAsync());

    public async Task PauseCopyAsync() => await cluster.PauseAsync(touched = cluster.ReplicaPortOf(await MasterAsync()));

    public Task ResumeAsync() => cluster.ResumeAsync(touched);

    public async Task StopAsync() => await cluster.StopAsync(await TouchAsync());

    public Task StartAgainAsync(CancellationToken cancellation) => cluster.StartAgainAsync(touched, cancellation);

    public async Task RestartEmptyAsync(CancellationToken cancellation)
    {
        // A node that loses what it knows of the others leaves the Cluster: it is emptied, then ended and started again.
        await TouchAsync();
        foreach (var master in cluster.Ports) await cluster.ExecuteAsync(master, "FLUSHALL");
        await cluster.StopAsync(touched);
        await StartAgainAsync(cancellation);
    }

    public async Task CutOffCopyAsync(CancellationToken cancellation) => await cluster.CutOffAsync(await MasterAsync(), cancellation);

    public async Task FailOverAsync(CancellationToken cancellation)
    {
        var master = await TouchAsync();
        await cluster.KillAsync(master);
        await cluster.TakeOverAsync(master, cancellation);
    }

    public async Task MoveSlotAsync(TimeSpan pause, CancellationToken cancellation) => await cluster.MoveSlotAsync(await cluster.KeyLikeAsync(Records), pause, cancellation);

    private async Task<int> MasterAsync() => await cluster.MasterOfAsync(await cluster.KeyLikeAsync(Records));

    private async Task<int> TouchAsync() => touched = await MasterAsync();
}
