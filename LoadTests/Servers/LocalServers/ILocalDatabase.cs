namespace LoadTests.Servers.LocalServers;

/// <summary>A private database server, whatever its engine.</summary>
public interface ILocalDatabase : IAsyncDisposable
{
    /// <summary>Where it listens: always 127.0.0.1.</summary>
    string Host { get; }

    /// <summary>The port it listens on.</summary>
    int Port { get; }

    /// <summary>The name of the database on the server: <c>app</c>.</summary>
    string Database { get; }

    /// <summary>The user with all rights.</summary>
    string AdminUsername { get; }

    /// <summary>Its password, made for this server.</summary>
    string AdminPassword { get; }

    /// <summary>Its connection to the database, for the engine's .NET driver.</summary>
    string AdminConnectionString { get; }
}
