namespace LoadTests.Servers.Ledgers;

/// <summary>
/// The Redis that a stage's replicas share, whatever servers it is made of. One of them decides: the only one, the primary, or the node
/// of a Cluster that has the ledger's slot; whatever is said of it goes for the one that does so at that moment.
/// </summary>
internal interface IRedisOnStage
{
    /// <summary>For StackExchange.Redis.</summary>
    string ConnectionString { get; }

    /// <summary>Has every server execute a command, as an administrator would.</summary>
    Task ExecuteAsync(string command, params object[] arguments);

    /// <summary>Holds the server that decides: connections stay open and nothing answers.</summary>
    Task PauseAsync();

    /// <summary>Lets what is held go on.</summary>
    Task ResumeAsync();

    /// <summary>Ends the server that decides; its data stay.</summary>
    Task StopAsync();

    /// <summary>Starts again what was ended, with the data it kept.</summary>
    Task StartAgainAsync(CancellationToken cancellation);

    /// <summary>Ends the server that decides, and starts it again with nothing in any of them.</summary>
    Task RestartEmptyAsync(CancellationToken cancellation);

    /// <summary>Holds the copy of the server that decides.</summary>
    Task PauseCopyAsync();

    /// <summary>The copy hears nothing of the server that decides any more, and stays as it is.</summary>
    Task CutOffCopyAsync(CancellationToken cancellation);

    /// <summary>What decides moves to another node of a Cluster, key by key.</summary>
    /// <param name="pause">Between one key and the next.</param>
    /// <param name="cancellation">Ends it in the middle.</param>
    Task MoveSlotAsync(TimeSpan pause, CancellationToken cancellation);

    /// <summary>The server that decides is killed, and its copy takes its place at once, with what it has.</summary>
    Task FailOverAsync(CancellationToken cancellation);
}
