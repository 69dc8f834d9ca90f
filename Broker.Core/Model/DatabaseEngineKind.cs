namespace Broker.Core.Model;

/// <summary>Which server program a database runs on.</summary>
public enum DatabaseEngineKind
{
    /// <summary>PostgreSQL and what speaks its protocol.</summary>
    PostgreSql,

    /// <summary>MySQL and MariaDB.</summary>
    MySql,

    /// <summary>MongoDB.</summary>
    MongoDb,
}
