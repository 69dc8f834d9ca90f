using System.Text.RegularExpressions;
using Npgsql;

namespace LoadTests.Servers.LocalServers;

/// <summary>How a private PgBouncer is set up.</summary>
public sealed record LocalPgBouncerSettings
{
    /// <summary>Its <c>max_client_conn</c> (default 1000).</summary>
    public int MaxClients { get; init; } = 1000;

    /// <summary>What else stands in the line of its database, e.g. <c>pool_size=7</c>.</summary>
    public string LineOptions { get; init; } = "";

    /// <summary>A file for another place, whose addresses, paths and administrator are replaced by those of this one; null: a file of its own.</summary>
    public string? Configuration { get; init; }

    /// <summary>Whether it knows the users of its file alone (<see cref="LocalPgBouncer.UserList"/>), and looks none up in the server.</summary>
    public bool ReadsUsers { get; init; }

    /// <summary>The certificate and key that it shows its clients, who have to encrypt; null: it has no TLS.</summary>
    public (string Certificate, string Key)? Tls { get; init; }

    /// <summary>Whether it listens on a Unix socket too (<see cref="LocalPgBouncer.SocketDirectory"/>).</summary>
    public bool HasSocket { get; init; }

    /// <summary>Another of the same pooler's processes, whose passwords it takes; null: it is alone.</summary>
    public LocalPgBouncer? Beside { get; init; }
}

/// <summary>
/// A private PgBouncer on 127.0.0.1 in front of a <see cref="LocalPostgres"/>, as docs/poolers.md has it: transaction pooling, users looked up
/// in the server or read from its file, and an administrator of its console. Leaves nothing behind.
/// </summary>
public sealed class LocalPgBouncer : IAsyncDisposable
{
    /// <summary>The database user that looks users up.</summary>
    public const string AuthUser = "pgbouncer";

    /// <summary>The function that looks users up. A user whose time is over has no password: PgBouncer asks PostgreSQL nothing else when it has a connection of that user.</summary>
    public const string UserLookup = """
        CREATE FUNCTION pgbouncer.user_lookup(IN who text, OUT usename text, OUT passwd text) RETURNS record
          LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
          AS $$ SELECT rolname::text, CASE WHEN rolvaliduntil < pg_catalog.now() THEN NULL ELSE rolpassword END
                FROM pg_authid WHERE rolname = who AND rolcanlogin AND NOT rolsuper AND NOT rolcreaterole $$
        """;

    private const string Administrator = "pooler-admin";

    private readonly PrivateDirectory home;
    private readonly LocalPgBouncerSettings settings;
    private readonly string password, lookup;
    private ChildProcess? process;

    private LocalPgBouncer(PrivateDirectory home, int port, LocalPgBouncerSettings settings)
    {
        (this.home, Port, this.settings) = (home, port, settings);
        (password, lookup) = settings.Beside is { } other ? (other.password, other.lookup) : (Guid.NewGuid().ToString("N"), Guid.NewGuid().ToString("N"));
    }

    /// <summary>The port it listens on; the same after it was started again.</summary>
    public int Port { get; }

    /// <summary>Its <c>auth_file</c>, for <c>Pooler:UserList</c>: it has the console's user, and the directory lets whoever started it replace it.</summary>
    public string UserList => Path.Combine(home.Path, "users.txt");

    /// <summary>Its console, for <c>Pooler:ConsoleConnectionString</c>.</summary>
    public string ConsoleConnectionString => $"Host=127.0.0.1;Port={Port};Username={Administrator};Password={password}";

    /// <summary>The folder of its Unix socket, with <see cref="LocalPgBouncerSettings.HasSocket"/>.</summary>
    public string SocketDirectory => home.Path;

    // It refuses to run as root; Debian's belongs to PostgreSQL's user.
    private static string? User => Environment.IsPrivilegedProcess ? "postgres" : null;

    /// <summary>Starts one on a free port.</summary>
    /// <param name="server">The server behind it, of this pooler alone.</param>
    /// <param name="settings">How; null: as usual.</param>
    /// <param name="cancellation">Ends the start.</param>
    /// <exception cref="ServerStartException">It did not start, or is not installed.</exception>
    public static Task<LocalPgBouncer> StartAsync(LocalPostgres server, LocalPgBouncerSettings? settings = null, CancellationToken cancellation = default)
    {
        var program = ServerProgram.OfPgBouncer();
        return LoopbackPort.StartOnAsync(async port =>
        {
            var pooler = new LocalPgBouncer(await PrivateDirectory.CreateAsync("pgbouncer", User), port, settings ?? new());
            try
            {
                if (pooler.settings is { Beside: null, ReadsUsers: false }) await pooler.LetLookUpAsync(server, cancellation);
                await pooler.StartAsync(program, server, cancellation);
                return pooler;
            }
            catch
            {
                await pooler.DisposeAsync();
                throw;
            }
        });
    }

    /// <summary>Runs a command of its console by the program psql, which speaks its protocol.</summary>
    public async Task<string> ConsoleAsync(string command, CancellationToken cancellation)
    {
        var log = Path.Combine(home.Path, $"psql-{Guid.NewGuid():N}.log");
        await using var psql = await ChildProcess.StartAsync(new()
        {
            Program = ServerProgram.OfPostgres("psql"),
            Arguments = ["-h", "127.0.0.1", "-p", Port.ToString(null, null), "-U", Administrator, "-At", "-c", command, "pgbouncer"],
            Environment = new Dictionary<string, string> { ["PGPASSWORD"] = password },
            LogFile = log,
        });
        var code = await psql.ExitCodeAsync(ChildProcess.StartsWithin, cancellation);
        var said = await File.ReadAllTextAsync(log, cancellation);
        return code == 0 ? said : throw new InvalidOperationException($"psql ended with {code}: {said}");
    }

    /// <summary>Ends it at once: its clients' connections end with it.</summary>
    public Task StopAsync() => process?.StopAsync(Signal.Terminate) ?? Task.CompletedTask;

    /// <summary>Holds the process (SIGSTOP): connections stay open and nothing answers.</summary>
    public void Pause() => process?.Send(Signal.Stop);

    /// <summary>Lets a held process go on (SIGCONT).</summary>
    public void Resume() => process?.Send(Signal.Continue);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (process is { } running) await running.DisposeAsync();
        await home.DisposeAsync();
    }

    // It may look up the verifiers of users that log in and are no administrators.
    private async Task LetLookUpAsync(LocalPostgres server, CancellationToken cancellation)
    {
        await using var connection = new NpgsqlConnection(server.AdminConnectionString + ";Pooling=false");
        await connection.OpenAsync(cancellation);
        foreach (var statement in (string[])
        [
            "DROP SCHEMA IF EXISTS pgbouncer CASCADE",
            $"DROP ROLE IF EXISTS {AuthUser}",
            $"CREATE ROLE {AuthUser} LOGIN PASSWORD '{lookup}'",
            "CREATE SCHEMA pgbouncer",
            UserLookup,
            "REVOKE ALL ON FUNCTION pgbouncer.user_lookup(text) FROM PUBLIC",
            $"GRANT USAGE ON SCHEMA pgbouncer TO {AuthUser}",
            $"GRANT EXECUTE ON FUNCTION pgbouncer.user_lookup(text) TO {AuthUser}",
        ])
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync(cancellation);
        }
    }

    private async Task StartAsync(string program, LocalPostgres server, CancellationToken cancellation)
    {
        var (ini, users) = (Path.Combine(home.Path, "pgbouncer.ini"), UserList);
        // What is made in the directory is of its group, as on a shared volume: PgBouncer's own.
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(home.Path, File.GetUnixFileMode(home.Path) | UnixFileMode.SetGroup);
        await File.WriteAllTextAsync(users, $"{(settings.ReadsUsers ? "" : $"\"{AuthUser}\" \"{lookup}\"\n")}\"{Administrator}\" \"{password}\"\n", cancellation);
        var lookUp = settings.ReadsUsers ? "" : $"auth_user = {AuthUser}\nauth_query = SELECT usename, passwd FROM pgbouncer.user_lookup($1)";
        var tls = settings.Tls is { } shown ? $"client_tls_sslmode = require\nclient_tls_cert_file = {shown.Certificate}\nclient_tls_key_file = {shown.Key}" : "";
        await File.WriteAllTextAsync(
            ini,
            settings.Configuration is { } shipped ? Here(shipped, server, users) : $"""
            [databases]
            {server.Database} = host={server.Host} port={server.Port} dbname={server.Database} {settings.LineOptions}
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {Port}
            unix_socket_dir = {(settings.HasSocket ? SocketDirectory : "")}
            {tls}
            auth_type = scram-sha-256
            auth_file = {users}
            {lookUp}
            admin_users = {Administrator}
            pool_mode = transaction
            max_client_conn = {settings.MaxClients}
            max_db_connections = 4
            default_pool_size = 2
            server_idle_timeout = 5
            ignore_startup_parameters = extra_float_digits, options
            log_connections = 0
            log_disconnections = 0

            """,
            cancellation);
        // The directory lets nobody else in.
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(ini, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            File.SetUnixFileMode(users, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        }

        process = await ChildProcess.StartAsync(new()
        {
            Program = program,
            Arguments = [ini],
            User = User,
            LogFile = Path.Combine(home.Path, "pgbouncer.log"),
            WhenWeDie = Signal.Interrupt,
        });
        await process.ReadyAsync(
            async cancel =>
            {
                try
                {
                    await ConsoleAsync("SHOW VERSION", cancel);
                    return true;
                }
                catch (InvalidOperationException)
                {
                    return false;
                }
            },
            ChildProcess.StartsWithin,
            cancellation);
    }

    private string Here(string configuration, LocalPostgres server, string users)
    {
        foreach (var (setting, here) in new[]
        {
            (server.Database, $"host={server.Host} port={server.Port} dbname={server.Database}"), ("listen_addr", "127.0.0.1"), ("listen_port", Port.ToString(null, null)),
            ("auth_file", users), ("auth_user", AuthUser), ("admin_users", Administrator),
        })
            configuration = Regex.Replace(configuration, $"(?m)^{setting} = .*$", $"{setting} = {here}");
        return configuration + "\nunix_socket_dir =\n";
    }
}
