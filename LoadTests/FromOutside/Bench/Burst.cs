using System.Diagnostics;
using System.Net.Http.Headers;
using System.Net.Sockets;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Bench;

/// <summary>
/// What a rollout's pods experience: they all ask at once, each over a connection of its own and with a token that was never seen. On fresh processes and a
/// pool without a lease, on warm processes and a pool without a lease, with the lease there; beside an address that only answers, and beside a
/// Vault Agent that all share, freshly started and with the login in its cache.
/// </summary>
internal static class Burst
{
    private const string Body = """{"connections":1}""";

    /// <summary>The strongest rival in the moment that matters.</summary>
    public const string FreshAgent = "a fresh Vault Agent, nothing cached";

    /// <summary>The states that are measured, in this order within each round.</summary>
    public static readonly IReadOnlyList<string> States = ["connections alone (/health/live)", "fresh processes, no lease", "warm processes, no lease", "warm processes, lease there", FreshAgent, "a Vault Agent, login cached"];

    /// <summary>Measures one size.</summary>
    /// <param name="pods">Pods at once.</param>
    /// <param name="replicas">Broker processes.</param>
    /// <param name="rounds">The number of rounds; each starts the processes again.</param>
    public static async Task<BurstResult> MeasureAsync(int pods, int replicas, int rounds, Action<string> say, CancellationToken cancellation)
    {
        var times = States.ToDictionary(state => state, _ => new List<double>());
        var users = 0;
        var errors = 0;
        for (var round = 0; round < rounds; round++)
        {
            say($"{pods} pods on {replicas} replicas, round {round + 1} of {rounds}");
            await using var stage = await StageAsync(pods, replicas, null, cancellation);
            times[States[0]].Add(await BurstAsync(pod => new(HttpMethod.Get, new Uri(ReplicaOf(stage, pod), "/health/live"))));
            times[States[1]].Add(await BurstAsync(Claims(stage, 0)));
            times[States[3]].Add(await BurstAsync(Claims(stage, pods)));
            // A revoked lease leaves the pool without one, so the next burst is cold.
            await RevokeAsync(stage, cancellation);
            times[States[2]].Add(await BurstAsync(Claims(stage, 2 * pods)));
            users += await UsersAsync(stage, cancellation);
            await using var agent = await VaultAgent.StartAsync(stage.Postgres, cancellation);
            if (agent is null) continue;
            HttpRequestMessage Read(int pod) => new(HttpMethod.Get, new Uri(agent.Address, $"/v1/{agent.Path}"));
            times[States[4]].Add(await BurstAsync(Read));
            times[States[5]].Add(await BurstAsync(Read));
            await agent.MustCacheAsync(cancellation);
        }

        return new(
            pods, replicas, rounds, [.. States.Where(state => times[state].Count > 0).Select(state => new BurstRow(state, Middle(times[state]), times[state].Min(), times[state].Max()))], users, errors,
            await StepsAsync());

        // A fresh burst and a warm one once more with spans, apart from what is measured: they cost something.
        async Task<IReadOnlyList<BurstSteps>> StepsAsync()
        {
            say($"{pods} pods on {replicas} replicas, with spans");
            await using var receiver = await TraceReceiver.StartAsync(cancellation);
            await using var stage = await StageAsync(pods, replicas, receiver, cancellation);
            var fresh = await StepsOfAsync(States[1], 0);
            await RevokeAsync(stage, cancellation);
            return [fresh, await StepsOfAsync(States[2], pods)];

            async Task<BurstSteps> StepsOfAsync(string state, int firstPod)
            {
                var from = TimeProvider.System.GetUtcNow();
                await BurstAsync(Claims(stage, firstPod));
                await Poll.UntilAsync(
                    _ => Task.FromResult(receiver.SpansSince(from).Count(span => span.Name == StepTable.Request) == pods), TimeSpan.FromSeconds(60), "the brokers to send their spans", cancellation);
                return new(state, StepTable.Of(receiver.SpansSince(from)));
            }
        }

        Func<int, HttpRequestMessage> Claims(Stage stage, int firstPod)
        {
            var tokens = Pods.Tokens(stage.Identity, firstPod, pods);
            return pod => new(HttpMethod.Post, Pods.ClaimAddress(ReplicaOf(stage, pod)))
            {
                Content = new StringContent(Body, null, "application/json"),
                Headers = { Authorization = new AuthenticationHeaderValue("Bearer", tokens[pod]) },
            };
        }

        // Starts when all are ready to; the time of the slowest percent.
        async Task<double> BurstAsync(Func<int, HttpRequestMessage> ask)
        {
            var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var answers = Enumerable.Range(0, pods).Select(pod => Task.Run(async () =>
            {
                using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, UseCookies = false }) { Timeout = TimeSpan.FromSeconds(60) };
                using var request = ask(pod);
                await gate.Task;
                var start = Stopwatch.GetTimestamp();
                try
                {
                    using var answer = await client.SendAsync(request, cancellation);
                    await answer.Content.ReadAsByteArrayAsync(cancellation);
                    if (!answer.IsSuccessStatusCode) Interlocked.Increment(ref errors);
                }
                catch (Exception failure) when (failure is HttpRequestException or SocketException)
                {
                    Interlocked.Increment(ref errors);
                }

                return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            }, cancellation)).ToArray();
            gate.SetResult();
            var sorted = (await Task.WhenAll(answers)).Order().ToArray();
            return sorted[Math.Min(sorted.Length - 1, (int)Math.Ceiling(sorted.Length * 0.99) - 1)];
        }
    }

    private static Uri ReplicaOf(Stage stage, int pod) => stage.Brokers[pod % stage.Brokers.Count].Address;

    private static Task<Stage> StageAsync(int pods, int replicas, TraceReceiver? receiver, CancellationToken cancellation) => Stage.SetAsync(
        new()
        {
            Replicas = replicas,
            MaxConnections = 4 * pods + 200,
            CeilingPercent = 100,
            Connections = 1,
            MaxHoldersPerLease = 10_000,
            EnvironmentOf = receiver is null ? null : _ => receiver.Environment,
        },
        cancellation);

    // The lease goes, and with it its holders: the next burst finds none.
    private static async Task RevokeAsync(Stage stage, CancellationToken cancellation)
    {
        using var client = new HttpClient { BaseAddress = stage.Brokers[0].Address };
        client.DefaultRequestHeaders.Authorization = new("Bearer", stage.Identity.OperatorToken());
        using var document = System.Text.Json.JsonDocument.Parse(await client.GetStringAsync(new Uri("api/v1/leases", UriKind.Relative), cancellation));
        foreach (var lease in document.RootElement.GetProperty("leases").EnumerateArray())
        {
            using var answer = await client.PostAsync(
                new Uri($"api/v1/leases/{lease.GetProperty("id").GetString()}/revoke", UriKind.Relative), new StringContent("""{"reason":"bench"}""", null, "application/json"), cancellation);
            answer.EnsureSuccessStatusCode();
        }

        await Poll.UntilAsync(async cancel => await UsersAsync(stage, cancel) == 0, TimeSpan.FromSeconds(60), "the revoked lease's user to go", cancellation);
    }

    private static async Task<int> UsersAsync(Stage stage, CancellationToken cancellation)
    {
        await using var source = Npgsql.NpgsqlDataSource.Create(stage.Postgres.AdminConnectionString);
        await using var command = source.CreateCommand("SELECT count(*)::int FROM pg_roles WHERE rolname LIKE 'b-%'");
        return (int)(await command.ExecuteScalarAsync(cancellation))!;
    }

    private static double Middle(IEnumerable<double> values) => values.Order().ToArray() is var sorted ? sorted[sorted.Length / 2] : 0;
}

/// <summary>Bursts of one size: the 99th percentile of each, its middle, least and most over all rounds.</summary>
internal sealed record BurstResult(int Pods, int Replicas, int Rounds, IReadOnlyList<BurstRow> Rows, int Users, int Errors, IReadOnlyList<BurstSteps> Steps);

/// <summary>Where the time of one burst went.</summary>
internal sealed record BurstSteps(string State, IReadOnlyList<StepRow> Rows);

/// <summary>One state.</summary>
internal sealed record BurstRow(string State, double P99Milliseconds, double Least, double Most);
