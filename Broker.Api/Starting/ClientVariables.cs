namespace Broker.Api.Starting;

/// <summary>
/// Environment variables that Npgsql takes what a connection string does not say from (https://www.npgsql.org/doc/connection-string-parameters.html#environment-variables):
/// meant for programs at a terminal, and inherited by the broker by chance. What an administrator's connection is stands in its string alone.
/// </summary>
internal static class ClientVariables
{
    private static readonly string[] Names =
    [
        "PGUSER", "PGPASSWORD", "PGPASSFILE", "PGOPTIONS", "PGAPPNAME", "PGTARGETSESSIONATTRS", "PGSSLCERT", "PGSSLKEY", "PGSSLROOTCERT", "PGSSLNEGOTIATION", "PGGSSENCMODE", "PGREQUIREAUTH",
        "PGCLIENTENCODING", "PGTZ",
    ];

    /// <summary>Takes them out of this process, and answers which there were, in words.</summary>
    public static IReadOnlyList<string> Forget()
    {
        var there = Array.FindAll(Names, static name => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name)));
        foreach (var name in there) Environment.SetEnvironmentVariable(name, null);
        return Array.ConvertAll(there, static name => $"{name} is set in the environment and is not used: what the broker's connections to PostgreSQL are stands in AdminConnectionString. Take it out.");
    }
}
