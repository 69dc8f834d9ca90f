using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Bench;

/// <summary>Pods that ask a replica for credentials, one request each.</summary>
internal sealed class Pods(Uri replica) : IDisposable
{
    private readonly HttpClient client = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false }) { Timeout = TimeSpan.FromSeconds(60) };

    public static Uri ClaimAddress(Uri replica) => new(replica, ClaimPath(StageSettings.RoleName));

    public static string ClaimPath(string role) => $"/api/v1/roles/{role}/credentials";

    /// <summary>A token of its own for each pod.</summary>
    public static string[] Tokens(LocalIdentity identity, int first, int count)
    {
        var tokens = new string[count];
        Parallel.For(0, count, pod => tokens[pod] = identity.PodToken(first + pod));
        return tokens;
    }

    /// <summary>One claim; how long it took, from before the request to after the answer's body.</summary>
    /// <exception cref="UnexpectedAnswerException">It was refused.</exception>
    public async Task<TimeSpan> ClaimAsync(string token, string? body, CancellationToken cancellation, string role = StageSettings.RoleName)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(replica, ClaimPath(role)));
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        if (body is not null) request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        var start = Stopwatch.GetTimestamp();
        using var answer = await client.SendAsync(request, cancellation);
        var text = await answer.Content.ReadAsStringAsync(cancellation);
        var took = Stopwatch.GetElapsedTime(start);
        return answer.IsSuccessStatusCode ? took : throw new UnexpectedAnswerException($"A claim was answered {(int)answer.StatusCode}: {text}");
    }

    /// <summary>A claim of every token, with a bounded number at once.</summary>
    public Task ClaimAllAsync(IEnumerable<string> tokens, int atOnce, CancellationToken cancellation) => ClaimAllAsync(tokens.Select(token => (token, (string?)null, StageSettings.RoleName)), atOnce, cancellation);

    /// <inheritdoc cref="ClaimAllAsync(IEnumerable{string}, int, CancellationToken)"/>
    public Task ClaimAllAsync(IEnumerable<(string Token, string? Body, string Role)> claims, int atOnce, CancellationToken cancellation) => Parallel.ForEachAsync(
        claims,
        new ParallelOptions { MaxDegreeOfParallelism = atOnce, CancellationToken = cancellation },
        async (claim, cancel) => await ClaimAsync(claim.Token, claim.Body, cancel, claim.Role));

    public void Dispose() => client.Dispose();
}
