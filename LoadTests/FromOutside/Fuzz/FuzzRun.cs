using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LoadTests.FromOutside.Fuzz;

/// <summary>
/// Sends made-up requests to every public address and looks at each answer: no fault of the broker's, no request that hangs, no
/// unknown refusal, and nothing that another caller was given.
/// </summary>
internal sealed class FuzzRun(HttpClient client, IReadOnlyList<FuzzCaller> callers, int seed)
{
    private const int MostFaults = 50;
    private const int LongestBody = 8 << 20;

    // Issuing can take a while, and a waiter waits as long as it says; nothing takes longer.
    private static readonly TimeSpan Hanging = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<int, long> statuses = new();
    private readonly ConcurrentQueue<string> faults = new();
    private readonly ConcurrentDictionary<string, ConcurrentDictionary<string, bool>> secrets = new();
    private readonly ConcurrentDictionary<string, string> holders = new();
    private long answered, grants, slowest;

    /// <summary>How many were answered so far.</summary>
    public long Answered => Interlocked.Read(ref answered);

    /// <summary>Runs.</summary>
    /// <param name="requests">How many.</param>
    /// <param name="atOnce">How many at once.</param>
    /// <param name="describer">Who may read the broker's description of itself.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <param name="only">The one address that is asked; null: all, and the one that gives something away most.</param>
    public async Task<FuzzResult> RunAsync(long requests, int atOnce, FuzzCaller describer, CancellationToken cancellation, FuzzEndpoint? only = null)
    {
        var endpoints = only is null ? await EndpointsAsync(client, describer, cancellation) : [only];
        var maker = new RequestMaker(seed, endpoints, callers, caller => holders.GetValueOrDefault(caller.Name), asksAlike: only is not null);

        var next = -1L;
        await Task.WhenAll(Enumerable.Range(0, atOnce).Select(_ => Task.Run(
            async () =>
            {
                while (Interlocked.Increment(ref next) is var number && number < requests && faults.Count < MostFaults)
                    await SendAsync(maker, number, cancellation);
            },
            cancellation)));
        return new(answered, new SortedDictionary<int, long>(statuses), [.. faults], TimeSpan.FromTicks(slowest), grants);
    }

    /// <summary>The addresses that a broker has.</summary>
    public static async Task<IReadOnlyList<FuzzEndpoint>> EndpointsAsync(HttpClient client, FuzzCaller describer, CancellationToken cancellation)
    {
        using var asking = new HttpRequestMessage(HttpMethod.Get, "/openapi/v1.json");
        asking.Headers.Authorization = new("Bearer", describer.Token);
        using var description = await client.SendAsync(asking, cancellation);
        description.EnsureSuccessStatusCode();
        return RequestMaker.Read((await JsonNode.ParseAsync(await description.Content.ReadAsStreamAsync(cancellation), cancellationToken: cancellation))!.AsObject());
    }

    private async Task SendAsync(RequestMaker maker, long number, CancellationToken cancellation)
    {
        var (caller, request) = maker.Make(number);
        using (request)
        {
            var watch = Stopwatch.StartNew();
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            deadline.CancelAfter(Hanging);
            try
            {
                using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, deadline.Token);
                var isStream = response.Content.Headers.ContentType?.MediaType == "text/event-stream";
                var body = isStream ? "" : await ReadAsync(response, deadline.Token);
                Interlocked.Increment(ref answered);
                statuses.AddOrUpdate((int)response.StatusCode, 1, static (_, count) => count + 1);
                Judge(number, caller, request, (int)response.StatusCode, response.Content.Headers.ContentType?.MediaType, body);
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                Say(number, caller, request, "was not answered within 30 s");
            }
            catch (Exception e) when (e is UriFormatException || e is InvalidOperationException && e.Message.StartsWith("The path contains null", StringComparison.Ordinal))
            {
                // Nothing reached the broker: the client cannot send such an address, or the in-memory server of the tests gives up where Kestrel answers 400.
                statuses.AddOrUpdate(0, 1, static (_, count) => count + 1);
            }
            catch (IOException e) when (e is not HttpIOException { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded })
            {
                Say(number, caller, request, $"had its answer cut off: {e.Message}");
            }
            catch (HttpRequestException e)
            {
                // The server may close on what is too long or no HTTP at all; only one that is gone is a fault.
                if (e.HttpRequestError is HttpRequestError.ConnectionError) Say(number, caller, request, "found nobody listening");
                else statuses.AddOrUpdate(0, 1, static (_, count) => count + 1);
            }

            var took = watch.Elapsed.Ticks;
            for (var known = Interlocked.Read(ref slowest); took > known; known = Interlocked.Read(ref slowest)) Interlocked.CompareExchange(ref slowest, took, known);
        }
    }

    private void Judge(long number, FuzzCaller caller, HttpRequestMessage request, int status, string? type, string body)
    {
        if (status == 500) Say(number, caller, request, $"was answered 500: {body}");
        else if (status >= 500 && type != "application/problem+json" && !(status == 503 && SaysItsOwn(request.RequestUri!.OriginalString)))
            Say(number, caller, request, $"was answered {status} without a refusal: {body}");
        if (body.Length >= LongestBody) Say(number, caller, request, "was answered without end");
        if (body.Contains("   at Broker.", StringComparison.Ordinal) || body.Contains("System.", StringComparison.Ordinal) && status >= 400)
            Say(number, caller, request, $"was told of the broker's inside: {body}");

        Learn(caller, status, body);
        foreach (var (owner, known) in secrets)
        {
            if (owner == caller.Name) continue;
            foreach (var secret in known.Keys)
            {
                if (body.Contains(secret, StringComparison.Ordinal)) Say(number, caller, request, $"was told what is {owner}'s");
            }
        }
    }

    // Health and the Vault-compatible API have words of their own for not now.
    private static bool SaysItsOwn(string path) => path.StartsWith("/health", StringComparison.OrdinalIgnoreCase) || path.StartsWith("/v1/", StringComparison.OrdinalIgnoreCase);

    private void Learn(FuzzCaller caller, int status, string body)
    {
        if (status is not (200 or 201) || caller.Roles.Length == 0 || !body.StartsWith('{')) return;
        try
        {
            var answer = JsonNode.Parse(body)!.AsObject();
            if ((string?)answer["credentials"]?["password"] is not { } password) return;
            Interlocked.Increment(ref grants);
            secrets.GetOrAdd(caller.Name, _ => new())[password] = true;
            if ((string?)answer["holder"]?["id"] is { } holder) holders[caller.Name] = holder;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Not a grant.
        }
    }

    private static async Task<string> ReadAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellation));
        var buffer = new char[LongestBody / 64];
        var text = new System.Text.StringBuilder();
        while (text.Length < LongestBody && await reader.ReadAsync(buffer, cancellation) is > 0 and var read) text.Append(buffer, 0, read);
        return text.ToString();
    }

    private void Say(long number, FuzzCaller caller, HttpRequestMessage request, string what)
    {
        if (faults.Count < MostFaults) faults.Enqueue($"request {number} of seed {seed} ({caller.Name}: {request.Method} {request.RequestUri}) {what}");
    }
}
