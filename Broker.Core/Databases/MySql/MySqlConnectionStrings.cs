using System.Buffers;
using System.Globalization;
using System.Text.Json.Nodes;
using Broker.Core.Catalog;
using Broker.Core.Model;
using MySqlConnector;
using static Broker.Core.Databases.StringParts;

namespace Broker.Core.Databases.MySql;

/// <summary>
/// Writes a login's connection string for each driver, with each value escaped as its format requires. No driver is told to encrypt less than pods
/// must: one that cannot express it gets a stricter string, or none, and a note.
/// </summary>
internal sealed class MySqlConnectionStrings
{
    // The options that a string cannot tell MariaDB's driver for Java.
    private static readonly SearchValues<char> NotInValues = SearchValues.Create("&%+#;"), NotInNames = SearchValues.Create("?/&%+#;");

    private static readonly ConnectionStrings.Aliases Named = new("uri", "mysqlconnector", "connector/j", "go-sql-driver<1.8", "sqlalchemy+pymysql");

    private readonly Database database;
    private readonly Login login;
    private readonly int connections;
    private readonly string? holder;
    private readonly PodView pods;
    private readonly DriverNotes notes;

    private MySqlConnectionStrings(Database database, Login login, int connections, string? holder)
    {
        (this.database, this.login, this.connections, this.holder) = (database, login, connections, holder);
        pods = PodView.Of(database);
        notes = new(pods);
    }

    public static ConnectionStrings Of(Database database, Login login, int connections, string? holder)
    {
        var strings = new MySqlConnectionStrings(database, login, connections, holder);
        return new(
            strings.pods.Servers,
            [
                strings.Any(), strings.Shell(), strings.Connector(), strings.ConnectorJ(), strings.MariaDbJ(), strings.GoDriver("go-sql-driver", modern: true), strings.GoDriver("go-sql-driver<1.8", modern: false),
                strings.PyMySql(), strings.MySql2(), strings.MariaDbNode(), strings.Prisma(),
            ])
        {
            Named = Named,
        };
    }

    private string? Authority => pods.Verifies ? pods.Files.CaFile : null;

    private string Limit => connections.ToString(CultureInfo.InvariantCulture);

    private static string? Quote(string? value) => value is null ? null : $"{{\"program_name\":\"{value}\"}}";

    // MySQL's own shell refuses every option of this string, and mysql2 warns of the shell's: each has its own, and the classic programs (mysql, mysqldump) take none.
    private DriverString Any()
    {
        var node = MySql2();
        return node with { Driver = "uri", Note = node.Text is null ? node.Note : Notes(node.Note, "It is that of Node's mysql2; other drivers, and MySQL's shell, have their own entries here.") };
    }

    /// <summary>https://dev.mysql.com/doc/refman/8.4/en/connecting-using-uri-or-key-value-pairs.html: a list stands in brackets, which are not escaped.</summary>
    private DriverString Shell()
    {
        const string Driver = "mysqlsh";
        if (notes.OneHost() is { } no) return new(Driver, null, no);
        string? Option(string? value) => value is null ? null : Escaped(value);
        var query = Joined(
        [
            ("ssl-mode", pods.Ssl switch
            {
                PodSslMode.Disable => "DISABLED",
                PodSslMode.Prefer => null,
                PodSslMode.Require => "REQUIRED",
                PodSslMode.VerifyCA => "VERIFY_CA",
                _ => "VERIFY_IDENTITY",
            }),
            ("ssl-ca", Option(Authority)),
            ("ssl-cert", Option(pods.Files.CertificateFile)),
            ("ssl-key", Option(pods.Files.KeyFile)),
            ("tls-versions", Versions() is { } versions ? $"[{versions}]" : null),
            ("get-server-public-key", pods.AsksForKey ? "true" : null),
            ("connection-attributes", holder is null ? null : $"[program_name={Escaped(holder)}]"),
        ]);
        var server = pods.IsSocket ? Escaped(pods.Servers[0].Host) : pods.Servers[0].ToString();
        return new(
            Driver, $"{Uri("mysql", Escaped(database.DatabaseName), server)}{(query.Length == 0 ? "" : "?" + query)}", Notes(notes.Lacks(), notes.NoCiphers(), notes.Redirects()));
    }

    private DriverString Connector()
    {
        var settings = new MySqlConnectionStringBuilder
        {
            Server = string.Join(',', pods.Servers.Select(server => server.Host)),
            Port = (uint)pods.Servers[0].Port,
            Database = database.DatabaseName,
            UserID = login.Username,
            Password = login.Password.Reveal(),
            MaximumPoolSize = (uint)connections,
        };
        if (pods.IsSocket) settings.ConnectionProtocol = MySqlConnectionProtocol.UnixSocket;
        if (pods.Ssl != PodSslMode.Prefer) settings.SslMode = PodView.DriversMode(pods.Ssl);
        if (Authority is not null) settings.SslCa = Authority;
        if (pods.Files.CertificateFile is { } certificate) settings.SslCert = certificate;
        if (pods.Files.KeyFile is { } key) settings.SslKey = key;
        if (pods.Balance is { } balance) settings.LoadBalance = balance;
        if (pods.Redirection != MySqlServerRedirectionMode.Disabled) settings.ServerRedirectionMode = pods.Redirection;
        if (pods.AsksForKey) settings.AllowPublicKeyRetrieval = true;
        if (pods.TlsVersions.Count > 0) settings.TlsVersion = string.Join(", ", pods.TlsVersions.Select(version => "TLS " + version));
        if (pods.CipherSuites is not null) settings.TlsCipherSuites = pods.CipherSuites;
        if (pods.LooksUpNoRevocations) settings.SkipCertificateRevocationCheck = true;
        if (pods.OneByOne) settings.Pipelining = false;
        if (pods.NoBackslashEscapes) settings.NoBackslashEscapes = true;
        if (holder is not null) settings.ApplicationName = holder;
        return new("mysqlconnector", settings.ConnectionString, Notes(
            notes.Lacks(),
            pods.LooksUpNoRevocations ? "Only recent versions (2.6.2 does) know SkipCertificateRevocationCheck; the others refuse the string." : null));
    }

    // As Java's drivers write them.
    private string? Versions() => pods.TlsVersions.Count == 0 ? null : string.Join(',', pods.TlsVersions.Select(version => "TLSv" + version));

    /// <summary>https://dev.mysql.com/doc/connector-j/en/connector-j-reference-jdbc-url-format.html</summary>
    private DriverString ConnectorJ()
    {
        const string Driver = "connector/j";
        if (pods.IsSocket) return new(Driver, null, "It needs a socketFactory for Unix sockets, which the JDK does not have; set one in code.");
        var store = Authority is { } file && !file.EndsWith(".pem", StringComparison.OrdinalIgnoreCase) && !file.EndsWith(".crt", StringComparison.OrdinalIgnoreCase) ? file : null;
        var options = Query(
            ("user", login.Username),
            ("password", login.Password.Reveal()),
            ("sslMode", pods.Ssl switch
            {
                PodSslMode.Disable => "DISABLED",
                PodSslMode.Prefer => null,
                PodSslMode.Require => "REQUIRED",
                PodSslMode.VerifyCA => "VERIFY_CA",
                _ => "VERIFY_IDENTITY",
            }),
            ("trustCertificateKeyStoreUrl", store is null ? null : "file:" + store),
            ("trustCertificateKeyStoreType", store is null ? null : store.EndsWith(".jks", StringComparison.OrdinalIgnoreCase) ? "JKS" : "PKCS12"),
            ("allowPublicKeyRetrieval", pods.AsksForKey ? "true" : null),
            ("tlsVersions", Versions()),
            ("connectionAttributes", holder is null ? null : "program_name:" + holder));
        return new(Driver, $"jdbc:mysql://{string.Join(',', pods.Servers)}/{Escaped(database.DatabaseName)}{options}", Notes(
            notes.Lacks(), notes.NoCiphers(),
            pods.Verifies && store is null ? "It verifies by Java's trust store, or by the one in trustCertificateKeyStoreUrl; it does not read PEM." : null,
            pods.Files.CertificateFile is null ? null : "It takes a client certificate only from a key store (clientCertificateKeyStoreUrl): add it.",
            notes.Redirects(), notes.InOrder(),
            "MariaDB's own driver refuses it; that driver has its own entry here."));
    }

    /// <summary>
    /// https://mariadb.com/kb/en/about-mariadb-connector-j/. Version 2 takes every value as it is, and ignores <c>sslMode</c>: it
    /// would connect unencrypted. Version 3 has that word, and treats the older ones as the same.
    /// </summary>
    private DriverString MariaDbJ()
    {
        const string Driver = "mariadb/j";
        if (pods.IsSocket) return new(Driver, null, "It needs junixsocket or JNA for Unix sockets (localSocket); set one up in code.");
        if ((login.Username + login.Password.Reveal()).AsSpan().ContainsAny(NotInValues) || database.DatabaseName.AsSpan().ContainsAny(NotInNames))
            return new(Driver, null, "It cannot read this password, or this database's name, from a string: pass user and password separately.");
        IEnumerable<(string Key, string? Value)> options =
        [
            ("user", login.Username),
            ("password", login.Password.Reveal()),
            ("useSsl", pods.Ssl >= PodSslMode.Require ? "true" : null),
            ("trustServerCertificate", pods.Ssl == PodSslMode.Require ? "true" : null),
            ("disableSslHostnameVerification", pods.Ssl == PodSslMode.VerifyCA ? "true" : null),
            ("sslMode", pods.Ssl switch
            {
                PodSslMode.Disable => "disable",
                PodSslMode.Prefer => null,
                PodSslMode.Require => "trust",
                PodSslMode.VerifyCA => "verify-ca",
                _ => "verify-full",
            }),
            ("serverSslCert", Authority),
            ("allowPublicKeyRetrieval", pods.AsksForKey ? "true" : null),
            ("enabledSslProtocolSuites", Versions()),
            ("connectionAttributes", holder is null ? null : "program_name:" + holder),
        ];
        return new(Driver, $"jdbc:mariadb://{string.Join(',', pods.Servers)}/{database.DatabaseName}?{Joined(options)}", Notes(
            notes.Lacks(), notes.NoCiphers(), notes.NotPreferred(), notes.Redirects(), notes.InOrder(),
            pods.Files.CertificateFile is null ? null : "It takes a client certificate only from a key store (keyStore): add it."));
    }

    /// <summary>
    /// https://github.com/go-sql-driver/mysql#dsn-data-source-name: it is read backwards, to the last slash, then the last <c>@</c>; the text
    /// before that is taken as it is, and a user name with a colon cannot be written. Until version 1.8 the database's name was taken as it is too,
    /// and unknown options become variables of the session.
    /// </summary>
    private DriverString GoDriver(string driver, bool modern)
    {
        if (notes.OneHost() is { } no) return new(driver, null, no);
        var name = database.DatabaseName;
        if (login.Username.Contains(':', StringComparison.Ordinal)) return new(driver, null, "It cannot read a user name with a colon from a string.");
        if (!modern && name.AsSpan().ContainsAny('/', '?')) return new(driver, null, "Versions before 1.8 cannot read this database's name from a string.");
        string? Option(string? value) => value is null ? null : Escaped(value);
        IEnumerable<(string Key, string? Value)> options =
        [
            ("tls", pods.Ssl switch
            {
                PodSslMode.Disable => "false",
                PodSslMode.Prefer => "preferred",
                PodSslMode.Require => "skip-verify",
                _ => "true", // by the machine's authorities, including the name
            }),
            ("connectionAttributes", modern && holder is not null ? "program_name:" + holder : null),
        ];
        var query = Joined(options.Select(option => (option.Key, Option(option.Value))));
        var server = pods.IsSocket ? $"unix({pods.Servers[0].Host})" : $"tcp({pods.Servers[0]})";
        return new(driver, $"{login.Username}:{login.Password.Reveal()}@{server}/{(modern ? Escaped(name) : name)}?{query}", Notes(
            notes.Lacks(), notes.NoVersions(), notes.Redirects(),
            Authority is null ? null : "It trusts the machine's authorities; give it others by mysql.RegisterTLSConfig and tls=NAME.",
            pods.Ssl == PodSslMode.VerifyCA ? "It also checks the certificate's name." : null,
            pods.Files.CertificateFile is null ? null : "It takes a client certificate only by mysql.RegisterTLSConfig: add it.",
            modern ? "It needs version 1.8 or later." : "It does not name its holder: versions before 1.8 cannot."));
    }

    /// <summary>
    /// https://docs.sqlalchemy.org/en/20/core/engines.html: the path is taken as it is, so a name that needs escaping goes into the query.
    /// PyMySQL verifies only by a file, and continues unencrypted when the server offers no TLS.
    /// </summary>
    private DriverString PyMySql()
    {
        const string Driver = "sqlalchemy+pymysql";
        if (notes.OneHost() is { } no) return new(Driver, null, no);
        if (pods.Verifies && Authority is null) return new(Driver, null, "It verifies the server only by a file: set Pods:CaFile in the broker's configuration, or set ssl_ca yourself.");
        if (login.Password.Reveal().AsSpan().ContainsAnyExceptInRange('\0', '\x7F'))
            return new(Driver, null, "It sends passwords in Latin-1, but the server reads UTF-8: it cannot use this one, which has letters outside ASCII.");
        var name = database.DatabaseName;
        var plain = Escaped(name) == name;
        var options = Query(
            ("unix_socket", pods.IsSocket ? pods.Servers[0].Host : null),
            ("db", plain ? null : name),
            ("ssl_ca", Authority),
            ("ssl_check_hostname", pods.Ssl switch { PodSslMode.Require or PodSslMode.VerifyCA => "false", PodSslMode.VerifyFull => "true", _ => null }),
            ("ssl_cert", pods.Files.CertificateFile),
            ("ssl_key", pods.Files.KeyFile),
            ("program_name", holder));
        return new(Driver, $"{Uri("mysql+pymysql", plain ? name : "")}{options}", Notes(
            notes.Lacks(), notes.NoVersions(), notes.NotPreferred(), notes.Redirects(),
            pods.Ssl >= PodSslMode.Require ? "If the server offers no TLS, it continues unencrypted; have the accounts require TLS (REQUIRE SSL in CREATE USER)." : null));
    }

    /// <summary>https://github.com/sidorares/node-mysql2: a query's values are JSON.</summary>
    private DriverString MySql2()
    {
        const string Driver = "mysql2";
        if (notes.OneHost() is { } no) return new(Driver, null, no);
        if (!FitsUrlPath(database.DatabaseName)) return new(Driver, null, "It cannot read this database's name from a string: pass the parts separately.");
        return new(Driver, $"{Uri("mysql", Escaped(database.DatabaseName))}{Query(NodeOptions())}", Notes(
            notes.Lacks(), pods.Ssl == PodSslMode.Prefer ? null : notes.NoCiphers(), notes.NotPreferred(), notes.Redirects(),
            pods.Files.CertificateFile is null ? null : "It takes a client certificate only by its content: add ssl.cert and ssl.key in code.",
            pods.Verifies && Authority is not null ? "It does not read a file: set NODE_EXTRA_CA_CERTS, or add ssl.ca in code." : null));
    }

    private IEnumerable<(string Key, string? Value)> NodeOptions() =>
    [
        ("ssl", NodeSsl()),
        ("socketPath", pods.IsSocket ? pods.Servers[0].Host : null),
        ("connectionLimit", Limit),
        ("connectAttributes", Quote(holder)),
    ];

    private string? NodeSsl()
    {
        if (pods.Ssl < PodSslMode.Require) return null;
        var ssl = new JsonObject { ["rejectUnauthorized"] = pods.Verifies };
        if (pods.Ssl == PodSslMode.VerifyFull) ssl["verifyIdentity"] = true;
        if (pods.TlsVersions.Count > 0) (ssl["minVersion"], ssl["maxVersion"]) = ("TLSv" + pods.TlsVersions.Min(StringComparer.Ordinal), "TLSv" + pods.TlsVersions.Max(StringComparer.Ordinal));
        return ssl.ToJsonString();
    }

    /// <summary>https://github.com/mariadb-corporation/mariadb-connector-nodejs: a string can only say that TLS is wanted and verified.</summary>
    private DriverString MariaDbNode()
    {
        const string Driver = "mariadb";
        if (notes.OneHost() is { } no) return new(Driver, null, no);
        if (!FitsUrlPath(database.DatabaseName)) return new(Driver, null, "It cannot read this database's name from a string: pass the parts separately.");
        var options = Query(
            ("ssl", pods.Ssl >= PodSslMode.Require ? "true" : null),
            ("socketPath", pods.IsSocket ? pods.Servers[0].Host : null),
            ("allowPublicKeyRetrieval", pods.AsksForKey ? "true" : null),
            ("connectionLimit", Limit),
            ("connectAttributes", Quote(holder)));
        return new(Driver, $"{Uri("mariadb", Escaped(database.DatabaseName))}{options}", Notes(
            notes.Lacks(), notes.NoVersions(), notes.NotPreferred(), notes.Redirects(),
            pods.Ssl == PodSslMode.Require ? "A string cannot tell it to skip verifying the certificate; set ssl.rejectUnauthorized or ssl.ca in code." : null,
            pods.Ssl == PodSslMode.VerifyCA ? "It also checks the certificate's name." : null,
            pods.Files.CertificateFile is null ? null : "It takes a client certificate only by its content: add ssl.cert and ssl.key in code.",
            Authority is null ? null : "It does not read a file: set NODE_EXTRA_CA_CERTS, or add ssl.ca in code."));
    }

    /// <summary>https://www.prisma.io/docs/orm/overview/databases/mysql#arguments (the Rust engine, up to version 6; from 7 on it is the mariadb driver).</summary>
    private DriverString Prisma()
    {
        const string Driver = "prisma";
        if (notes.OneHost() is { } no) return new(Driver, null, no);
        var options = Query(
            ("socket", pods.IsSocket ? pods.Servers[0].Host : null),
            ("connection_limit", Limit),
            ("sslaccept", pods.Verifies ? "strict" : pods.Ssl == PodSslMode.Require ? "accept_invalid_certs" : null),
            ("sslcert", Authority));
        return new(Driver, $"{Uri("mysql", Escaped(database.DatabaseName))}{options}", Notes(
            notes.Lacks(), notes.NoVersions(), notes.Redirects(),
            holder is null ? null : "It does not name its holder: it has no such option.",
            pods.Ssl >= PodSslMode.Require ? "If the server offers no TLS, it continues unencrypted; have the accounts require TLS (REQUIRE SSL in CREATE USER)." : null,
            pods.Ssl == PodSslMode.VerifyCA ? "It also checks the certificate's name." : null,
            pods.Files.CertificateFile is null ? null : "It takes a client certificate only as PKCS-12 (sslidentity, sslpassword): add it."));
    }

    // As they are, for drivers that do not unescape them, or not all of them.
    private static string Joined(IEnumerable<(string Key, string? Value)> options) =>
        string.Join('&', options.Where(option => option.Value is not null).Select(option => $"{option.Key}={option.Value}"));

    private string Uri(string scheme, string path, string? server = null) =>
        $"{scheme}://{Escaped(login.Username)}:{Escaped(login.Password.Reveal())}@{server ?? (pods.IsSocket ? "localhost" : pods.Servers[0].ToString())}/{path}";
}
