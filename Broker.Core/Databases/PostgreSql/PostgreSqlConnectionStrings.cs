using Broker.Core.Catalog;
using Broker.Core.Model;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>Writes a login down in the formats clients take, each value escaped as its format wants. Where the administrator must encrypt, so must they.</summary>
internal static class PostgreSqlConnectionStrings
{
    public static ConnectionStrings Of(Database database, Login login, int connections)
    {
        // Whether the server's certificate is verified is for the client, who has the authority's file, or not.
        var encrypted = AdminConnections.Settings(database).SslMode >= SslMode.Require;
        var (query, more) = encrypted ? ("?sslmode=require", "sslmode=require") : ("", "");
        return new(
            Uri("postgresql", database, login) + query,
            AdoNet(database, login, connections, encrypted),
            Jdbc(database, login) + (encrypted ? "&" + more : ""),
            Go(database, login) + (encrypted ? " " + more : ""),
            Uri("postgresql+psycopg", database, login) + query);
    }

    /// <summary>https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS, https://docs.sqlalchemy.org/en/20/core/engines.html</summary>
    private static string Uri(string scheme, Database database, Login login) =>
        $"{scheme}://{Escaped(login.Username)}:{Escaped(login.Password.Reveal())}@{Address(database)}/{Escaped(database.DatabaseName)}";

    private static string AdoNet(Database database, Login login, int connections, bool encrypted)
    {
        var settings = new NpgsqlConnectionStringBuilder
        {
            Host = database.Host,
            Port = database.Port,
            Database = database.DatabaseName,
            Username = login.Username,
            Password = login.Password.Reveal(),
            MaxPoolSize = connections,
        };
        if (encrypted) settings.SslMode = SslMode.Require;
        return settings.ConnectionString;
    }

    /// <summary>https://jdbc.postgresql.org/documentation/use/: values are URL-encoded, a plus sign reads as a space.</summary>
    private static string Jdbc(Database database, Login login) =>
        $"jdbc:postgresql://{Address(database)}/{Escaped(database.DatabaseName)}"
        + $"?user={Escaped(login.Username)}&password={Escaped(login.Password.Reveal())}";

    /// <summary>
    /// libpq's keywords and values, as pgx and pq read them too:
    /// https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE
    /// </summary>
    private static string Go(Database database, Login login) =>
        $"host={Quoted(database.Host)} port={database.Port} dbname={Quoted(database.DatabaseName)} user={Quoted(login.Username)} password={Quoted(login.Password.Reveal())}";

    private static string Quoted(string value) =>
        $"'{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";

    private static string Address(Database database) =>
        database.Host.Contains(':', StringComparison.Ordinal) ? $"[{database.Host}]:{database.Port}" : $"{database.Host}:{database.Port}";

    /// <summary>Everything but letters, digits and <c>- . _ ~</c> as percent-encoded UTF-8.</summary>
    private static string Escaped(string value) => System.Uri.EscapeDataString(value);
}
