using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json.Nodes;

namespace LoadTests.Servers.LocalServers;

/// <summary>A private Prometheus on 127.0.0.1 that scrapes one address and evaluates rules. Leaves nothing behind.</summary>
internal sealed class LocalPrometheus : IAsyncDisposable
{
    private readonly PrivateDirectory directory;
    private readonly ChildProcess process;
    private readonly HttpClient client;

    private LocalPrometheus(PrivateDirectory directory, ChildProcess process, HttpClient client) => (this.directory, this.process, this.client) = (directory, process, client);

    /// <summary>Starts one on a free port.</summary>
    /// <param name="scraped">What it scrapes at <c>/metrics</c>.</param>
    /// <param name="token">The bearer token it sends.</param>
    /// <param name="rules">The rules.</param>
    /// <param name="every">How often it scrapes and evaluates.</param>
    /// <param name="cancellation">Ends the start.</param>
    /// <exception cref="ServerStartException">It did not start, or is not installed.</exception>
    public static Task<LocalPrometheus> StartAsync(Uri scraped, string token, string rules, TimeSpan every, CancellationToken cancellation) =>
        LoopbackPort.StartOnAsync(async port =>
        {
            var directory = await PrivateDirectory.CreateAsync("prometheus", owner: null);
            var seconds = string.Create(CultureInfo.InvariantCulture, $"{every.TotalMilliseconds:0}ms");
            await File.WriteAllTextAsync(Path.Combine(directory.Path, "token"), token, cancellation);
            await File.WriteAllTextAsync(Path.Combine(directory.Path, "rules.yml"), rules, cancellation);
            await File.WriteAllTextAsync(
                Path.Combine(directory.Path, "prometheus.yml"),
                $$"""
                global: { scrape_interval: {{seconds}}, scrape_timeout: {{seconds}}, evaluation_interval: {{seconds}} }
                rule_files: [ rules.yml ]
                scrape_configs:
                  - job_name: broker
                    authorization: { credentials_file: token }
                    static_configs: [ { targets: [ "{{scraped.Authority}}" ] } ]
                """,
                cancellation);
            var process = await ChildProcess.StartAsync(new()
            {
                Program = ServerProgram.OfPrometheus(),
                Arguments = [$"--config.file={directory.Path}/prometheus.yml", $"--storage.tsdb.path={directory.Path}/data", $"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"],
                LogFile = Path.Combine(directory.Path, "log"),
                WorkingDirectory = directory.Path,
            });
            var client = new HttpClient { BaseAddress = new($"http://127.0.0.1:{port}"), Timeout = TimeSpan.FromMinutes(2) };
            var prometheus = new LocalPrometheus(directory, process, client);
            try
            {
                await process.ReadyAsync(prometheus.IsReadyAsync, ChildProcess.StartsWithin, cancellation);
                return prometheus;
            }
            catch
            {
                await prometheus.DisposeAsync();
                throw;
            }
        });

    /// <summary>The names of the alerts that fire now.</summary>
    public async Task<IReadOnlySet<string>> FiringAsync(CancellationToken cancellation)
    {
        var answer = await client.GetFromJsonAsync<JsonObject>(new Uri("/api/v1/alerts", UriKind.Relative), cancellation);
        return answer!["data"]!["alerts"]!.AsArray()
            .Where(static alert => alert!["state"]!.GetValue<string>() == "firing")
            .Select(static alert => alert!["labels"]!["alertname"]!.GetValue<string>())
            .ToHashSet(StringComparer.Ordinal);
    }

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        await process.DisposeAsync();
        await directory.DisposeAsync();
    }

    private async Task<bool> IsReadyAsync(CancellationToken cancellation)
    {
        try
        {
            using var answer = await client.GetAsync(new Uri("/-/ready", UriKind.Relative), cancellation);
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }
}
