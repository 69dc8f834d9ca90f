namespace LoadTests.Servers.LocalServers;

/// <summary>What runs one server: a process of ours, or a container.</summary>
internal interface IServerHost : IAsyncDisposable
{
    /// <summary>Where its data and its log are; null in a container.</summary>
    string? Directory { get; }

    /// <summary>Starts it, first or again, always on the same port; returns when it answers.</summary>
    Task StartAsync(CancellationToken cancellation);

    /// <summary>Ends it; its data stay.</summary>
    Task StopAsync();
}

/// <summary>What tests also do to Redis.</summary>
internal interface IRedisHost : IServerHost
{
    /// <summary>Ends it at once, as a crash does. Whether its data stay is not said.</summary>
    Task KillAsync();

    /// <summary>Removes its data. It is stopped.</summary>
    Task EmptyAsync();

    /// <summary>Holds it: connections stay open and nothing answers.</summary>
    Task PauseAsync();

    /// <summary>Lets it go on.</summary>
    Task ResumeAsync();
}
