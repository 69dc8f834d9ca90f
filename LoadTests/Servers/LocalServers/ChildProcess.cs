using System.Diagnostics;

namespace LoadTests.Servers.LocalServers;

/// <summary>How a child process is started.</summary>
internal sealed record ChildProcessSettings
{
    public required string Program { get; init; }

    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>Where its output goes; appended to.</summary>
    public required string LogFile { get; init; }

    /// <summary>Run as this user; null: as ourselves. Only root can do it.</summary>
    public string? User { get; init; }

    /// <summary>What the kernel sends it when we die: <see cref="Signal.Kill"/> or <see cref="Signal.Interrupt"/>.</summary>
    public Signal WhenWeDie { get; init; } = Signal.Kill;

    public string WorkingDirectory { get; init; } = "/";

    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();
}

/// <summary>
/// A server program as a child of ours: in a session of its own (a Ctrl-C at our terminal does not reach it), its output in a
/// file, and ended by the kernel when we die in any way (<c>prctl(PR_SET_PDEATHSIG)</c>, set by setpriv after it has changed
/// the user, because a change of user clears it).
/// </summary>
internal sealed class ChildProcess : IAsyncDisposable
{
    private readonly Process process;
    private readonly string logFile;
    private readonly string name;

    private ChildProcess(Process process, string name, string logFile)
    {
        this.process = process;
        this.name = name;
        this.logFile = logFile;
        Id = process.Id;
    }

    public int Id { get; }

    public bool HasExited => process.HasExited;

    /// <summary>The environment variable that a run of the tests without servers sets: nothing is started then.</summary>
    internal const string QuickVariable = "BROKER_TEST_QUICK";

    public static async Task<ChildProcess> StartAsync(ChildProcessSettings settings)
    {
        if (Environment.GetEnvironmentVariable(QuickVariable) is { Length: > 0 })
            throw new ServerStartException($"{settings.Program} is not started: this is a quick run, which leaves out what starts servers.");
        // Each of these programs replaces itself by the next, so the process id stays that of the server.
        var start = new ProcessStartInfo("setsid") { WorkingDirectory = settings.WorkingDirectory };
        List<string> words = ["sh", "-c", """exec "$@" >>"$0" 2>&1 </dev/null""", settings.LogFile, "setpriv", "--pdeathsig", settings.WhenWeDie == Signal.Interrupt ? "INT" : "KILL"];
        if (settings.User is { } user)
            words.AddRange(["--reuid", user, "--regid", user, "--clear-groups"]);
        words.AddRange(["--", settings.Program, .. settings.Arguments]);
        foreach (var word in words)
            start.ArgumentList.Add(word);
        foreach (var (variable, value) in settings.Environment)
            start.Environment[variable] = value;

        var process = await LongLivedThread.RunAsync(() => Process.Start(start))
            ?? throw new ServerStartException($"{settings.Program} could not be started.");
        Caretaker.AwaitEndOf(process.Id);
        return new ChildProcess(process, Path.GetFileName(settings.Program), settings.LogFile);
    }

    /// <summary>How long a server may take to start: as long as a slow and busy machine needs. One that ends is noticed at once.</summary>
    public static TimeSpan StartsWithin { get; } = TimeSpan.FromMinutes(3);

    /// <summary>Waits until a probe says yes. A process that ends meanwhile is a failure that holds the end of its log.</summary>
    public async Task ReadyAsync(Func<CancellationToken, Task<bool>> probe, TimeSpan within, CancellationToken cancellation)
    {
        try
        {
            await Poll.UntilAsync(
                async cancel =>
                {
                    // The life is looked at after the probe: what answered may have been another server on the same port.
                    var ready = await probe(cancel);
                    return HasExited ? throw Ended() : ready;
                },
                within,
                $"{name} to be ready",
                cancellation);
        }
        catch (TimeoutException late)
        {
            throw new ServerStartException($"{late.Message} The end of its log:\n{EndOfLog()}", late);
        }
    }

    /// <summary>Sends a signal; nothing happens when the process has ended.</summary>
    public void Send(Signal signal)
    {
        if (!HasExited)
            Signals.Send(Id, signal);
    }

    /// <summary>Asks the process to end by a signal, and kills it when it does not.</summary>
    /// <param name="signal">The signal.</param>
    /// <param name="patience">How long it may take; null: half a minute, as with Kubernetes.</param>
    public async Task StopAsync(Signal signal, TimeSpan? patience = null)
    {
        Send(signal);
        if (signal != Signal.Kill)
            Send(Signal.Continue);
        using var over = new CancellationTokenSource(patience ?? TimeSpan.FromSeconds(30));
        try
        {
            await process.WaitForExitAsync(over.Token);
        }
        catch (OperationCanceledException)
        {
            Send(Signal.Kill);
            await process.WaitForExitAsync(CancellationToken.None);
        }
    }

    /// <summary>Waits for the process to end by itself.</summary>
    /// <exception cref="TimeoutException">It did not.</exception>
    public async Task<int> ExitCodeAsync(TimeSpan within, CancellationToken cancellation)
    {
        await process.WaitForExitAsync(cancellation).WaitAsync(within, TimeProvider.System, cancellation);
        return process.ExitCode;
    }

    /// <summary>The last lines of the output.</summary>
    public string EndOfLog()
    {
        if (!File.Exists(logFile))
            return "(no log)";
        using var reader = new StreamReader(new FileStream(logFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        return string.Join('\n', reader.ReadToEnd().Split('\n').TakeLast(25));
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync(Signal.Kill);
        process.Dispose();
    }

    private ServerStartException Ended()
    {
        var log = EndOfLog();
        return new ServerStartException($"{name} ended with exit code {process.ExitCode} while it started. The end of its log:\n{log}")
        {
            PortTaken = log.Contains("address already in use", StringComparison.OrdinalIgnoreCase),
        };
    }
}
