using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Bench;

/// <summary>
/// What the Vault-compatible API costs beside the native one: reading beside claiming, renewing beside renewing, and looking up, by pods that all
/// hold a lease. The targets take turns in short rounds, so that whatever else happens on this machine hits all alike.
/// </summary>
internal static class VaultFront
{
    public const string NativeClaim = "a claim", NativeRenew = "a holder's renewal", Read = "Vault's read", Renew = "Vault's lease renewal", LookUp = "Vault's lease lookup", LookUpSelf = "Vault's token lookup";

    /// <summary>Each of the Vault-compatible targets, and the native one that it is held against; lookups are held against renewals, which do more.</summary>
    private static readonly Dictionary<string, string> Beside = new(StringComparer.Ordinal) { [Read] = NativeClaim, [Renew] = NativeRenew, [LookUp] = NativeRenew, [LookUpSelf] = NativeRenew };

    public static async Task<IReadOnlyList<FrontResult>> MeasureAsync(Stage stage, BenchSettings settings, ILoadGenerator generator, Action<string> say, CancellationToken cancellation)
    {
        await using var redis = await stage.Redis!.AdministerAsync();
        var broker = stage.Brokers[0];
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, UseCookies = false }) { BaseAddress = broker.Address, Timeout = TimeSpan.FromSeconds(60) };
        say($"{settings.Pods} pods log in, read and claim");
        var pods = await HeldAsync(client, Pods.Tokens(stage.Identity, 0, settings.Pods), settings.Connections, cancellation);
        string[] own = [.. pods.Select(pod => pod.Token)], vaults = [.. pods.Select(pod => pod.VaultToken)];
        Func<Task<TimeSpan>> processor = async () => ProcessorTime.Of(broker.ProcessId) + await ProcessorTime.OfAsync(redis);
        List<Target> targets =
        [
            new(NativeClaim, HttpMethod.Post, Pods.ClaimAddress(broker.Address), own, processor),
            new(Read, HttpMethod.Get, new Uri(broker.Address, $"/v1/database/creds/{StageSettings.RoleName}"), vaults, processor),
            new(NativeRenew, HttpMethod.Post, broker.Address, own, processor) { Paths = [.. pods.Select(pod => $"/api/v1/holders/{pod.Holder}/renew")] },
            new(Renew, HttpMethod.Put, broker.Address, vaults, processor) { Paths = [.. pods.Select(pod => $"/v1/sys/leases/renew/{pod.Lease}")] },
            new(LookUp, HttpMethod.Put, broker.Address, vaults, processor) { Paths = [.. pods.Select(pod => $"/v1/sys/leases/lookup/{pod.Lease}")] },
            new(LookUpSelf, HttpMethod.Get, new Uri(broker.Address, "/v1/auth/token/lookup-self"), vaults, processor),
        ];

        // Reads come last in each round: each makes another lease of the pod's own, and of very many the oldest go.
        var order = targets.OrderBy(target => target.Name == Read).ToList();
        say($"warming up, {settings.Warmup.TotalSeconds:0} s");
        foreach (var target in order) await ClaimRate.RunAsync(generator, target, settings.Connections, settings.Warmup / order.Count, cancellation);
        var rounds = targets.ToDictionary(target => target.Name, _ => new List<Load>());
        for (var round = 1; round <= settings.Rounds; round++)
        {
            say($"round {round} of {settings.Rounds}");
            foreach (var target in order) rounds[target.Name].Add(await ClaimRate.RunAsync(generator, target, settings.Connections, settings.Measure / settings.Rounds, cancellation));
        }

        return targets.ConvertAll(target => FrontResult.Of(target.Name, rounds[target.Name], Beside.TryGetValue(target.Name, out var native) ? rounds[native] : null));
    }

    private static async Task<IReadOnlyList<Held>> HeldAsync(HttpClient client, string[] tokens, int atOnce, CancellationToken cancellation)
    {
        var held = new Held[tokens.Length];
        await Parallel.ForEachAsync(
            Enumerable.Range(0, tokens.Length),
            new ParallelOptions { MaxDegreeOfParallelism = atOnce, CancellationToken = cancellation },
            async (pod, cancel) =>
            {
                var token = tokens[pod];
                var login = await AskAsync(client, HttpMethod.Put, $"/v1/auth/{StageSettings.ClusterName}/login", null, new JsonObject { ["role"] = StageSettings.RoleName, ["jwt"] = token }, cancel);
                var vault = (string)login["auth"]!["client_token"]!;
                var read = await AskAsync(client, HttpMethod.Get, $"/v1/database/creds/{StageSettings.RoleName}", vault, null, cancel);
                var claim = await AskAsync(client, HttpMethod.Post, $"/api/v1/roles/{StageSettings.RoleName}/credentials", token, null, cancel);
                held[pod] = new(token, vault, (string)read["lease_id"]!, (string)claim["holder"]!["id"]!);
            });
        return held;
    }

    private static async Task<JsonNode> AskAsync(HttpClient client, HttpMethod method, string path, string? token, JsonObject? body, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, path);
        if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (body is not null) request.Content = new StringContent(body.ToJsonString(), null, "application/json");
        using var answer = await client.SendAsync(request, cancellation);
        var text = await answer.Content.ReadAsStringAsync(cancellation);
        return answer.IsSuccessStatusCode ? JsonNode.Parse(text)! : throw new UnexpectedAnswerException(string.Create(CultureInfo.InvariantCulture, $"{method} {path} was answered {(int)answer.StatusCode}: {text}"));
    }

    private sealed record Held(string Token, string VaultToken, string Lease, string Holder);
}

/// <summary>One call of one front, over all rounds; <paramref name="ToNative"/>: its rate to that of the native call it is held against.</summary>
internal sealed record FrontResult(string Name, double PerSecond, double? ToNative, double ProcessorMicroseconds, double P50Milliseconds, double P99Milliseconds, long Errors)
{
    /// <summary>Of what its rounds brought, and of those of the one it is held against; null: of none.</summary>
    public static FrontResult Of(string name, List<Load> loads, List<Load>? beside)
    {
        var rate = ClaimRate.PerSecond(loads);
        return new(
            name, rate, beside is null ? null : rate / ClaimRate.PerSecond(beside), ClaimRate.ProcessorMicroseconds(loads),
            ClaimRate.Middle(loads, load => load.P50), ClaimRate.Middle(loads, load => load.P99), loads.Sum(load => load.Errors));
    }
}
