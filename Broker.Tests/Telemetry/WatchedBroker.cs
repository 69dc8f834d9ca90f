using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Broker.Tests.Deployment;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using Xunit;

namespace Broker.Tests.Telemetry;

/// <summary>A real broker, and a real Prometheus that scrapes it and has the shipped rules, only quicker.</summary>
internal sealed partial class WatchedBroker : IAsyncDisposable
{
    private readonly HashSet<string> fired = new(StringComparer.Ordinal);
    private readonly HashSet<string> cleared = new(StringComparer.Ordinal);
    private readonly LocalPrometheus prometheus;

    private WatchedBroker(Stage stage, LocalPrometheus prometheus) => (Stage, this.prometheus) = (stage, prometheus);

    public Stage Stage { get; }

    public LocalBroker Replica => Stage.Brokers[0];

    /// <summary>The alerts that have been seen to fire.</summary>
    public IReadOnlySet<string> Fired => fired;

    /// <summary>Those that have been seen to clear afterwards.</summary>
    public IReadOnlySet<string> Cleared => cleared;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<WatchedBroker> StartAsync(StageSettings settings)
    {
        var stage = await Stage.SetAsync(settings with { Replicas = 1, CeilingPercent = 100, UsersPerSecond = 1000 }, Cancellation);
        try
        {
            return new(stage, await LocalPrometheus.StartAsync(
                stage.Brokers[0].Address, stage.Identity.ViewerToken(TimeSpan.FromHours(1)), Quick(Repository.Read("docs/alerts/broker.rules.yml")), TimeSpan.FromSeconds(2), Cancellation));
        }
        catch
        {
            await stage.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await prometheus.DisposeAsync();
        await Stage.DisposeAsync();
    }

    /// <summary>Makes trouble until the alerts fire.</summary>
    public Task FiresAsync(string[] alerts, Func<Task<HttpResponseMessage?>> trouble) => Eventually.HoldsAsync(
        async () =>
        {
            using var answer = await trouble();
            fired.UnionWith(await prometheus.FiringAsync(Cancellation));
            return Array.TrueForAll(alerts, fired.Contains);
        },
        $"{string.Join(", ", alerts)} to fire; {string.Join(", ", fired)} did", Cancellation);

    /// <summary>Waits until the alerts fire.</summary>
    public Task FiresAsync(params string[] alerts) => FiresAsync(alerts, static () => Task.FromResult<HttpResponseMessage?>(null));

    /// <summary>Waits until the alerts fire no more.</summary>
    public async Task ClearsAsync(params string[] alerts)
    {
        await Eventually.HoldsAsync(async () => !(await prometheus.FiringAsync(Cancellation)).Overlaps(alerts), $"{string.Join(", ", alerts)} to clear", Cancellation);
        cleared.UnionWith(alerts.Where(fired.Contains));
    }

    /// <summary>Whether the alerts fire within some seconds.</summary>
    public async Task<bool> AreFiringAsync(params string[] alerts)
    {
        for (var look = 0; look < 10; look++)
        {
            if ((await prometheus.FiringAsync(Cancellation)).IsSupersetOf(alerts))
            {
                fired.UnionWith(alerts);
                return true;
            }

            await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, Cancellation);
        }

        return false;
    }

    /// <summary>A pod asks for exactly so many connections.</summary>
    public async Task<HttpResponseMessage> ClaimAsync(string role, int pod, int connections, int wait) =>
        (await PostAsync(Stage.Identity.PodToken(pod), $"/api/v1/roles/{role}/credentials", $$"""{ "connections": {{connections}}, "minConnections": {{connections}} }""", wait))!;

    public static async Task<JsonObject> GrantAsync(HttpResponseMessage answer) => (await answer.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonObject>(Cancellation))!;

    public Task<HttpResponseMessage?> PostAsync(string? token, string path, string body, int? wait = null) => SendAsync(HttpMethod.Post, token, path, body, wait);

    public async Task<HttpResponseMessage?> SendAsync(HttpMethod method, string? token, string path, string? body = null, int? wait = null)
    {
        using var client = new HttpClient { BaseAddress = Replica.Address, Timeout = TimeSpan.FromMinutes(2) };
        if (token is not null) client.DefaultRequestHeaders.Authorization = new("Bearer", token);
        using var request = new HttpRequestMessage(method, path);
        if (body is not null) request.Content = new StringContent(body, new MediaTypeHeaderValue("application/json"));
        if (wait is { } seconds) request.Headers.Add("Prefer", string.Create(CultureInfo.InvariantCulture, $"wait={seconds}"));
        return await client.SendAsync(request, Cancellation);
    }

    /// <summary>What a viewer reads.</summary>
    public async Task<JsonNode> ReadAsync(string path)
    {
        using var answer = await SendAsync(HttpMethod.Get, Stage.Identity.ViewerToken(), path);
        return (await answer!.EnsureSuccessStatusCode().Content.ReadFromJsonAsync<JsonNode>(Cancellation))!;
    }

    /// <summary>Adds a role that is like the first one but for the change.</summary>
    public static void AddRole(JsonObject configuration, string name, Action<JsonObject> change)
    {
        var roles = configuration["Broker"]!["Roles"]!;
        var role = roles[StageSettings.RoleName]!.DeepClone().AsObject();
        change(role);
        roles[name] = role;
    }

    // Minutes become seconds; hours are hours still.
    private static string Quick(string rules) => Window().Replace(For().Replace(rules, "for: 0s"), "[30s]").Replace("overdue_seconds) > 60", "overdue_seconds) > 6", StringComparison.Ordinal);

    [GeneratedRegex(@"for: \d+[smh]")]
    private static partial Regex For();

    [GeneratedRegex(@"\[(5|30)m\]")]
    private static partial Regex Window();
}
