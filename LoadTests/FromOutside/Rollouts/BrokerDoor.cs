using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;

namespace LoadTests.FromOutside.Rollouts;

/// <summary>The broker's replicas, one after the other, over HTTP and nothing else.</summary>
internal sealed class BrokerDoor : IDoor, IDisposable
{
    // A broker that cannot take a holder back just now says when to come again.
    private const int MostReleases = 10;

    // Another replica is asked next.
    private static readonly TimeSpan AfterNoAnswer = TimeSpan.FromMilliseconds(200);

    private readonly Func<IReadOnlyList<Uri>> replicas;
    private readonly LocalIdentity identity;
    private readonly RolloutSettings settings;
    private readonly HttpClient client;
    private int turn = -1;

    public BrokerDoor(IReadOnlyList<Uri> replicas, LocalIdentity identity, RolloutSettings settings)
        : this(() => replicas, identity, settings, null)
    {
    }

    /// <param name="replicas">The replicas that are in service now.</param>
    /// <param name="identity">Proves the pods.</param>
    /// <param name="settings">What they ask for.</param>
    /// <param name="witness">Sees every call on its way; null: no witness.</param>
    public BrokerDoor(Func<IReadOnlyList<Uri>> replicas, LocalIdentity identity, RolloutSettings settings, DelegatingHandler? witness)
    {
        this.replicas = replicas;
        this.identity = identity;
        this.settings = settings;
        var sockets = new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(1) };
        if (witness is not null)
            witness.InnerHandler = sockets;
        client = new HttpClient(witness ?? (HttpMessageHandler)sockets)
        {
            // The broker ends a wait itself; this only catches a replica that hangs.
            Timeout = TimeSpan.FromSeconds(30 + (settings.WaitSeconds ?? 0)),
        };
    }

    public Task<Answer> AskAsync(int pod, int ask, CancellationToken cancellation)
    {
        var request = Request(HttpMethod.Post, $"/api/v1/roles/{settings.Role}/credentials", pod);
        request.Content = JsonContent.Create(new JsonObject
        {
            ["connections"] = settings.Connections,
            ["minConnections"] = settings.MinConnections,
        });
        if (settings.WaitSeconds is { } seconds)
            request.Headers.Add("Prefer", $"wait={seconds}");
        return SendAsync(request, null, cancellation);
    }

    public Task<Answer> RenewAsync(int pod, Grant grant, CancellationToken cancellation) =>
        SendAsync(Request(HttpMethod.Post, $"/api/v1/holders/{grant.Holder}/renew?lease={grant.Lease}", pod), grant, cancellation);

    public async Task ReleaseAsync(int pod, Grant grant, CancellationToken cancellation)
    {
        for (var tries = 1; await ReleaseOnceAsync(pod, grant, tries, cancellation) is { } wait; tries++)
            await Task.Delay(wait, TimeProvider.System, cancellation);
    }

    public void Dispose() => client.Dispose();

    private static bool IsNoAnswer(Exception failure, CancellationToken cancellation) =>
        failure is HttpRequestException || (failure is TaskCanceledException && !cancellation.IsCancellationRequested);

    private static Grant ReadGrant(JsonNode body, Grant? before)
    {
        var credentials = body["credentials"];
        var holder = body["holder"];
        return new Grant(
            credentials?["username"]?.GetValue<string>() ?? before?.Username ?? throw Incomplete("credentials.username"),
            credentials?["adoNet"]?.GetValue<string>() ?? before?.ConnectionString ?? throw Incomplete("credentials.adoNet"),
            body["connections"]?.GetValue<int>() ?? before?.Connections ?? throw Incomplete("connections"),
            holder?["id"]?.GetValue<string>() ?? before?.Holder ?? throw Incomplete("holder.id"),
            holder?["renewAfterSeconds"]?.GetValue<double>() is { } seconds ? TimeSpan.FromSeconds(seconds) : before?.RenewAfter)
        {
            Lease = body["lease"]?["id"]?.GetValue<string>() ?? throw Incomplete("lease.id"),
            EndsAt = holder?["expiresAt"]?.GetValue<DateTimeOffset>() ?? throw Incomplete("holder.expiresAt"),
            Overlap = TimeSpan.FromSeconds(body["overlapSeconds"]?.GetValue<double>() ?? 0),
        };
    }

    private static InvalidDataException Incomplete(string what) => new($"The broker's grant has no {what}.");

    private static async Task<Refused> ReadRefusalAsync(HttpResponseMessage answer, CancellationToken cancellation)
    {
        var text = await answer.Content.ReadAsStringAsync(cancellation);
        var retryAfter = answer.Headers.RetryAfter?.Delta;
        try
        {
            var problem = JsonNode.Parse(text);
            return new Refused(
                problem?["code"]?.GetValue<string>() ?? $"http-{(int)answer.StatusCode}", retryAfter, problem?["detail"]?.GetValue<string>() ?? text);
        }
        catch (JsonException)
        {
            return new Refused($"http-{(int)answer.StatusCode}", retryAfter, text);
        }
    }

    private HttpRequestMessage Request(HttpMethod method, string path, int pod)
    {
        var serving = replicas();
        var replica = serving[(int)((uint)Interlocked.Increment(ref turn) % serving.Count)];
        var request = new HttpRequestMessage(method, new Uri(replica, path));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", identity.PodToken(pod));
        return request;
    }

    private async Task<Answer> SendAsync(HttpRequestMessage request, Grant? before, CancellationToken cancellation)
    {
        using (request)
        {
            try
            {
                using var answer = await client.SendAsync(request, cancellation);
                return answer.StatusCode == HttpStatusCode.OK
                    ? ReadGrant((await answer.Content.ReadFromJsonAsync<JsonNode>(cancellation))!, before)
                    : await ReadRefusalAsync(answer, cancellation);
            }
            catch (Exception failure) when (IsNoAnswer(failure, cancellation))
            {
                return new Refused(Refused.NoAnswer, AfterNoAnswer, failure.Message);
            }
        }
    }

    /// <returns>When to try again; null: the holder is gone.</returns>
    private async Task<TimeSpan?> ReleaseOnceAsync(int pod, Grant grant, int tries, CancellationToken cancellation)
    {
        using var request = Request(HttpMethod.Delete, $"/api/v1/holders/{grant.Holder}", pod);
        HttpResponseMessage answer;
        try
        {
            answer = await client.SendAsync(request, cancellation);
        }
        catch (Exception failure) when (tries < MostReleases && IsNoAnswer(failure, cancellation))
        {
            return AfterNoAnswer;
        }

        using (answer)
        {
            // A release that was answered with 503, or not at all, may have been carried out: then the holder is gone already.
            if (answer.StatusCode == HttpStatusCode.NotFound && tries > 1) return null;
            if (answer.StatusCode == HttpStatusCode.ServiceUnavailable && answer.Headers.RetryAfter?.Delta is { } wait && tries < MostReleases) return wait;
            answer.EnsureSuccessStatusCode();
            return null;
        }
    }
}
