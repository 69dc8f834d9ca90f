using Broker.Core.Catalog;
using Broker.Core.Model;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// How pods reach a database: as its configuration says, or else as the administrator's connection string says. A pod that
/// connects to one of the administrator's several hosts gets all of them, and the choice among them.
/// </summary>
internal sealed record PodView
{
    /// <summary>Npgsql's property of that name is obsolete, but is still the only way to express it in a string.</summary>
    public const string CompatibilityMode = "Server Compatibility Mode";

    public required IReadOnlyList<ServerAddress> Servers { get; init; }

    public required PodSslMode Ssl { get; init; }

    public required PodSettings Files { get; init; }

    /// <summary>The choice among several hosts, in Npgsql's words (which are libpq's, and <c>prefer-primary</c>); null: any.</summary>
    public string? Session { get; init; }

    /// <summary>The administrator's choice among its several hosts, if pods connect to others: they are told nothing, and the grant says so.</summary>
    public string? SessionElsewhere { get; init; }

    /// <summary>Whether one of several hosts is chosen at random.</summary>
    public bool Random { get; init; }

    public GssEncryptionMode Gss { get; init; }

    public ChannelBinding Binding { get; init; }

    /// <summary>Whether TLS begins at once, without the server being asked (PostgreSQL 17).</summary>
    public bool Direct { get; init; }

    /// <summary>Command-line options that identify the server to hosters' proxies (<c>endpoint=…</c>).</summary>
    public string? Endpoint { get; init; }

    /// <summary>The ways of proving a password that the server may ask for; null: any. The administrator's other ways of proving itself are not among them.</summary>
    public RequiredAuthentication? Authentication { get; init; }

    /// <summary>Whether to check that a server's certificate was not revoked.</summary>
    public bool LooksUpRevocations { get; init; }

    /// <summary>The service's name in Kerberos; null: the common one.</summary>
    public string? KerberosService { get; init; }

    /// <summary>The features that the server lacks, in Npgsql's words (<c>Server Compatibility Mode</c>); null: it is a whole PostgreSQL.</summary>
    public string? Compatibility { get; init; }

    /// <summary>Whether the administrator shows a certificate, and pods have none to show.</summary>
    public bool LacksCertificate { get; init; }

    /// <summary>Whether the administrator believes an authority of its own, and pods are told of none.</summary>
    public bool LacksAuthority { get; init; }

    public bool Verifies => Ssl >= PodSslMode.VerifyCA;

    public bool IsSocket => Servers[0].IsSocket;

    /// <exception cref="DatabaseException">The administrator's connection string cannot be understood.</exception>
    public static PodView Of(Database database)
    {
        var administrator = AdminConnections.Settings(database);
        var own = AdminConnections.Servers(administrator);
        var named = ServerAddress.ListOf(database.Host, database.Port);
        var servers = named.Count == 1 && own.Contains(named[0]) ? own : named;
        var among = servers.Count > 1 && servers.Any(own.Contains);
        var session = administrator.TargetSessionAttributes is { } wanted && !wanted.Equals("any", StringComparison.OrdinalIgnoreCase) ? wanted.ToLowerInvariant() : null;
        // A Unix socket is never encrypted, whatever is demanded; not every driver knows that, and the server refuses those that ask.
        var ssl = servers[0].IsSocket ? PodSslMode.Disable : database.Pods.SslMode ?? ModeOf(administrator.SslMode);
        return new()
        {
            Servers = servers,
            Ssl = ssl,
            Files = database.Pods,
            Session = among ? session : null,
            SessionElsewhere = !among && servers.Count > 1 && own.Count > 1 ? session : null,
            Random = among && administrator.LoadBalanceHosts,
            Gss = administrator.GssEncryptionMode,
            Binding = ssl == PodSslMode.Disable && administrator.ChannelBinding == ChannelBinding.Require ? ChannelBinding.Prefer : administrator.ChannelBinding,
            Direct = administrator.SslNegotiation == SslNegotiation.Direct && ssl >= PodSslMode.Require,
            Endpoint = ServerOptions.OfTheServer(administrator.Options),
            Authentication = RequiredAuthentication.OfPasswords(administrator.RequireAuth),
            LooksUpRevocations = administrator.CheckCertificateRevocation && ssl >= PodSslMode.VerifyCA,
            KerberosService = administrator.GssEncryptionMode == GssEncryptionMode.Require && administrator.KerberosServiceName is { Length: > 0 } service && service != "postgres" ? service : null,
            Compatibility = administrator.ShouldSerialize(CompatibilityMode) && administrator[CompatibilityMode]?.ToString() is { } mode && mode != "None" ? mode : null,
            LacksAuthority = ssl >= PodSslMode.VerifyCA && database.Pods.CaFile is null && administrator.RootCertificate is { Length: > 0 },
            LacksCertificate = ssl != PodSslMode.Disable && database.Pods.CertificateFile is null && administrator.SslCertificate is not null,
        };
    }

    /// <summary>
    /// The same for the broker's own trial of a login: everything in the administrator's string, with the user's name and password,
    /// at the pods' address. Pods may verify more than the broker can, because it has other files: then it verifies what the administrator does.
    /// </summary>
    public static NpgsqlConnectionStringBuilder LoginSettings(Database database, Login login)
    {
        var pods = Of(database);
        var settings = AdminConnections.Settings(database);
        var administrators = ModeOf(settings.SslMode);
        if (pods.Ssl != administrators)
            settings.SslMode = (pods.Ssl < PodSslMode.Require ? pods.Ssl : Max(PodSslMode.Require, Min(pods.Ssl, administrators))) switch
            {
                PodSslMode.Disable => SslMode.Disable,
                PodSslMode.Prefer => SslMode.Prefer,
                PodSslMode.Require => SslMode.Require,
                PodSslMode.VerifyCA => SslMode.VerifyCA,
                _ => SslMode.VerifyFull,
            };
        if (settings.SslMode < SslMode.Require) settings.SslNegotiation = SslNegotiation.Postgres;
        settings.ChannelBinding = pods.Binding;
        (settings.Host, settings.Port) = pods.NpgsqlHost();
        settings.TargetSessionAttributes = pods.Session;
        settings.LoadBalanceHosts = pods.Random;
        settings.Database = database.DatabaseName;
        settings.Username = login.Username;
        settings.Password = login.Password.Reveal();
        settings.Passfile = null;
        settings.Pooling = false;
        settings.MinPoolSize = 0;
        settings.Multiplexing = false;
        settings.Timeout = AdminConnections.ConnectSeconds;
        settings.CommandTimeout = AdminConnections.ConnectSeconds;
        settings.ApplicationName = OwnConnections.ProgramName;
        // Settings for the administrator's session are not for the user: for example, a role that only the administrator may assume.
        settings.SearchPath = null;
        settings.Timezone = null;
        settings.ClientEncoding = null;
        settings.Options = pods.Endpoint;
        settings.RequireAuth = pods.Authentication?.Npgsql;
        return settings;
    }

    /// <summary>Npgsql takes a list of hosts with their ports, and a port for a single one.</summary>
    public (string Host, int Port) NpgsqlHost() =>
        Servers.Count == 1 ? (Servers[0].Host, Servers[0].Port) : (string.Join(',', Servers), Servers[0].Port);

    private static PodSslMode ModeOf(SslMode mode) => mode switch
    {
        SslMode.Disable => PodSslMode.Disable,
        SslMode.Allow or SslMode.Prefer => PodSslMode.Prefer, // a client that prefers encryption has at least as much as one that allows it
        SslMode.Require => PodSslMode.Require,
        SslMode.VerifyCA => PodSslMode.VerifyCA,
        _ => PodSslMode.VerifyFull,
    };

    private static PodSslMode Max(PodSslMode one, PodSslMode other) => one > other ? one : other;

    private static PodSslMode Min(PodSslMode one, PodSslMode other) => one < other ? one : other;
}
