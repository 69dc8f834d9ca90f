using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Bench;

/// <summary>
/// The page, the API and the metrics where there is much to show: <see cref="Databases"/> databases with <see cref="RolesOfEach"/> roles each (<see cref="ManyDatabases"/>), and very many holders.
/// </summary>
internal static class Fleet
{
    private const int Databases = 50, RolesOfEach = 10, Roles = Databases * RolesOfEach;
    private const int HoldersOfAPod = 10; // fewer than the 20 that a pod may have by default
    private const int LooksAtEach = 15;
    private const int UsersAtOnce = 2; // as many as a database makes at once: one PostgreSQL makes them all
    private const string Alone = "a claim, at 50 databases", Watched = "the same, the page followed by 3, metrics read each second";

    private static readonly string[] Paths =
        ["/", "/databases/db-00", "/api/v1/budgets", "/api/v1/leases", "/api/v1/leases?limit=1000", "/api/v1/holders?database=db-00&limit=1000", "/api/v1/duties", "/api/v1/indicators", "/metrics"];

    public static async Task<FleetResult> MeasureAsync(BenchSettings settings, int holders, ILoadGenerator generator, Action<string> say, CancellationToken cancellation)
    {
        await using var stage = await Stage.SetAsync(StageOf(holders), cancellation);
        var broker = stage.Brokers[0];
        await using var redis = await stage.Redis!.AdministerAsync();
        using var pods = new Pods(broker.Address);
        var tokens = Pods.Tokens(stage.Identity, 0, Math.Max(Math.Max(settings.Pods, Roles), holders / HoldersOfAPod));
        say($"{Roles} roles: a user for each");
        await pods.ClaimAllAsync(Enumerable.Range(0, Roles).Select(role => (tokens[role], (string?)null, RoleOf(role))), UsersAtOnce, cancellation);
        say($"{holders} holders: filling");
        await pods.ClaimAllAsync(HoldersOf(tokens, holders), settings.Connections, cancellation);

        string[] asking = [.. tokens.Take(settings.Pods)];
        var target = ClaimRate.ClaimOf(stage, redis, asking) with { Address = broker.Address, Paths = [.. asking.Select((_, pod) => Pods.ClaimPath(RoleOf(pod)))] };
        await pods.ClaimAllAsync(asking.Select((token, pod) => (token, (string?)null, RoleOf(pod))), settings.Connections, cancellation);
        say($"warming up, {settings.Warmup.TotalSeconds:0} s");
        await RunAsync(target, settings.Warmup);

        say("looking");
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, UseCookies = false }) { BaseAddress = broker.Address };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", stage.Identity.ViewerToken());
        var looks = new List<LookResult>();
        foreach (var path in Paths) looks.Add(await LookAsync(client, path, cancellation));

        var rounds = new[] { Alone, Watched }.ToDictionary(name => name, _ => new List<Load>());
        for (var round = 1; round <= settings.Rounds; round++)
        {
            say($"round {round} of {settings.Rounds}");
            await ClaimRate.TakeTurnsAsync(round, async () => rounds[Alone].Add(await RunAsync(target, settings.Measure / settings.Rounds)), WatchedAsync);
        }

        return new(
            Databases, Roles, holders, ManyHolders.ReplicaMemory(broker) / 1e6, await ManyHolders.RedisMemoryAsync(redis) / 1e6, looks,
            [.. rounds.Select(row => FrontResult.Of(row.Key, row.Value, row.Key == Alone ? null : rounds[Alone]))]);

        Task<Load> RunAsync(Target of, TimeSpan duration) => ClaimRate.RunAsync(generator, of, settings.Connections, duration, cancellation);

        async Task WatchedAsync()
        {
            await using var followers = await Followers.StartAsync(stage, "db-00", cancellation);
            using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            var scraping = ScrapeAsync(client, over.Token);
            rounds[Watched].Add(await RunAsync(target, settings.Measure / settings.Rounds));
            await over.CancelAsync();
            await scraping;
        }
    }

    private static string RoleOf(int pod) => ManyDatabases.RoleOf(pod % Roles);

    // Each pod's holders are of one role, and the pods take the roles in turn.
    private static IEnumerable<(string Token, string? Body, string Role)> HoldersOf(string[] tokens, int holders) =>
        Enumerable.Range(0, holders).Select(holder => (
            tokens[holder / HoldersOfAPod], (string?)string.Create(CultureInfo.InvariantCulture, $$"""{"holder":"h{{holder % HoldersOfAPod}}","connections":1}"""), RoleOf(holder / HoldersOfAPod)));

    private static async Task<LookResult> LookAsync(HttpClient client, string path, CancellationToken cancellation)
    {
        var took = new List<double>();
        var length = 0;
        for (var look = 0; look < LooksAtEach; look++)
        {
            var start = Stopwatch.GetTimestamp();
            length = (await client.GetByteArrayAsync(new Uri(path, UriKind.Relative), cancellation)).Length;
            took.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        return new(path, took.Order().ElementAt(LooksAtEach / 2), took.Max(), length / 1e3);
    }

    private static async Task ScrapeAsync(HttpClient client, CancellationToken over)
    {
        try
        {
            using var each = new PeriodicTimer(TimeSpan.FromSeconds(1));
            do await client.GetByteArrayAsync(new Uri("/metrics", UriKind.Relative), over);
            while (await each.WaitForNextTickAsync(over));
        }
        catch (OperationCanceledException)
        {
            // The round is over.
        }
    }

    private static StageSettings StageOf(int holders) => new()
    {
        Replicas = 1,
        MaxConnections = (2 * holders / Databases) + 500,
        CeilingPercent = 100,
        Connections = 1,
        Configure = static (_, configuration) => ManyDatabases.Multiply(configuration["Broker"]!, Databases, Roles),
    };
}
