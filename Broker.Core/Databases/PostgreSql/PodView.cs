using Broker.Core.Catalog;
using Broker.Core.Model;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// How pods reach a database: what its configuration says of them, and else what the administrator's connection string says. Who
/// connects to one of the administrator's several hosts gets all of them, and which of them it wants.
/// </summary>
internal sealed record PodView
{
    public required IReadOnlyList<ServerAddress> Servers { get; init; }

    public required PodSslMode Ssl { get; init; }

    public required PodSettings Files { get; init; }

    /// <summary>Which of several hosts, in Npgsql's words (which are libpq's, and <c>prefer-primary</c>); null: any.</summary>
    public string? Session { get; init; }

    /// <summary>Whether one of several hosts is chosen by chance.</summary>
    public bool Random { get; init; }

    public GssEncryptionMode Gss { get; init; }

    public ChannelBinding Binding { get; init; }

    /// <summary>Whether TLS begins at once, without the server being asked (PostgreSQL 17).</summary>
    public bool Direct { get; init; }

    /// <summary>Command-line options that say which server is meant, as hosters' proxies take them (<c>endpoint=…</c>).</summary>
    public string? Endpoint { get; init; }

    /// <summary>Whether the administrator shows a certificate, and pods have none to show.</summary>
    public bool LacksCertificate { get; init; }

    public bool Verifies => Ssl >= PodSslMode.VerifyCA;

    public bool IsSocket => Servers[0].IsSocket;

    /// <exception cref="DatabaseException">The administrator's connection string cannot be understood.</exception>
    public static PodView Of(Database database)
    {
        var administrator = AdminConnections.Settings(database);
        var own = ServerAddress.ListOf(administrator.Host!, administrator.Port);
        var named = ServerAddress.ListOf(database.Host, database.Port);
        var servers = named.Count == 1 && own.Contains(named[0]) ? own : named;
        var among = servers.Count > 1 && servers.Any(own.Contains);
        var ssl = database.Pods.SslMode ?? ModeOf(administrator.SslMode);
        return new()
        {
            Servers = servers,
            Ssl = ssl,
            Files = database.Pods,
            Session = among && administrator.TargetSessionAttributes is { } wanted && !wanted.Equals("any", StringComparison.OrdinalIgnoreCase) ? wanted.ToLowerInvariant() : null,
            Random = among && administrator.LoadBalanceHosts,
            Gss = administrator.GssEncryptionMode,
            Binding = ssl == PodSslMode.Disable && administrator.ChannelBinding == ChannelBinding.Require ? ChannelBinding.Prefer : administrator.ChannelBinding,
            Direct = administrator.SslNegotiation == SslNegotiation.Direct && ssl >= PodSslMode.Require,
            Endpoint = administrator.Options is { } options && (options.StartsWith("endpoint=", StringComparison.Ordinal) || options.StartsWith("project=", StringComparison.Ordinal)) ? options : null,
            LacksCertificate = ssl != PodSslMode.Disable && database.Pods.CertificateFile is null && administrator.SslCertificate is not null,
        };
    }

    /// <summary>
    /// The same for the broker's own trial of a login: all that the administrator's string says, with the user's name and password in it,
    /// at the pods' address. Pods may verify more than the broker can, which has other files: then it verifies what the administrator does.
    /// </summary>
    public static NpgsqlConnectionStringBuilder LoginSettings(Database database, Login login)
    {
        var pods = Of(database);
        var settings = AdminConnections.Settings(database);
        var administrators = ModeOf(settings.SslMode);
        if (pods.Ssl != administrators && database.Pods.SslMode is not null)
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
        settings.ApplicationName = "broker";
        settings.SearchPath = null;
        return settings;
    }

    /// <summary>Npgsql takes a list of hosts with their ports, and a port for a single one.</summary>
    public (string Host, int Port) NpgsqlHost() =>
        Servers.Count == 1 ? (Servers[0].Host, Servers[0].Port) : (string.Join(',', Servers), Servers[0].Port);

    private static PodSslMode ModeOf(SslMode mode) => mode switch
    {
        SslMode.Disable => PodSslMode.Disable,
        SslMode.Allow or SslMode.Prefer => PodSslMode.Prefer, // who prefers encryption has at least as much as who allows it
        SslMode.Require => PodSslMode.Require,
        SslMode.VerifyCA => PodSslMode.VerifyCA,
        _ => PodSslMode.VerifyFull,
    };

    private static PodSslMode Max(PodSslMode one, PodSslMode other) => one > other ? one : other;

    private static PodSslMode Min(PodSslMode one, PodSslMode other) => one < other ? one : other;
}
