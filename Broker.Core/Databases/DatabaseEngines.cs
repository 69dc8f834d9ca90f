using Broker.Core.Model;

namespace Broker.Core.Databases;

/// <summary>The engines of this version, each made when it is first asked for: the driver of an engine that no database has is never loaded.</summary>
/// <param name="make">Answers the engine of a kind, the same each time; throws when this version has none, and the catalog refuses such databases.</param>
public sealed class DatabaseEngines(Func<DatabaseEngineKind, IDatabaseEngine> make)
{
    /// <summary>The engine of a kind.</summary>
    public IDatabaseEngine this[DatabaseEngineKind kind] => make(kind);
}
