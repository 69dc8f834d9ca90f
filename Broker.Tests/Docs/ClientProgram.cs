using System.Collections.Concurrent;
using System.Diagnostics;
using Broker.Tests.Deployment;
using Microsoft.Extensions.Logging;
using Npgsql;
using Orders.Data;
using Shouldly;

namespace Broker.Tests.Docs;

/// <summary>A documented client at work: six at a time query without a pause, and it says who it is, and what fails.</summary>
internal sealed class ClientProgram : IAsyncDisposable
{
    private static readonly string Clients = Repository.PathOf("docs/clients"), Programs = Repository.PathOf("Broker.Tests/Docs/Programs");
    private static readonly string Jars = string.Join(':', new[] { "postgresql", "HikariCP", "jackson-databind", "jackson-core", "jackson-annotations", "slf4j-api", "slf4j-simple" }.Select(name => $"/usr/share/java/{name}.jar"));

    // Made once for all tests.
    private static readonly Lazy<Task<string>> GoProgram = new(BuildGoAsync), JavaClasses = new(CompileJavaAsync);

    private readonly ConcurrentQueue<string> log = new(), failures = new();
    private readonly List<string> users = [];
    private readonly CancellationTokenSource stop = new();
    private Process? process;
    private Task working = Task.CompletedTask;
    private string? directory;
    private int queries = -1;

    public IReadOnlyCollection<string> Failures => failures;

    public string Log => string.Join('\n', log);

    /// <summary>The queries it says that it made, once it is done.</summary>
    public int Queries => Volatile.Read(ref queries);

    /// <summary>Grows while it works.</summary>
    public int Lines => log.Count;

    public static async Task<ClientProgram> StartAsync(string language, Uri broker, string role, string tokenFile, CancellationToken cancellation, (int Most, int Least)? sizes = null)
    {
        var client = new ClientProgram();
        if (language == ".NET")
        {
            client.working = client.WorkAsync(broker, role, tokenFile, sizes);
            return client;
        }

        client.directory = Directory.CreateTempSubdirectory("broker-client-").FullName;
        var (program, arguments) = await client.MadeAsync(language, cancellation);
        string[] asked = sizes is var (most, least) ? [$"{most}", $"{least}"] : [];
        var start = new ProcessStartInfo(program, [.. arguments, broker.OriginalString.TrimEnd('/'), role, tokenFile, .. asked])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["PYTHONDONTWRITEBYTECODE"] = "1" },
        };
        client.process = new Process { StartInfo = start };
        client.process.OutputDataReceived += (_, line) => client.Take(line.Data);
        client.process.ErrorDataReceived += (_, line) => client.log.Enqueue(line.Data ?? "");
        client.process.Start();
        client.process.BeginOutputReadLine();
        client.process.BeginErrorReadLine();
        return client;
    }

    /// <summary>Waits until it works as another user, and answers which.</summary>
    public async Task<string> AnotherUserAsync(string than, CancellationToken cancellation)
    {
        string? found = null;
        await Eventually.HoldsAsync(
            () =>
            {
                lock (users) found = users.Count > 0 && users[^1] != than ? users[^1] : null;
                (process is { HasExited: true }).ShouldBeFalse(Log);
                return Task.FromResult(found is not null);
            },
            $"another user than '{than}'",
            cancellation);
        return found!;
    }

    /// <summary>Has it stop, and waits until it has given its connections back.</summary>
    public async Task StopAsync(CancellationToken cancellation)
    {
        if (process is null)
        {
            await stop.CancelAsync();
            await working;
            return;
        }

        process.StandardInput.Close();
        await process.WaitForExitAsync(cancellation).WaitAsync(TimeSpan.FromMinutes(5), cancellation);
        process.ExitCode.ShouldBe(0, Log);
        Queries.ShouldBeGreaterThan(5, Log);
    }

    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await working.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (process is { HasExited: false }) process.Kill();
        process?.Dispose();
        if (directory is not null) Directory.Delete(directory, recursive: true);
        stop.Dispose();
    }

    private async Task<(string Program, string[] Arguments)> MadeAsync(string language, CancellationToken cancellation)
    {
        switch (language)
        {
            case "Node":
                // A package is looked for beside the module that imports it.
                var modules = Repository.PathOf("Broker.Tests/Drivers/Programs/node_modules");
                Directory.Exists(modules).ShouldBeTrue("Node's drivers are not here: run 'npm ci' in Broker.Tests/Drivers/Programs, as ./test.sh does.");
                Directory.CreateSymbolicLink(Path.Combine(directory!, "node_modules"), modules);
                File.Copy(Path.Combine(Clients, "leased.mjs"), Path.Combine(directory!, "leased.mjs"));
                var work = await File.ReadAllTextAsync(Path.Combine(Programs, "work.mjs"), cancellation);
                await File.WriteAllTextAsync(Path.Combine(directory!, "work.mjs"), work.Replace("../../../docs/clients/", "./", StringComparison.Ordinal), cancellation);
                return ("node", [Path.Combine(directory!, "work.mjs")]);
            case "Python":
                return ("/usr/bin/python3", [Path.Combine(Programs, "work.py")]);
            case "Go":
                return (await GoProgram.Value, []);
            default:
                return ("java", [.. TestProgram.ShortJava, "-Xmx128m", "-cp", $"{await JavaClasses.Value}:{Jars}", "Work"]);
        }
    }

    private static async Task<string> BuildGoAsync()
    {
        var home = TestProgram.Emptied("client-in-go");
        var package = Directory.CreateDirectory(Path.Combine(home, "src", "leased")).FullName;
        File.Copy(Path.Combine(Clients, "leased.go"), Path.Combine(package, "leased.go"));
        var program = Path.Combine(home, "work");
        await RunAsync("go", ["build", "-o", program, Path.Combine(Programs, "work.go")], $"{home}:/usr/share/gocode");
        return program;
    }

    private static async Task<string> CompileJavaAsync()
    {
        var classes = TestProgram.Emptied("client-in-java");
        await RunAsync("javac", ["-d", classes, "-cp", Jars, Path.Combine(Clients, "LeasedDataSource.java"), Path.Combine(Programs, "Work.java")], "");
        return classes;
    }

    private static Task RunAsync(string program, string[] arguments, string path) => TestProgram.RunAsync(
        program, arguments, "what .ci/need-programs.sh lists as drivers",
        environment: new Dictionary<string, string?> { ["GO111MODULE"] = "off", ["GOPATH"] = path, ["GOCACHE"] = Path.Combine(Path.GetTempPath(), "broker-tests-gocache") });

    private void Take(string? line)
    {
        if (line is null) return;
        log.Enqueue(line);
        if (line.StartsWith("failed ", StringComparison.Ordinal)) failures.Enqueue(line);
        if (line.StartsWith("done ", StringComparison.Ordinal)) Volatile.Write(ref queries, int.Parse(line["done ".Length..], null));
        if (line.StartsWith("user ", StringComparison.Ordinal))
            lock (users) users.Add(line["user ".Length..]);
    }

    private async Task WorkAsync(Uri broker, string role, string tokenFile, (int Most, int Least)? sizes)
    {
        using var http = new HttpClient { BaseAddress = broker, Timeout = Timeout.InfiniteTimeSpan };
        using var loggers = LoggerFactory.Create(logging => logging.AddProvider(new Told(log)));
        await using var source = new LeasedDataSource(http, role, () => File.ReadAllText(tokenFile), loggers.CreateLogger<LeasedDataSource>(), sizes?.Most, sizes?.Least);
        await source.StartAsync(CancellationToken.None);
        var user = "";
        await Task.WhenAll(Enumerable.Range(0, 6).Select(async _ =>
        {
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    await using var connection = await source.OpenAsync(CancellationToken.None);
                    await using var command = new NpgsqlCommand("SELECT current_user::text FROM pg_sleep(0.02)", connection);
                    var name = (string)(await command.ExecuteScalarAsync(CancellationToken.None))!;
                    if (name != Interlocked.Exchange(ref user, name)) Take("user " + name);
                }
                catch (NpgsqlException failure)
                {
                    Take("failed " + failure.Message);
                    await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, CancellationToken.None);
                }
            }
        }));
    }
}
