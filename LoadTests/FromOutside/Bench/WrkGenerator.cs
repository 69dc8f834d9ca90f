using System.Globalization;
using LoadTests.Servers.LocalServers;

namespace LoadTests.FromOutside.Bench;

/// <summary>The program <c>wrk</c>: it costs the least of the processor that the servers need too.</summary>
internal sealed class WrkGenerator : ILoadGenerator, IAsyncDisposable
{
    // Two threads: one alone would be the bottleneck of an empty endpoint, and flatter everything beside it.
    private const int Threads = 2;

    private const string Script =
        """
        local threads, requests = 0, {}
        function setup(thread)
          thread:set('first', threads * 7919)
          threads = threads + 1
        end
        function init(arguments)
          local method = arguments[1]
          local headers = { ['Content-Length'] = method ~= 'GET' and '0' or nil }
          for line in io.lines(arguments[2]) do
            local token, path = string.match(line, '^(%S+) ?(%S*)$')
            headers['Authorization'] = 'Bearer ' .. token
            requests[#requests + 1] = wrk.format(method, path ~= '' and path or nil, headers)
          end
          if #requests == 0 then requests[1] = wrk.format(method, nil, headers) end
        end
        function request()
          first = first + 1
          return requests[first % #requests + 1]
        end
        function done(summary, latency)
          local e = summary.errors
          io.write(string.format('RESULT %d %d %d %d %d\n', summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
            e.connect + e.read + e.write + e.status + e.timeout))
        end
        """;

    private readonly string program;
    private readonly PrivateDirectory directory;
    private int runs;

    private WrkGenerator(string program, PrivateDirectory directory) => (this.program, this.directory) = (program, directory);

    public string Name => "wrk";

    /// <summary>Null when wrk is not installed.</summary>
    public static async Task<WrkGenerator?> FindAsync(CancellationToken cancellation)
    {
        var program = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(directory => Path.Combine(directory, "wrk")).FirstOrDefault(File.Exists);
        if (program is null)
            return null;
        var directory = await PrivateDirectory.CreateAsync("wrk", owner: null);
        await File.WriteAllTextAsync(Path.Combine(directory.Path, "bench.lua"), Script, cancellation);
        return new(program, directory);
    }

    public async Task<Load> RunAsync(Target target, int connections, TimeSpan duration, CancellationToken cancellation)
    {
        var run = Path.Combine(directory.Path, (++runs).ToString(CultureInfo.InvariantCulture));
        var lines = target.Paths.Count > 0 ? target.Tokens.Zip(target.Paths, (token, path) => $"{token} {path}") : target.Tokens;
        await File.WriteAllLinesAsync(run + ".tokens", lines, cancellation);
        var seconds = Math.Max(1, (int)Math.Round(duration.TotalSeconds));
        await using var wrk = await ChildProcess.StartAsync(new()
        {
            Program = program,
            Arguments =
            [
                "-t", Text(Math.Min(Threads, connections)), "-c", Text(connections), "-d", Text(seconds), "--timeout", "10",
                "-s", Path.Combine(directory.Path, "bench.lua"), target.Address.AbsoluteUri, "--", target.Method.Method, run + ".tokens",
            ],
            LogFile = run + ".log",
        });
        var code = await wrk.ExitCodeAsync(duration + TimeSpan.FromSeconds(30), cancellation);
        var result = File.ReadLines(run + ".log").FirstOrDefault(line => line.StartsWith("RESULT ", StringComparison.Ordinal));
        if (code != 0 || result is null)
            throw new ServerStartException($"wrk ended with exit code {code}. The end of its output:\n{wrk.EndOfLog()}");
        var numbers = result.Split(' ').Skip(1).Select(number => long.Parse(number, CultureInfo.InvariantCulture)).ToArray();
        return new(numbers[0], Microseconds(numbers[1]), Microseconds(numbers[2]), Microseconds(numbers[3]), numbers[4]);
    }

    public ValueTask DisposeAsync() => directory.DisposeAsync();

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static TimeSpan Microseconds(long count) => TimeSpan.FromMicroseconds(count);
}
