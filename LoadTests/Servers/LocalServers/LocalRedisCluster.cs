using DotNet.Testcontainers.Builders;
using StackExchange.Redis;

namespace LoadTests.Servers.LocalServers;

/// <summary>A private Redis Cluster of three masters on 127.0.0.1, all slots served, each with a replica where that is asked for; leaves nothing behind.</summary>
public sealed class LocalRedisCluster : IAsyncDisposable
{
    // A client connects to all members, and waits for one that is down for as long as connecting may take: that stays short.
    internal const string Patience = ",connectTimeout=5000,syncTimeout=60000,asyncTimeout=60000,connectRetry=5";

    private const int Masters = 3, Slots = 16_384;

    private static readonly TimeSpan StartWithin = ChildProcess.StartsWithin;

    private readonly IReadOnlyList<Node> nodes;
    private readonly IReadOnlyList<Node> replicas; // of the masters, in their order; or none

    private LocalRedisCluster(IReadOnlyList<Node> nodes, IReadOnlyList<Node> replicas) => (this.nodes, this.replicas) = (nodes, replicas);

    /// <summary>The ports of the masters of the start.</summary>
    public IReadOnlyList<int> Ports => [.. nodes.Select(node => node.Port)];

    /// <summary>The ports of all nodes.</summary>
    public IReadOnlyList<int> AllPorts => [.. nodes.Concat(replicas).Select(node => node.Port)];

    /// <summary>For StackExchange.Redis: all three masters.</summary>
    public string ConnectionString => string.Join(',', Ports.Select(port => $"127.0.0.1:{port}"));

    /// <summary>Starts three masters on free ports and joins them.</summary>
    /// <exception cref="ServerStartException">It did not start, or Redis is not installed.</exception>
    public static Task<LocalRedisCluster> StartAsync(CancellationToken cancellation = default) => StartAsync(withReplicas: false, cancellation);

    /// <inheritdoc cref="StartAsync(CancellationToken)"/>
    /// <param name="withReplicas">Each master has a replica, which has its data when this returns.</param>
    /// <param name="cancellation">Ends it.</param>
    public static Task<LocalRedisCluster> StartAsync(bool withReplicas, CancellationToken cancellation = default) => StartAsync(withReplicas, static () => [], cancellation);

    /// <inheritdoc cref="StartAsync(bool, CancellationToken)"/>
    /// <param name="withReplicas">As above.</param>
    /// <param name="options">Further options of the next node that is started.</param>
    /// <param name="cancellation">Ends it.</param>
    public static async Task<LocalRedisCluster> StartAsync(bool withReplicas, Func<IReadOnlyList<string>> options, CancellationToken cancellation = default)
    {
        var started = new List<Node>();
        try
        {
            for (var node = 0; node < (withReplicas ? 2 * Masters : Masters); node++)
                started.Add(await StartNodeAsync(options, cancellation));
            Node[] masters = [.. started.Take(Masters)], replicas = [.. started.Skip(Masters)];
            await JoinAsync(masters, cancellation);
            await FollowAsync(masters, replicas, cancellation);
            return new LocalRedisCluster(masters, replicas);
        }
        catch
        {
            foreach (var node in started)
                await node.Server.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Moves the slot of a key to the next master, as <c>redis-cli --cluster reshard</c> does: both know that it moves, its keys go
    /// over one by one, then all are told.
    /// </summary>
    /// <param name="key">Any key of the slot's.</param>
    /// <param name="pause">Between one key and the next, so that there is a time when the keys are in two places.</param>
    /// <param name="cancellation">Ends it in the middle.</param>
    public async Task MoveSlotAsync(string key, TimeSpan pause, CancellationToken cancellation = default)
    {
        var slot = (int)await AskAsync(nodes[0], "CLUSTER", "KEYSLOT", key);
        var owners = (RedisResult[])(await AskAsync(nodes[0], "CLUSTER", "SLOTS"))!;
        var range = owners.Select(owner => (RedisResult[])owner!).Single(owner => (int)owner[0] <= slot && slot <= (int)owner[1]);
        var from = nodes.Single(node => node.Port == (int)((RedisResult[])range[2]!)[1]);
        var to = nodes[(nodes.ToList().IndexOf(from) + 1) % Masters];
        string fromId = (await AskAsync(from, "CLUSTER", "MYID")).ToString(), toId = (await AskAsync(to, "CLUSTER", "MYID")).ToString();

        await AskAsync(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", fromId);
        await AskAsync(from, "CLUSTER", "SETSLOT", slot, "MIGRATING", toId);
        while ((string[]?)await AskAsync(from, "CLUSTER", "GETKEYSINSLOT", slot, 1) is [var next])
        {
            await AskAsync(from, "MIGRATE", "127.0.0.1", to.Port, next, 0, 5_000);
            await Task.Delay(pause, TimeProvider.System, cancellation);
        }

        foreach (var node in nodes.Where(node => node != to).Prepend(to))
            await AskAsync(node, "CLUSTER", "SETSLOT", slot, "NODE", toId);
    }

    /// <summary>The port of the master that has a key's slot.</summary>
    public async Task<int> MasterOfAsync(string key)
    {
        var slot = (int)await AskAsync(nodes[0], "CLUSTER", "KEYSLOT", key);
        var owners = (RedisResult[])(await AskAsync(nodes[0], "CLUSTER", "SLOTS"))!;
        return (int)((RedisResult[])owners.Select(owner => (RedisResult[])owner!).Single(owner => (int)owner[0] <= slot && slot <= (int)owner[1])[2]!)[1];
    }

    /// <summary>The one key that is like a pattern of Redis' <c>KEYS</c>, whichever master has it.</summary>
    /// <exception cref="InvalidOperationException">There is none, or more than one.</exception>
    public async Task<string> KeyLikeAsync(string pattern)
    {
        var found = new List<string>();
        foreach (var node in nodes) found.AddRange((string[])(await AskAsync(node, "KEYS", pattern))!);
        return found is [var key] ? key : throw new InvalidOperationException($"{found.Count} keys are like {pattern}.");
    }

    /// <summary>Has a node execute one command, as an administrator would.</summary>
    public async Task<string> ExecuteAsync(int port, string command, params object[] arguments) => (await AskAsync(NodeAt(port), command, arguments)).ToString();

    /// <summary>Holds a node: connections stay open and nothing answers.</summary>
    public Task PauseAsync(int port) => NodeAt(port).Server.PauseAsync();

    /// <summary>Lets a held node go on.</summary>
    public Task ResumeAsync(int port) => NodeAt(port).Server.ResumeAsync();

    /// <summary>Ends a node; its data, and what it knows of the others, stay.</summary>
    public Task StopAsync(int port) => NodeAt(port).Server.StopAsync();

    /// <summary>Ends a node at once, as a crash does: what it has not told its replica that never hears.</summary>
    public Task KillAsync(int port) => NodeAt(port).Server.KillAsync();

    /// <summary>Starts a node again on the same port, with the data it kept, and waits until it serves its slots.</summary>
    public async Task StartAgainAsync(int port, CancellationToken cancellation = default)
    {
        await NodeAt(port).Server.StartAsync(cancellation);
        await ServesAsync(NodeAt(port), cancellation);
    }

    /// <summary>
    /// The replica of a master hears nothing of it any more, and stays as it is: a member of a Cluster cannot be told to follow nobody, so
    /// it is to prove itself to its master as a user that its master does not know.
    /// </summary>
    public async Task CutOffAsync(int master, CancellationToken cancellation = default)
    {
        var replica = ReplicaOf(master);
        await AskAsync(replica, "CONFIG", "SET", "masteruser", "nobody", "masterauth", "none");
        await AskAsync(replica, "CLIENT", "KILL", "TYPE", "master");
        await Poll.UntilAsync(
            async _ => (await AskAsync(replica, "INFO", "replication")).ToString().Contains("master_link_status:down", StringComparison.Ordinal), StartWithin, "the replica to hear nothing", cancellation);
    }

    /// <summary>The port of a master's replica.</summary>
    public int ReplicaPortOf(int master) => ReplicaOf(master).Port;

    /// <summary>The replica of a master takes its place at once, whatever the others say.</summary>
    /// <returns>The new master's port.</returns>
    public async Task<int> TakeOverAsync(int master, CancellationToken cancellation = default)
    {
        var replica = ReplicaOf(master);
        await AskAsync(replica, "CLUSTER", "FAILOVER", "TAKEOVER");
        await Poll.UntilAsync(
            async _ => (await AskAsync(replica, "INFO", "replication")).ToString().Contains("role:master", StringComparison.Ordinal), StartWithin, "the replica to take over", cancellation);
        return replica.Port;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var node in nodes.Concat(replicas))
            await node.Server.DisposeAsync();
    }

    private Node ReplicaOf(int master) => replicas[nodes.ToList().FindIndex(node => node.Port == master)];

    private Node NodeAt(int port) => nodes.Concat(replicas).Single(node => node.Port == port);

    private static async Task<Node> StartNodeAsync(Func<IReadOnlyList<string>> more, CancellationToken cancellation)
    {
        var docker = await DockerEngine.IsUsedAsync();
        return await LoopbackPort.StartOnAsync(async port =>
        {
            var busPort = LoopbackPort.Take();
            string[] options =
            [
                "--cluster-enabled", "yes", "--cluster-port", busPort.ToString(null, null),
                "--cluster-config-file", "nodes.conf", "--save", "", "--appendonly", "yes", .. more(),
            ];
            // Members of a cluster name their addresses to clients, so containers must share our own network.
            IRedisHost server = docker
                ? new ContainerHost(() => new ContainerBuilder("redis:7-alpine")
                    .WithCreateParameterModifier(container => (container.HostConfig ??= new()).NetworkMode = "host")
                    .WithCommand(["redis-server", "--port", port.ToString(null, null), "--bind", "127.0.0.1", .. options])
                    .Build())
                : await RedisProcess.CreateAsync(port, options, StartWithin);
            try
            {
                await server.StartAsync(cancellation);
                return new Node(server, port, busPort);
            }
            catch
            {
                await server.DisposeAsync();
                throw;
            }
        });
    }

    private static async Task FollowAsync(Node[] masters, Node[] replicas, CancellationToken cancellation)
    {
        foreach (var (master, replica) in masters.Zip(replicas))
        {
            await AskAsync(masters[0], "CLUSTER", "MEET", "127.0.0.1", replica.Port, replica.BusPort);
            var id = (await AskAsync(master, "CLUSTER", "MYID")).ToString();
            await Poll.UntilAsync(
                async _ => (await AskAsync(replica, "CLUSTER", "NODES")).ToString().Contains(id, StringComparison.Ordinal), StartWithin, "a replica to know its master", cancellation);
            await AskAsync(replica, "CLUSTER", "REPLICATE", id);
        }

        foreach (var (master, replica) in masters.Zip(replicas))
        {
            await Poll.UntilAsync(
                async _ => (await AskAsync(replica, "INFO", "replication")).ToString().Contains("master_link_status:up", StringComparison.Ordinal)
                    && (await AskAsync(master, "INFO", "replication")).ToString().Contains("state=online", StringComparison.Ordinal),
                StartWithin,
                "a replica to have its master's data",
                cancellation);
        }
    }

    private static async Task JoinAsync(IReadOnlyList<Node> nodes, CancellationToken cancellation)
    {
        for (var index = 0; index < Masters; index++)
        {
            await AskAsync(nodes[index], "CLUSTER", "SET-CONFIG-EPOCH", index + 1);
            await AskAsync(nodes[index], "CLUSTER", "ADDSLOTSRANGE", Slots * index / Masters, (Slots * (index + 1) / Masters) - 1);
        }

        foreach (var other in nodes.Skip(1))
            await AskAsync(nodes[0], "CLUSTER", "MEET", "127.0.0.1", other.Port, other.BusPort);

        foreach (var node in nodes) await ServesAsync(node, cancellation);
    }

    private static Task ServesAsync(Node node, CancellationToken cancellation) => Poll.UntilAsync(
        async _ => (await AskAsync(node, "CLUSTER", "INFO")).ToString() is { } info
            && info.Contains("cluster_state:ok", StringComparison.Ordinal)
            && info.Contains("cluster_size:3", StringComparison.Ordinal),
        StartWithin,
        "the Redis Cluster to serve all its slots",
        cancellation);

    private static async Task<RedisResult> AskAsync(Node node, string command, params object[] arguments)
    {
        await using var connection = await ConnectionMultiplexer.ConnectAsync($"127.0.0.1:{node.Port},allowAdmin=true{Patience}");
        return await connection.GetServer("127.0.0.1", node.Port).ExecuteAsync(command, arguments);
    }

    private sealed record Node(IRedisHost Server, int Port, int BusPort);
}
