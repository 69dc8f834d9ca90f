namespace Broker.Api.Starting;

/// <summary>
/// Environment variables from which client libraries take settings that they are not given: meant for programs at a terminal, and inherited by the
/// broker by accident. Only the broker's configuration decides how it connects. MongoDB's and MySQL's clients have no such variables.
/// </summary>
internal static class ClientVariables
{
    /// <summary>Npgsql's (https://www.npgsql.org/doc/connection-string-parameters.html#environment-variables).</summary>
    internal static readonly string[] OfPostgreSql =
    [
        "PGUSER", "PGPASSWORD", "PGPASSFILE", "PGOPTIONS", "PGAPPNAME", "PGTARGETSESSIONATTRS", "PGSSLCERT", "PGSSLKEY", "PGSSLROOTCERT", "PGSSLNEGOTIATION", "PGGSSENCMODE", "PGREQUIREAUTH",
        "PGCLIENTENCODING", "PGTZ",
    ];

    /// <summary>
    /// StackExchange.Redis': which certificates of Redis are trusted, and which certificate the client presents
    /// (https://github.com/StackExchange/StackExchange.Redis, <c>GetAmbientIssuerCertificateCallback</c>).
    /// </summary>
    internal static readonly string[] OfRedis =
    [
        "SERedis_IssuerCertPath", "SERedis_ClientCertPfxPath", "SERedis_ClientCertPemPath", "SERedis_ClientCertPassword", "SERedis_ClientCertPasswordPath", "SERedis_ClientCertStorageFlags",
    ];

    /// <summary>
    /// Npgsql's files in the home directory, and what it takes from each when a connection string does not say it
    /// (https://www.npgsql.org/doc/security.html). The only way to keep Npgsql from reading them is a home directory without them.
    /// </summary>
    private static readonly (string Path, string What)[] AtHome =
        [(".pgpass", "a password"), (".postgresql/postgresql.crt", "a client certificate"), (".postgresql/postgresql.key", "a client certificate's key"), (".postgresql/root.crt", "the certificates it trusts")];

    /// <summary>Removes the variables from this process. Returns a warning for each one that was set, and for each file that is still read.</summary>
    public static IReadOnlyList<string> Forget() =>
        [.. Forget(OfPostgreSql, "PostgreSQL", "AdminConnectionString"), .. Forget(OfRedis, "Redis", "Ledger (CaFile, CertificateFile, KeyFile)"), .. Found()];

    private static IEnumerable<string> Found() =>
        from file in AtHome
        let path = Path.Combine(Environment.GetEnvironmentVariable("HOME") ?? "", file.Path)
        where Path.IsPathRooted(path) && File.Exists(path)
        select $"{path} exists, and the broker's connections to PostgreSQL take {file.What} from it unless AdminConnectionString says otherwise. Say it there, or move the file away.";

    private static IEnumerable<string> Forget(string[] names, string server, string setting)
    {
        var there = Array.FindAll(names, static name => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name)));
        foreach (var name in there) Environment.SetEnvironmentVariable(name, null);
        return there.Select(name => $"{name} is set in the environment and is ignored: {setting} alone says how the broker connects to {server}. Unset it.");
    }
}
