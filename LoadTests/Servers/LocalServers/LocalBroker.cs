using System.Diagnostics;
using System.Text.Json.Nodes;

namespace LoadTests.Servers.LocalServers;

/// <summary>How a broker process is started.</summary>
public sealed record LocalBrokerSettings
{
    /// <summary>Its configuration: a whole <c>appsettings.json</c>, so with the section <c>Broker</c> in it.</summary>
    public required JsonObject Configuration { get; init; }

    /// <summary>The path of <c>broker.dll</c>; null: the newest one of this build.</summary>
    public string? Program { get; init; }

    /// <summary>A command that the broker is started by, and that replaces itself by what follows it (<c>unshare -Urm</c>); empty: none.</summary>
    public IReadOnlyList<string> StartedBy { get; init; } = [];

    /// <summary>Further environment variables.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Where its output goes; null: a file that goes with the broker.</summary>
    public string? LogFile { get; init; }

    /// <summary>How long it may take until it says it is ready (default: <see cref="ChildProcess.StartsWithin"/>).</summary>
    public TimeSpan ReadyWithin { get; init; } = ChildProcess.StartsWithin;
}

/// <summary>
/// The real broker as a process of its own on a free port of 127.0.0.1, ready when it is handed out. It can be killed, held
/// and ended; its configuration can be changed under it. Leaves nothing behind, not even when this process crashes.
/// </summary>
public sealed class LocalBroker : IAsyncDisposable
{
    private static readonly TimeSpan EndsWithin = TimeSpan.FromMinutes(3);

    private readonly LocalBrokerSettings settings;
    private readonly PrivateDirectory directory;
    private readonly int port;
    private ChildProcess? process;

    private LocalBroker(LocalBrokerSettings settings, PrivateDirectory directory, int port)
    {
        this.settings = settings;
        this.directory = directory;
        this.port = port;
        Address = new Uri($"http://127.0.0.1:{port}");
    }

    /// <summary>Where it listens; the same after it was started again.</summary>
    public Uri Address { get; }

    /// <summary>What it was started with.</summary>
    public JsonObject Configuration => settings.Configuration;

    /// <summary>The file its output goes to.</summary>
    public string LogFile => settings.LogFile ?? Path.Combine(directory.Path, "broker.log");

    /// <summary>The id of the process.</summary>
    public int ProcessId => Running.Id;

    /// <summary>Whether the process has ended.</summary>
    public bool HasExited => Running.HasExited;

    private ChildProcess Running => process ?? throw new InvalidOperationException("The broker was never started.");

    private string ConfigurationFile => Path.Combine(directory.Path, "appsettings.json");

    /// <summary>Starts one and waits until <c>GET /health/ready</c> answers 200.</summary>
    /// <exception cref="ServerStartException">It did not become ready; the message holds the end of its log.</exception>
    public static Task<LocalBroker> StartAsync(LocalBrokerSettings settings, CancellationToken cancellation = default) =>
        LoopbackPort.StartOnAsync(async port =>
        {
            var broker = new LocalBroker(settings, await PrivateDirectory.CreateAsync("process", owner: null), port);
            try
            {
                await broker.ReconfigureAsync(settings.Configuration, cancellation);
                await broker.StartAgainAsync(cancellation);
                return broker;
            }
            catch
            {
                await broker.DisposeAsync();
                throw;
            }
        });

    /// <summary>Starts the process again on the same port after it has ended.</summary>
    public Task StartAgainAsync(CancellationToken cancellation = default) => StartAgainAsAsync(settings.Program, cancellation);

    /// <summary>Starts it again as another <c>broker.dll</c>, e.g. of another version; null: as the one that was built with us.</summary>
    public async Task StartAgainAsAsync(string? other, CancellationToken cancellation = default)
    {
        if (process is { } old)
            await old.DisposeAsync();
        var program = other ?? BrokerProgram.Find();
        // The configuration is read from the content root, the page's files stay beside the program.
        string[] words = [.. settings.StartedBy, ServerProgram.DotNet(), program, "--contentRoot", directory.Path, "--webroot", Path.Combine(Path.GetDirectoryName(program)!, "wwwroot")];
        process = await ChildProcess.StartAsync(new()
        {
            Program = words[0],
            Arguments = words[1..],
            LogFile = LogFile,
            WorkingDirectory = directory.Path,
            Environment = new Dictionary<string, string>(settings.Environment) { ["ASPNETCORE_URLS"] = Address.OriginalString },
        });
        using var client = new HttpClient { BaseAddress = Address, Timeout = TimeSpan.FromSeconds(5) };
        await process.ReadyAsync(cancel => IsReadyAsync(client, cancel), settings.ReadyWithin, cancellation);
    }

    /// <summary>Replaces the configuration file in one step; the running broker sees it change.</summary>
    public async Task ReconfigureAsync(JsonObject configuration, CancellationToken cancellation = default)
    {
        var beside = ConfigurationFile + ".new";
        await File.WriteAllTextAsync(beside, configuration.ToJsonString(), cancellation);
        File.Move(beside, ConfigurationFile, overwrite: true);
    }

    /// <summary>Ends the process at once (SIGKILL), as a crash or a lost node does.</summary>
    public Task KillAsync() => Running.StopAsync(Signal.Kill);

    /// <summary>Asks the process to end (SIGTERM), as Kubernetes does, and waits as long as a slow machine takes before it is killed.</summary>
    /// <exception cref="InvalidOperationException">It did not end well: it crashed, or had to be killed.</exception>
    public async Task TerminateAsync()
    {
        await Running.StopAsync(Signal.Terminate, EndsWithin);
        if (await Running.ExitCodeAsync(TimeSpan.Zero, CancellationToken.None) is var code and not 0)
            throw new InvalidOperationException($"The broker was asked to end, and ended with {code}. The end of its log:\n{EndOfLog()}");
    }

    /// <summary>Holds the process (SIGSTOP): connections stay open and nothing answers.</summary>
    public void Pause() => Running.Send(Signal.Stop);

    /// <summary>Lets a held process go on (SIGCONT).</summary>
    public void Resume() => Running.Send(Signal.Continue);

    /// <summary>A link that signs a browser in to its page, once, within an hour: what <c>broker admin-link</c> prints.</summary>
    public async Task<string> AdminLinkAsync(CancellationToken cancellation = default)
    {
        using var command = Process.Start(new ProcessStartInfo(ServerProgram.DotNet(), [settings.Program ?? BrokerProgram.Find(), "admin-link", "--minutes", "60", "--address", Address.OriginalString])
        {
            WorkingDirectory = directory.Path,
            RedirectStandardOutput = true,
        })!;
        var printed = await command.StandardOutput.ReadToEndAsync(cancellation);
        await command.WaitForExitAsync(cancellation);
        return command.ExitCode == 0 ? printed.Trim() : throw new ServerStartException($"broker admin-link ended with {command.ExitCode}.");
    }

    /// <summary>The last lines of its output.</summary>
    public string EndOfLog() => Running.EndOfLog();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (process is { } running)
            await running.DisposeAsync();
        await directory.DisposeAsync();
    }

    private static async Task<bool> IsReadyAsync(HttpClient client, CancellationToken cancellation)
    {
        try
        {
            using var answer = await client.GetAsync(new Uri("/health/ready", UriKind.Relative), cancellation);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            // Not listening yet.
            return false;
        }
        catch (TaskCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // It took the connection and is too busy starting to answer.
            return false;
        }
    }
}
