using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>What servers of the MySQL family say of themselves.</summary>
internal static class ServerFacts
{
    /// <summary>The variable that is on where only administrators may write, as on a replica.</summary>
    public const string ReadOnly = "read_only";

    /// <summary>Whether the server is MariaDB: it, and a service that runs it, have the name in their version.</summary>
    public static bool IsMariaDb(MySqlConnection connection) => connection.ServerVersion.Contains("MariaDB", StringComparison.OrdinalIgnoreCase);

    /// <summary>The meaning of <see cref="ReadOnly"/>; recent versions of MariaDB have several degrees of it.</summary>
    public static bool IsReadOnly(string value) => value is not ("OFF" or "0" or "");
}
