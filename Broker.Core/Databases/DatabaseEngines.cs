using Broker.Core.Words;

namespace Broker.Core.Databases;

/// <summary>The engines of this version.</summary>
public sealed class DatabaseEngines(IEnumerable<IDatabaseEngine> engines)
{
    private readonly Dictionary<DatabaseEngineKind, IDatabaseEngine> byKind = engines.ToDictionary(engine => engine.Kind);

    /// <summary>The engine of a kind.</summary>
    /// <exception cref="KeyNotFoundException">This version has none; the catalog refuses such databases.</exception>
    public IDatabaseEngine this[DatabaseEngineKind kind] => byKind[kind];
}
