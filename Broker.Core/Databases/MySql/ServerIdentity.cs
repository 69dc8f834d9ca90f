namespace Broker.Core.Databases.MySql;

/// <summary>Identifies a server, whatever name it is reached by.</summary>
internal static class ServerIdentity
{
    /// <summary>The variables that identify it.</summary>
    /// <remarks>
    /// MySQL's <c>server_uuid</c> is each server's own (https://dev.mysql.com/doc/refman/8.4/en/replication-options.html), on Amazon Aurora
    /// together with <c>aurora_server_id</c>, which each instance of a cluster has. MariaDB has none: there the machine's name, the
    /// port and the data directory have to do, with <c>server_uid</c> (https://mariadb.com/kb/en/server-system-variables/#server_uid)
    /// if there is one.
    /// </remarks>
    public static IReadOnlyList<string> Variables { get; } = ["server_uuid", "aurora_server_id", "server_uid", "hostname", "port", "datadir"];

    /// <summary>Combines them; null: the server says too little.</summary>
    public static string? Of(IReadOnlyDictionary<string, string> variables)
    {
        string Said(string name) => variables.GetValueOrDefault(name, "");
        if (Said("server_uuid") is { Length: > 0 } uuid) return $"mysql {uuid} {Said("aurora_server_id")}".TrimEnd();
        return Said("hostname").Length > 0 && Said("port").Length > 0 ? $"mariadb {Said("server_uid")} {Said("hostname")}:{Said("port")} {Said("datadir")}" : null;
    }
}
