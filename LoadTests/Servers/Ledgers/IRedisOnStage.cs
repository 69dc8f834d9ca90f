namespace LoadTests.Servers.Ledgers;

/// <summary>
/// The Redis that a stage's replicas share, whatever servers it is made of. One of them decides: the only one, the primary, or the node
/// of a Cluster that has the ledger's slot; whatever is said of it goes for the one that does so at that moment.
/// </summary>
internal interface IRedisOnStage
{
    /// <summary>For StackExchange.Redis.</summary>
    string ConnectionString { get; }

    /// <summary>Executes a command on every server, as an administrator would.</summary>
    Task ExecuteAsync(string command, params object[] arguments);

    /// <summary>Holds the server that decides: connections stay open and nothing answers.</summary>
    Task PauseAsync();

    /// <summary>Lets the held server go on.</summary>
    Task ResumeAsync();

    /// <summary>Ends the server that decides; its data stay.</summary>
    Task StopAsync();

    /// <summary>Starts the ended server again, with the data it kept.</summary>
    Task StartAgainAsync(CancellationToken cancellation);

    /// <summary>Ends the server that decides and starts it again, with all servers emptied.</summary>
    Task RestartEmptyAsync(CancellationToken cancellation);

    /// <summary>Holds the copy of the server that decides.</summary>
    Task PauseCopyAsync();

    /// <summary>Cuts the copy off from the server that decides: it stays as it is.</summary>
    Task CutOffCopyAsync(CancellationToken cancellation);

    /// <summary>Moves the ledger's slot to another node of a Cluster, key by key.</summary>
    /// <param name="pause">Between one key and the next.</param>
    /// <param name="cancellation">Ends it in the middle.</param>
    Task MoveSlotAsync(TimeSpan pause, CancellationToken cancellation);

    /// <summary>Kills the server that decides; its copy takes its place at once, with the data it has.</summary>
    Task FailOverAsync(CancellationToken cancellation);
}
