using System.Data.Common;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;

namespace LoadTests.Servers.Engines;

/// <summary>What differs between database engines on a stage and in a rollout.</summary>
internal abstract class Engine
{
    /// <summary>The engines, by their names on the command line.</summary>
    public static readonly IReadOnlyDictionary<string, Engine> All = new Dictionary<string, Engine>
    {
        ["postgresql"] = new PostgreSqlOnStage(),
        ["mysql"] = new MySqlOnStage(),
    };

    /// <summary>The engine that is used when none is named.</summary>
    public static Engine Usual => All["postgresql"];

    /// <summary>Its name in the broker's configuration.</summary>
    public abstract string Kind { get; }

    /// <summary>The name of the server program, for people.</summary>
    public abstract string Product { get; }

    /// <summary>How a user is made, in Vault's template language: the same with and without the broker.</summary>
    public abstract IReadOnlyList<string> CreationStatements { get; }

    /// <summary>Asks for the connections that ordinary users can have.</summary>
    public abstract string LimitQuery { get; }

    /// <summary>Asks in two results for the names of all users, and for the number of connections that pods have.</summary>
    public abstract string WatchQuery { get; }

    /// <summary>Asks who is logged in.</summary>
    public abstract string WhoAmIQuery { get; }

    /// <summary>Starts a server.</summary>
    public abstract Task<ILocalDatabase> StartAsync(StageSettings settings, CancellationToken cancellation);

    /// <summary>What a person types to look into a server.</summary>
    public abstract string Client(ILocalDatabase server);

    /// <summary>A connection string for a user.</summary>
    public abstract string ConnectionString(ILocalDatabase server, string username, string password);

    /// <summary>A connection that is closed when it is disposed of, not opened yet.</summary>
    /// <param name="connectionString">For the engine's .NET driver.</param>
    /// <param name="application">Names the connection to the server.</param>
    public abstract DbConnection Connect(string connectionString, string application);

    /// <summary>The server's number and words for a refusal; null when it was not the server that refused.</summary>
    public abstract string? Refusal(DbException exception);
}
