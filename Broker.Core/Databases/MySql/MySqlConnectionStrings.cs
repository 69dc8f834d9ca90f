using Broker.Core.Catalog;
using Broker.Core.Model;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>Writes a login down in the formats clients take, each value escaped as its format wants. Where the administrator must encrypt, so must they.</summary>
internal static class MySqlConnectionStrings
{
    public static ConnectionStrings Of(Database database, Login login, int connections)
    {
        // Whether the server's certificate is verified is for the client, who has the authority's file, or not.
        var encrypted = AdminConnections.Settings(database).SslMode >= MySqlSslMode.Required;
        return new(
            Uri("mysql", database, login) + (encrypted ? "?ssl-mode=REQUIRED" : ""),
            AdoNet(database, login, connections, encrypted),
            Jdbc(database, login) + (encrypted ? "&sslMode=REQUIRED" : ""),
            Go(database, login) + (encrypted ? "?tls=skip-verify" : ""),
            Uri("mysql+pymysql", database, login) + (encrypted ? "?ssl_check_hostname=false" : ""));
    }

    /// <summary>https://dev.mysql.com/doc/refman/8.4/en/connecting-using-uri-or-key-value-pairs.html, https://docs.sqlalchemy.org/en/20/core/engines.html</summary>
    private static string Uri(string scheme, Database database, Login login) =>
        $"{scheme}://{Escaped(login.Username)}:{Escaped(login.Password.Reveal())}@{Address(database)}/{Escaped(database.DatabaseName)}";

    private static string AdoNet(Database database, Login login, int connections, bool encrypted)
    {
        var settings = new MySqlConnectionStringBuilder
        {
            Server = database.Host,
            Port = (uint)database.Port,
            Database = database.DatabaseName,
            UserID = login.Username,
            Password = login.Password.Reveal(),
            MaximumPoolSize = (uint)connections,
        };
        if (encrypted) settings.SslMode = MySqlSslMode.Required;
        return settings.ConnectionString;
    }

    /// <summary>https://dev.mysql.com/doc/connector-j/en/connector-j-reference-jdbc-url-format.html; MariaDB's driver reads the same after <c>jdbc:mariadb:</c>.</summary>
    private static string Jdbc(Database database, Login login) =>
        $"jdbc:mysql://{Address(database)}/{Escaped(database.DatabaseName)}?user={Escaped(login.Username)}&password={Escaped(login.Password.Reveal())}";

    /// <summary>
    /// https://github.com/go-sql-driver/mysql#dsn-data-source-name: read from behind, to the last slash, then the last <c>@</c>; what
    /// stands before it is taken as it is, and a user name with a colon cannot be written.
    /// </summary>
    private static string Go(Database database, Login login) =>
        $"{login.Username}:{login.Password.Reveal()}@tcp({Address(database)})/{Escaped(database.DatabaseName)}";

    private static string Address(Database database) =>
        database.Host.Contains(':', StringComparison.Ordinal) ? $"[{database.Host}]:{database.Port}" : $"{database.Host}:{database.Port}";

    /// <summary>Everything but letters, digits and <c>- . _ ~</c> as percent-encoded UTF-8.</summary>
    private static string Escaped(string value) => System.Uri.EscapeDataString(value);
}
