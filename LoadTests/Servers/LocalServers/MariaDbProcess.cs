namespace LoadTests.Servers.LocalServers;

/// <summary>MariaDB as a child process, in a data directory made for it.</summary>
internal sealed class MariaDbProcess : IServerHost
{
    private readonly LocalMariaDbSettings settings;
    private readonly PrivateDirectory home;
    private readonly int port;
    private readonly string password;
    private ChildProcess? process;

    private MariaDbProcess(LocalMariaDbSettings settings, PrivateDirectory home, int port, string password)
    {
        this.settings = settings;
        this.home = home;
        this.port = port;
        this.password = password;
    }

    /// <summary>The administrator's password, of all servers of this process: they are copies of one.</summary>
    public static string Password { get; } = Guid.NewGuid().ToString("N");

    public string? Directory => home.Path;

    // MariaDB refuses to run as root.
    private static string? User => Environment.IsPrivilegedProcess ? "mysql" : null;

    private string DataDirectory => Path.Combine(home.Path, "data");

    public static async Task<MariaDbProcess> CreateAsync(
        LocalMariaDbSettings settings, int port, string password, CancellationToken cancellation)
    {
        // Looked for first: without the Debian package there is no user mysql either.
        ServerProgram.OfMariaDb("mariadbd");
        var mariaDb = new MariaDbProcess(settings, await PrivateDirectory.CreateAsync("mariadb", User), port, password);
        try
        {
            await mariaDb.InitializeAsync(cancellation);
            return mariaDb;
        }
        catch
        {
            await mariaDb.DisposeAsync();
            throw;
        }
    }

    public async Task StartAsync(CancellationToken cancellation)
    {
        if (process is { } old)
            await old.DisposeAsync();
        process = await ChildProcess.StartAsync(new()
        {
            Program = ServerProgram.OfMariaDb("mariadbd"),
            Arguments =
            [
                // Not the machine's own settings; no files outside our directory.
                "--no-defaults", $"--datadir={DataDirectory}", $"--port={port}", "--bind-address=127.0.0.1",
                $"--socket={Path.Combine(home.Path, "mariadb.sock")}", $"--pid-file={Path.Combine(home.Path, "mariadb.pid")}",
                $"--tmpdir={home.Path}", "--skip-name-resolve", .. LocalMariaDb.Arguments(settings),
            ],
            User = User,
            LogFile = Path.Combine(home.Path, "mariadb.log"),
        });
        await process.ReadyAsync(
            cancel => LocalMariaDb.AnswersAsync(LocalMariaDb.ConnectionStringFor(port, LocalMariaDb.Administrator, password, ""), cancel), settings.StartWithin, cancellation);
    }

    // It takes no notice of an interrupt.
    public Task StopAsync() => process?.StopAsync(Signal.Terminate) ?? Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        if (process is { } running)
        {
            // Nothing of it is to be kept: no need to wait for an orderly end.
            await running.StopAsync(Signal.Kill);
            await running.DisposeAsync();
        }

        await home.DisposeAsync();
    }

    private Task InitializeAsync(CancellationToken cancellation) =>
        MadeOnce.CopyAsync("mariadb", User, MakeAsync, DataDirectory).WaitAsync(cancellation);

    private async Task<string> MakeAsync(PrivateDirectory directory)
    {
        var data = Path.Combine(directory.Path, "data");
        await using var install = await ChildProcess.StartAsync(new()
        {
            // The password comes through the environment and a file of its own, not through the arguments that every user can list.
            Program = "sh",
            Arguments =
            [
                "-c", """umask 077 && printf '%s\n' "$SETUP" >"$2/setup.sql" && unset SETUP && "$0" --no-defaults --datadir="$1" --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve --extra-file="$2/setup.sql"; code=$?; rm -f "$2/setup.sql"; exit $code""",
                ServerProgram.OfMariaDb("mariadb-install-db"), data, directory.Path,
            ],
            User = User,
            LogFile = Path.Combine(directory.Path, "install.log"),
            Environment = new Dictionary<string, string>
            {
                // One statement a line. Nobody but the administrator can log in, and nobody without a password.
                ["SETUP"] = $"""
                    FLUSH PRIVILEGES;
                    DELETE FROM mysql.global_priv WHERE User = '' OR User = 'root';
                    CREATE USER '{LocalMariaDb.Administrator}'@'%' IDENTIFIED BY '{password}';
                    GRANT ALL PRIVILEGES ON *.* TO '{LocalMariaDb.Administrator}'@'%' WITH GRANT OPTION;
                    """,
            },
        });
        return await install.ExitCodeAsync(settings.StartWithin, CancellationToken.None) is var code and not 0
            ? throw new ServerStartException($"mariadb-install-db ended with exit code {code}. The end of its log:\n{install.EndOfLog()}")
            : data;
    }
}
