using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using LoadTests.LocalServers;
using LoadTests.Stages;

namespace LoadTests.Chaos;

/// <summary>What a misfortune may do, and what is remembered of it for the verdict.</summary>
internal sealed class Scene : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    // A session that the server ended as it stopped is noticed at its next query.
    private static readonly TimeSpan NoticedWithin = TimeSpan.FromSeconds(2);

    private readonly Service service;
    private readonly TimeProvider time;
    private readonly List<(long From, long? Until)> away = [];
    private readonly HttpClient operators;

    public Scene(Stage stage, Service service, Weather weather, ChaosSettings settings, TimeProvider time)
    {
        (Stage, this.service, Weather, Settings, this.time) = (stage, service, weather, settings, time);
        operators = new HttpClient { Timeout = Patience };
        operators.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", stage.Identity.OperatorToken());
    }

    public Stage Stage { get; }

    public Weather Weather { get; }

    public ChaosSettings Settings { get; }

    /// <summary>Rotations that were ordered and accepted.</summary>
    public int Rotations { get; private set; }

    /// <summary>Something happens to a replica until what is answered is disposed of.</summary>
    public IDisposable Lame(int replica) => service.Lame(Stage.Brokers[replica].Address);

    /// <summary>The database is away until what is answered is disposed of.</summary>
    public IDisposable DatabaseAway()
    {
        away.Add((time.GetTimestamp(), null));
        return new Ending(() => away[^1] = (away[^1].From, time.GetTimestamp()));
    }

    /// <summary>Whether the database was away, or had just come back, at a moment.</summary>
    public bool WasAway(long at) => away.Exists(window => window.From <= at && (window.Until is not { } until || time.GetElapsedTime(until, at) < NoticedWithin));

    /// <summary>The load goes on for a while.</summary>
    public Task LastAsync(TimeSpan duration, CancellationToken cancellation) => Task.Delay(duration, time, cancellation);

    /// <summary>Orders a replica to have the role's lease followed by another, so that one is issued; it does that itself.</summary>
    public async Task RotateAsync(int replica, CancellationToken cancellation)
    {
        using var answer = await operators.PostAsync(new Uri(Stage.Brokers[replica].Address, $"/api/v1/roles/{StageSettings.RoleName}/rotate"), null, cancellation);
        if (answer.IsSuccessStatusCode) Rotations++;
        else throw new InvalidOperationException($"A rotation was refused: {await answer.Content.ReadAsStringAsync(cancellation)}");
    }

    public static Task UntilAsync(Func<Task<bool>> condition, string what, CancellationToken cancellation) => Poll.UntilAsync(_ => condition(), Patience, what, cancellation);

    /// <summary>What a replica in good health answers a viewer.</summary>
    public async Task<JsonObject> ReadAsync(string path, CancellationToken cancellation) =>
        (await operators.GetFromJsonAsync<JsonObject>(new Uri(service.Serving[^1], path), cancellation))!;

    /// <summary>User names of the leases in the states that are meant.</summary>
    public async Task<IReadOnlyList<string>> LeaseUsersAsync(Func<string, bool> isState, CancellationToken cancellation) =>
    [
        .. (await ReadAsync("/api/v1/leases", cancellation))["leases"]!.AsArray()
            .Where(lease => isState(lease!["state"]!.GetValue<string>()))
            .Select(lease => lease!["username"]?.GetValue<string>())
            .OfType<string>(),
    ];

    public void Dispose() => operators.Dispose();
}
