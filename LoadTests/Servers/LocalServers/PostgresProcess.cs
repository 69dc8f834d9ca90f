using Npgsql;

namespace LoadTests.Servers.LocalServers;

/// <summary>PostgreSQL as a child process, in a data directory made for it.</summary>
internal sealed class PostgresProcess : IServerHost
{
    private readonly LocalPostgresSettings settings;
    private readonly PrivateDirectory home;
    private readonly int port;
    private readonly string password;
    private ChildProcess? process;

    private PostgresProcess(LocalPostgresSettings settings, PrivateDirectory home, int port, string password)
    {
        this.settings = settings;
        this.home = home;
        this.port = port;
        this.password = password;
    }

    /// <summary>The superuser's password, of all servers of this process: they are copies of one.</summary>
    public static string Password { get; } = Guid.NewGuid().ToString("N");

    public string? Directory => home.Path;

    // PostgreSQL refuses to run as root.
    private static string? User => Environment.IsPrivilegedProcess ? "postgres" : null;

    private string DataDirectory => Path.Combine(home.Path, "data");

    public static async Task<PostgresProcess> CreateAsync(
        LocalPostgresSettings settings, int port, string password, CancellationToken cancellation)
    {
        // Looked for first: without the Debian package there is no user postgres either.
        ServerProgram.OfPostgres("postgres", settings.Version);
        var postgres = new PostgresProcess(settings, await PrivateDirectory.CreateAsync("postgres", User), port, password);
        try
        {
            await postgres.InitializeAsync(cancellation);
            return postgres;
        }
        catch
        {
            await postgres.DisposeAsync();
            throw;
        }
    }

    public async Task StartAsync(CancellationToken cancellation)
    {
        if (process is { } old)
            await old.DisposeAsync();
        process = await ChildProcess.StartAsync(new()
        {
            Program = ServerProgram.OfPostgres("postgres", settings.Version),
            Arguments =
            [
                "-D", DataDirectory, "-p", port.ToString(null, null), "-h", "127.0.0.1",
                "-c", "unix_socket_directories=", .. LocalPostgres.Arguments(settings),
            ],
            User = User,
            LogFile = Path.Combine(home.Path, "postgres.log"),
            // A fast shutdown, so that its shared memory goes with it.
            WhenWeDie = Signal.Interrupt,
        });
        await process.ReadyAsync(AnswersAsync, settings.StartWithin, cancellation);
    }

    public Task StopAsync() => process?.StopAsync(Signal.Interrupt) ?? Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (process is { } running)
        {
            await running.StopAsync(Signal.Interrupt);
            await running.DisposeAsync();
        }

        await home.DisposeAsync();
    }

    private async Task InitializeAsync(CancellationToken cancellation)
    {
        // The broker tells servers apart by their identifier: a copy gets its own, the first eight bytes here, and a log that has it too.
        var reset = Path.Combine(Path.GetDirectoryName(ServerProgram.OfPostgres("postgres", settings.Version))!, "pg_resetwal");
        if (!File.Exists(reset))
        {
            await MakeAsync(home);
            return;
        }

        await MadeOnce.CopyAsync($"postgres {settings.Version}", User, MakeAsync, DataDirectory);
        await using (var control = new FileStream(Path.Combine(DataDirectory, "global", "pg_control"), FileMode.Open, FileAccess.Write))
            await control.WriteAsync(BitConverter.GetBytes(Random.Shared.NextInt64()), cancellation);
        await RunAsync(Path.Combine(home.Path, "pg_resetwal.log"), reset, ["--force", "--pgdata", DataDirectory], []);
    }

    private async Task<string> MakeAsync(PrivateDirectory directory)
    {
        var data = Path.Combine(directory.Path, "data");
        // The password comes through the environment and a file of its own, not through the arguments that every user can list.
        await RunAsync(
            Path.Combine(directory.Path, "initdb.log"),
            "sh",
            [
                "-c", """printf %s "$PASSWORD" >"$2/password" && unset PASSWORD && "$0" -D "$1" -U postgres --auth=scram-sha-256 --pwfile="$2/password" --encoding=UTF8 --locale=C --no-sync --no-instructions; code=$?; rm -f "$2/password"; exit $code""",
                ServerProgram.OfPostgres("initdb", settings.Version), data, directory.Path,
            ],
            new() { ["PASSWORD"] = password });
        return data;
    }

    private async Task RunAsync(string log, string program, IReadOnlyList<string> arguments, Dictionary<string, string> environment)
    {
        await using var running = await ChildProcess.StartAsync(new() { Program = program, Arguments = arguments, User = User, LogFile = log, Environment = environment });
        if (await running.ExitCodeAsync(settings.StartWithin, CancellationToken.None) is var code and not 0)
            throw new ServerStartException($"{Path.GetFileNameWithoutExtension(log)} ended with exit code {code}. The end of its log:\n{running.EndOfLog()}");
    }

    private async Task<bool> AnswersAsync(CancellationToken cancellation)
    {
        var connectionString = LocalPostgres.ConnectionStringFor(port, password, "postgres") + ";Pooling=false;Timeout=5";
        await using var connection = new NpgsqlConnection(connectionString);
        try
        {
            await connection.OpenAsync(cancellation);
            return true;
        }
        catch (NpgsqlException)
        {
            // Not listening yet, starting up, or not ours.
            return false;
        }
    }
}
