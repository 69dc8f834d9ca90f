using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Core.Model;
using MySqlConnector;

namespace Broker.Core.Databases.MySql;

/// <summary>
/// How pods reach a database: as its configuration says, or else as the administrator's connection string says. A pod that
/// connects to one of the administrator's several hosts gets all of them.
/// </summary>
internal sealed partial record PodView
{
    public required IReadOnlyList<ServerAddress> Servers { get; init; }

    public required PodSslMode Ssl { get; init; }

    public required PodSettings Files { get; init; }

    /// <summary>How one of several hosts is chosen; null: each driver's own default.</summary>
    public MySqlLoadBalance? Balance { get; init; }

    public MySqlServerRedirectionMode Redirection { get; init; }

    /// <summary>Whether a client without TLS may ask the server for the key that encrypts its password (<c>caching_sha2_password</c>).</summary>
    public bool AsksForKey { get; init; }

    /// <summary>Whether the administrator has that key in a file that pods do not have, and pods without TLS need it.</summary>
    public bool LacksKey { get; init; }

    /// <summary>The allowed versions of TLS, such as <c>1.2</c>, in order; empty: each driver's own.</summary>
    public IReadOnlyList<string> TlsVersions { get; init; } = [];

    /// <summary>The allowed cipher suites, in MySqlConnector's notation; null: each driver's own.</summary>
    public string? CipherSuites { get; init; }

    /// <summary>Whether to skip the check that a server's certificate was not revoked, which MySqlConnector does when it verifies names.</summary>
    public bool LooksUpNoRevocations { get; init; }

    /// <summary>Whether the server accepts only one statement after the other.</summary>
    public bool OneByOne { get; init; }

    /// <summary>Whether the server takes a backslash in a text literally (<c>NO_BACKSLASH_ESCAPES</c>): a client that escapes with it could be made to run other SQL.</summary>
    public bool NoBackslashEscapes { get; init; }

    /// <summary>Whether the administrator believes an authority of its own, and pods are told of none.</summary>
    public bool LacksAuthority { get; init; }

    /// <summary>Whether the administrator shows a certificate, and pods have none to show.</summary>
    public bool LacksCertificate { get; init; }

    public bool Verifies => Ssl >= PodSslMode.VerifyCA;

    public bool IsSocket => Servers[0].IsSocket;

    /// <exception cref="DatabaseException">The administrator's connection string cannot be understood.</exception>
    public static PodView Of(Database database)
    {
        var administrator = AdminConnections.Settings(database);
        var own = AdminConnections.Servers(administrator);
        var named = ServerAddress.ListOf(database.Host, database.Port);
        var servers = named.Count == 1 && own.Contains(named[0]) ? own : named;
        var ssl = database.Pods.SslMode ?? ModeOf(administrator.SslMode);
        return new()
        {
            Servers = servers,
            Ssl = ssl,
            Files = database.Pods,
            Balance = servers.Count > 1 && servers.Any(own.Contains) && administrator.LoadBalance != MySqlLoadBalance.RoundRobin ? administrator.LoadBalance : null,
            Redirection = administrator.ServerRedirectionMode,
            AsksForKey = administrator.AllowPublicKeyRetrieval,
            LacksKey = !administrator.AllowPublicKeyRetrieval && administrator.ServerRsaPublicKeyFile.Length > 0 && ssl < PodSslMode.Require,
            TlsVersions = ssl == PodSslMode.Disable ? [] : [.. TlsVersion().Matches(administrator.TlsVersion).Select(version => version.Value)],
            LooksUpNoRevocations = administrator.SkipCertificateRevocationCheck && ssl == PodSslMode.VerifyFull,
            OneByOne = administrator.ShouldSerialize("Pipelining") && !administrator.Pipelining,
            NoBackslashEscapes = administrator.NoBackslashEscapes,
            CipherSuites = ssl != PodSslMode.Disable && administrator.TlsCipherSuites is { Length: > 0 } suites ? suites : null,
            LacksAuthority = ssl >= PodSslMode.VerifyCA && database.Pods.CaFile is null && administrator.SslCa.Length > 0,
            LacksCertificate = ssl != PodSslMode.Disable && database.Pods.CertificateFile is null
                && (administrator.SslCert.Length > 0 || administrator.CertificateFile.Length > 0 || administrator.CertificateThumbprint.Length > 0
                    || administrator.CertificateStoreLocation != MySqlCertificateStoreLocation.None),
        };
    }

    /// <summary>
    /// The same for the broker's own trial of a login: everything in the administrator's string, with the user's name and password,
    /// at the pods' address. Pods may verify more than the broker can, because it has other files: then it verifies what the administrator does.
    /// </summary>
    public static MySqlConnectionStringBuilder LoginSettings(Database database, Login login)
    {
        var pods = Of(database);
        var settings = AdminConnections.Settings(database);
        var administrators = ModeOf(settings.SslMode);
        if (pods.Ssl != administrators && database.Pods.SslMode is not null)
            settings.SslMode = DriversMode(pods.Ssl < PodSslMode.Require ? pods.Ssl : Max(PodSslMode.Require, Min(pods.Ssl, administrators)));
        settings.Server = string.Join(',', pods.Servers.Select(server => server.Host));
        settings.Port = (uint)pods.Servers[0].Port;
        settings.ConnectionProtocol = pods.IsSocket ? MySqlConnectionProtocol.UnixSocket : MySqlConnectionProtocol.Sockets;
        if (pods.Servers.Count == 1) settings.LoadBalance = MySqlLoadBalance.RoundRobin;
        settings.Database = database.DatabaseName;
        settings.UserID = login.Username;
        settings.Password = login.Password.Reveal();
        settings.Pooling = false;
        settings.MinimumPoolSize = 0;
        settings.ConnectionTimeout = AdminConnections.ConnectSeconds;
        settings.DefaultCommandTimeout = AdminConnections.ConnectSeconds;
        settings.ApplicationName = OwnConnections.ProgramName;
        return settings;
    }

    /// <summary>MySqlConnector's name of a mode.</summary>
    public static MySqlSslMode DriversMode(PodSslMode mode) => mode switch
    {
        PodSslMode.Disable => MySqlSslMode.None,
        PodSslMode.Prefer => MySqlSslMode.Preferred,
        PodSslMode.Require => MySqlSslMode.Required,
        PodSslMode.VerifyCA => MySqlSslMode.VerifyCA,
        _ => MySqlSslMode.VerifyFull,
    };

    private static PodSslMode ModeOf(MySqlSslMode mode) => mode switch
    {
        MySqlSslMode.None => PodSslMode.Disable,
        MySqlSslMode.Preferred => PodSslMode.Prefer,
        MySqlSslMode.Required => PodSslMode.Require,
        MySqlSslMode.VerifyCA => PodSslMode.VerifyCA,
        _ => PodSslMode.VerifyFull,
    };

    [GeneratedRegex(@"1\.[0-3]", RegexOptions.CultureInvariant)]
    private static partial Regex TlsVersion();

    private static PodSslMode Max(PodSslMode one, PodSslMode other) => one > other ? one : other;

    private static PodSslMode Min(PodSslMode one, PodSslMode other) => one < other ? one : other;
}
