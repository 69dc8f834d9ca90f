using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Npgsql;
using static Broker.Core.Databases.StringParts;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// Writes a login's connection string for each driver, with each value escaped as its format requires. No driver is told to encrypt less than pods
/// must: one that cannot express it gets a stricter string, or none, and a note.
/// </summary>
internal sealed class PostgreSqlConnectionStrings
{
    private static readonly ConnectionStrings.Aliases Named = new("libpq", "npgsql", "pgjdbc", "pgx", "sqlalchemy+psycopg");

    private readonly Database database;
    private readonly Login login;
    private readonly int connections;
    private readonly string? holder;
    private readonly PodView pods;
    private readonly DriverNotes notes;

    private PostgreSqlConnectionStrings(Database database, Login login, int connections, string? holder)
    {
        (this.database, this.login, this.connections, this.holder) = (database, login, connections, holder);
        pods = PodView.Of(database);
        notes = new(pods);
    }

    public static ConnectionStrings Of(Database database, Login login, int connections, string? holder)
    {
        var strings = new PostgreSqlConnectionStrings(database, login, connections, holder);
        return new(
            strings.pods.Servers,
            [
                strings.Libpq(), strings.Npgsql("npgsql", modern: true), strings.Npgsql("npgsql<10", modern: false), strings.Pgjdbc(), strings.Pgx("pgx", null), strings.Pgx("pgxpool", connections), strings.LibPq(),
                strings.SqlAlchemy("psycopg"), strings.SqlAlchemy("psycopg2"), strings.Asyncpg(), strings.NodePostgres(), strings.Prisma(),
            ])
        {
            Named = Named,
        };
    }

    // libpq's names, which many drivers take: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
    private IEnumerable<(string Key, string? Value)> LibpqOptions() =>
    [
        ("sslmode", pods.Ssl == PodSslMode.Prefer ? null : SslMode()), // the default
        ("sslrootcert", Authority()),
        ("sslcert", pods.Files.CertificateFile),
        ("sslkey", pods.Files.KeyFile),
        ("sslnegotiation", pods.Direct ? "direct" : null),
        ("gssencmode", Gss()),
        ("channel_binding", Binding()),
        ("target_session_attrs", pods.Session is "prefer-primary" ? null : pods.Session),
        ("krbsrvname", pods.KerberosService),
        ("require_auth", pods.Authentication?.Libpq),
        ("options", pods.Endpoint),
        ("application_name", holder),
    ];

    private string SslMode() => pods.Ssl switch
    {
        PodSslMode.Disable => "disable",
        PodSslMode.Prefer => "prefer",
        PodSslMode.Require => "require",
        PodSslMode.VerifyCA => "verify-ca",
        _ => "verify-full",
    };

    // With an authority's file, libpq verifies even if it should only encrypt.
    private string? Authority() => pods.Verifies ? pods.Files.CaFile : null;

    private string? Gss() => pods.Gss switch { GssEncryptionMode.Disable => "disable", GssEncryptionMode.Require => "require", _ => null };

    private string? Binding() => pods.Binding switch { ChannelBinding.Disable => "disable", ChannelBinding.Require => "require", _ => null };

    private DriverString Libpq()
    {
        // https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
        var hosts = pods.IsSocket ? "" : string.Join(',', pods.Servers);
        return new("libpq", $"{User("postgresql")}@{hosts}/{Escaped(database.DatabaseName)}{Query([.. SocketOptions(), .. LibpqOptions()])}", notes.Libpq());
    }

    private IEnumerable<(string Key, string? Value)> SocketOptions() => pods.IsSocket
        ? [("host", pods.Servers[0].Host), ("port", pods.Servers[0].Port.ToString(CultureInfo.InvariantCulture))]
        : [];

    // Npgsql refuses a string with an unknown keyword. Version 10 has those of the broker: pods may have it too, or a string without them.
    private DriverString Npgsql(string driver, bool modern)
    {
        if (!modern && Gss() == "require") return new(driver, null, "It has no GSS encryption.");
        var (host, port) = pods.NpgsqlHost();
        var settings = new NpgsqlConnectionStringBuilder { Host = host };
        if (pods.Servers.Count == 1) settings.Port = port;
        settings.Database = database.DatabaseName;
        settings.Username = login.Username;
        settings.Password = login.Password.Reveal();
        settings.MaxPoolSize = connections;
        if (pods.Ssl != PodSslMode.Prefer)
            settings.SslMode = Enum.Parse<SslMode>(pods.Ssl.ToString());
        if (Authority() is { } authority) settings.RootCertificate = authority;
        if (pods.Files.CertificateFile is { } certificate) settings.SslCertificate = certificate;
        if (pods.Files.KeyFile is { } key) settings.SslKey = key;
        if (modern && pods.Direct) settings.SslNegotiation = SslNegotiation.Direct;
        if (modern && Gss() is not null) settings.GssEncryptionMode = pods.Gss;
        if (Binding() is not null) settings.ChannelBinding = pods.Binding;
        if (pods.Session is not null) settings.TargetSessionAttributes = pods.Session;
        if (pods.Random) settings.LoadBalanceHosts = true;
        if (pods.Endpoint is not null) settings.Options = pods.Endpoint;
        if (modern && pods.Authentication is { } authentication) settings.RequireAuth = authentication.Npgsql;
        if (pods.LooksUpRevocations) settings.CheckCertificateRevocation = true;
        if (pods.KerberosService is not null) settings.KerberosServiceName = pods.KerberosService;
        if (pods.Compatibility is not null) settings[PodView.CompatibilityMode] = pods.Compatibility;
        if (holder is not null) settings.ApplicationName = holder;
        return new(driver, settings.ConnectionString, Notes(notes.Lacks(), modern ? notes.NotBefore10() : notes.Before10()));
    }

    // https://jdbc.postgresql.org/documentation/use/: values are URL-encoded, a plus sign reads as a space.
    private DriverString Pgjdbc()
    {
        if (pods.IsSocket) return new("pgjdbc", null, "It needs a socketFactory for Unix sockets, which the JDK does not have; set one in code.");
        var options = Query(
            ("user", login.Username),
            ("password", login.Password.Reveal()),
            ("sslmode", pods.Ssl == PodSslMode.Prefer ? null : SslMode()),
            ("sslrootcert", Authority()),
            ("sslcert", pods.Files.CertificateFile),
            ("sslkey", pods.Files.KeyFile),
            ("sslNegotiation", pods.Direct ? "direct" : null),
            ("gssEncMode", Gss()),
            ("kerberosServerName", pods.KerberosService),
            ("channelBinding", Binding()),
            ("targetServerType", pods.Session switch
            {
                null => null,
                "primary" or "read-write" => "primary",
                "prefer-primary" => "preferPrimary",
                "prefer-standby" => "preferSecondary",
                _ => "secondary",
            }),
            ("loadBalanceHosts", pods.Random ? "true" : null),
            ("options", pods.Endpoint),
            ("ApplicationName", holder));
        return new("pgjdbc", $"jdbc:postgresql://{string.Join(',', pods.Servers)}/{Escaped(database.DatabaseName)}{options}", Notes(
            notes.Lacks(), notes.NoChoice(),
            pods.Verifies && pods.Files.CaFile is null ? "It verifies the server by ~/.postgresql/root.crt; name another file in sslrootcert, or use sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory for Java's own trust store." : null,
            pods.Files.KeyFile is null ? null : "It reads a key as PKCS-8 in DER or as PKCS-12, not as PEM.",
            Binding() is null ? null : "It knows channelBinding from version 42.7.4 on; earlier versions ignore it."));
    }

    // Keywords and values, as libpq reads them: pgx and lib/pq pass unknown ones to the server, and it refuses.
    private DriverString Pgx(string driver, int? pool)
    {
        if (Gss() == "require") return new(driver, null, "It has no GSS encryption.");
        return new(
            driver,
            Keywords([("sslmode", pods.Ssl == PodSslMode.Prefer ? null : SslMode()), .. FileOptions(), ("target_session_attrs", pods.Session is "prefer-primary" ? null : pods.Session), .. Last(), ("pool_max_conns", pool?.ToString(CultureInfo.InvariantCulture))]),
            Notes(notes.Lacks(), notes.PreferPrimary(), notes.NoChoice(), notes.NoBinding(), notes.NoDirect(), notes.InOrder()));
    }

    private DriverString LibPq()
    {
        const string Driver = "lib/pq";
        if (Gss() == "require") return new(Driver, null, "It has no GSS encryption.");
        if (pods.Servers.Count > 1) return new(Driver, null, "Versions before 1.11 take only one host; give it the one that it should connect to, or use pgx.");
        return new(
            Driver,
            // It has no prefer, and demands TLS by default.
            Keywords([("sslmode", pods.Ssl == PodSslMode.Prefer ? "disable" : SslMode()), .. FileOptions(), .. Last()]),
            Notes(notes.Lacks(), notes.NotPreferred(), notes.NoChoice(), notes.NoBinding(), notes.NoDirect()));
    }

    private IEnumerable<(string Key, string? Value)> FileOptions() => [("sslrootcert", Authority()), ("sslcert", pods.Files.CertificateFile), ("sslkey", pods.Files.KeyFile)];

    private IEnumerable<(string Key, string? Value)> Last() => [("options", pods.Endpoint), ("application_name", holder)];

    private string Keywords(IEnumerable<(string Key, string? Value)> more)
    {
        IEnumerable<(string Key, string? Value)> all =
        [
            .. HostsAndPorts(),
            ("dbname", database.DatabaseName),
            ("user", login.Username),
            ("password", login.Password.Reveal()),
            .. more,
        ];
        return string.Join(' ', all.Where(option => option.Value is not null).Select(option => $"{option.Key}={Quoted(option.Value!)}"));
    }

    private IEnumerable<(string Key, string? Value)> HostsAndPorts() =>
    [
        ("host", string.Join(',', pods.Servers.Select(server => server.Host))),
        ("port", string.Join(',', pods.Servers.Select(server => server.Port.ToString(CultureInfo.InvariantCulture)))),
    ];

    private static string Quoted(string value) =>
        $"'{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("'", "\\'", StringComparison.Ordinal)}'";

    // https://docs.sqlalchemy.org/en/20/core/engines.html: the path is taken as it is, so a name that needs escaping goes into the query.
    private DriverString SqlAlchemy(string driver)
    {
        var name = database.DatabaseName;
        var plain = Escaped(name) == name;
        var apart = pods.IsSocket || pods.Servers.Count > 1;
        IEnumerable<(string Key, string? Value)> hosts = apart
            ? pods.IsSocket ? SocketOptions()
            // In host:port it takes the first colon for the last; it passes separate hosts and ports on as libpq reads them.
            : pods.Servers.Any(server => server.Host.Contains(':', StringComparison.Ordinal)) ? HostsAndPorts()
            : pods.Servers.Select(server => ("host", (string?)server.ToString()))
            : [];
        return new(
            $"sqlalchemy+{driver}",
            $"{User($"postgresql+{driver}")}@{(apart ? "" : pods.Servers[0])}/{(plain ? name : "")}{Query([.. hosts, ("dbname", plain ? null : name), .. LibpqOptions()])}",
            notes.Libpq());
    }

    // https://magicstack.github.io/asyncpg/current/api/index.html#connection: it passes unknown options to the server.
    private DriverString Asyncpg()
    {
        if (Gss() == "require") return new("asyncpg", null, "It has no GSS encryption.");
        var hosts = pods.IsSocket ? "" : string.Join(',', pods.Servers);
        var options = Query([
            .. SocketOptions(), ("sslmode", pods.Ssl == PodSslMode.Prefer ? null : SslMode()), .. FileOptions(),
            ("target_session_attrs", pods.Session is "prefer-primary" ? null : pods.Session), ("application_name", holder)]);
        return new("asyncpg", $"{User("postgresql")}@{hosts}/{Escaped(database.DatabaseName)}{options}", Notes(
            notes.Lacks(), notes.RootFile(), notes.PreferPrimary(), notes.NoChoice(), notes.NoBinding(), notes.NoDirect(), notes.InOrder(),
            pods.Session is null ? null : "It knows target_session_attrs from version 0.28 on.",
            pods.Endpoint is null ? null : "It takes no options from a string."));
    }

    // https://github.com/brianc/node-postgres/tree/master/packages/pg-connection-string: only no-verify skips the certificate,
    // and only what decodeURI decodes in a path is decoded.
    private DriverString NodePostgres()
    {
        const string Driver = "node-postgres";
        var name = database.DatabaseName;
        if (Gss() == "require") return new(Driver, null, "It has no GSS encryption.");
        if (pods.Servers.Count > 1) return new(Driver, null, "It takes only one host; give it the one that it should connect to.");
        if (name.AsSpan().ContainsAny('?', '#') || !FitsUrlPath(name)) return new(Driver, null, "It cannot read this database's name from a string: pass host, port, database, user and password separately.");
        var authority = Authority();
        var path = Escaped(name);
        foreach (var reserved in ";/:@&=+$,") path = path.Replace(Uri.HexEscape(reserved), reserved.ToString(), StringComparison.Ordinal);
        var options = Query([
            .. SocketOptions(),
            ("uselibpqcompat", pods.Ssl == PodSslMode.VerifyCA && authority is not null ? "true" : null),
            ("sslmode", pods.Ssl switch
            {
                PodSslMode.Disable => "disable",
                PodSslMode.Prefer => null,
                PodSslMode.Require => "no-verify",
                PodSslMode.VerifyCA when authority is not null => "verify-ca",
                _ => "verify-full",
            }),
            ("sslrootcert", authority), ("sslcert", pods.Files.CertificateFile), ("sslkey", pods.Files.KeyFile),
            ("sslnegotiation", pods.Direct ? "direct" : null), ("options", pods.Endpoint), ("application_name", holder)]);
        return new(Driver, $"{User("postgresql")}@{(pods.IsSocket ? "" : pods.Servers[0])}/{path}{options}", Notes(
            notes.Lacks(), notes.NotPreferred(), notes.NoChoice(), notes.NoBinding(),
            pods.Ssl == PodSslMode.VerifyCA && authority is null ? "It also checks the certificate's name." : null));
    }

    // https://www.prisma.io/docs/orm/overview/databases/postgresql#arguments (the Rust engine, up to version 6; from 7 on it is node-postgres).
    private DriverString Prisma()
    {
        const string Driver = "prisma";
        if (Gss() == "require") return new(Driver, null, "It has no GSS encryption.");
        if (pods.Servers.Count > 1) return new(Driver, null, "It takes only one host; give it the one that it should connect to.");
        var options = Query(
            ("host", pods.IsSocket ? pods.Servers[0].Host : null),
            ("connection_limit", connections.ToString(CultureInfo.InvariantCulture)),
            ("sslmode", pods.Ssl switch { PodSslMode.Disable => "disable", PodSslMode.Prefer => null, _ => "require" }),
            ("sslaccept", pods.Verifies ? "strict" : pods.Ssl == PodSslMode.Require ? "accept_invalid_certs" : null),
            ("sslcert", Authority()),
            ("options", pods.Endpoint),
            ("application_name", holder));
        return new(Driver, $"{User("postgresql")}@{(pods.IsSocket ? $"localhost:{pods.Servers[0].Port}" : pods.Servers[0])}/{Escaped(database.DatabaseName)}{options}", Notes(
            notes.Lacks(), notes.NoChoice(), notes.NoBinding(), notes.NoDirect(),
            pods.Files.CertificateFile is null ? null : "It takes a client certificate only as PKCS-12 (sslidentity, sslpassword): add it.",
            pods.Ssl == PodSslMode.VerifyCA ? "It also checks the certificate's name." : null));
    }

    private string User(string scheme) => $"{scheme}://{Escaped(login.Username)}:{Escaped(login.Password.Reveal())}";
}
