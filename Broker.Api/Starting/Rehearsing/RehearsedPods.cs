using System.Net.Http.Headers;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Broker.Api.Authentication;
using Broker.Core.Leases.Rehearsing;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.IdentityModel.Tokens;

namespace Broker.Api.Starting.Rehearsing;

/// <summary>The pods of a rehearsal: each has a token, signed with a key that is thrown away afterwards, and lives a whole pod's life.</summary>
internal sealed class RehearsedPods : IDisposable
{
    private static readonly TimeSpan TokensLast = TimeSpan.FromHours(1);
    private readonly RSA key = RSA.Create(1024); // small, because each start makes a new one and it protects nothing
    private readonly RehearsalStage.Silent meters = new();
    private readonly HttpClient client;
    private readonly string[] tokens;

    /// <param name="pods">How many there are.</param>
    /// <param name="time">The clock.</param>
    public RehearsedPods(int pods, TimeProvider time)
    {
        var ever = new KeyAges(TimeSpan.MaxValue, TimeSpan.MaxValue, TimeSpan.MaxValue, TimeSpan.MaxValue, TimeSpan.MaxValue);
        var set = new KeySet(RehearsalStage.Name, [SigningKey.Of(new RsaSecurityKey(key.ExportParameters(includePrivateParameters: false)) { KeyId = RehearsalStage.Name })]);
        Keys = new SigningKeys(RehearsalStage.Name, () => Task.FromResult(set), ever, time, NullLogger.Instance);
        client = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false, ActivityHeadersPropagator = null, MeterFactory = meters });
        tokens = [.. Enumerable.Range(0, pods).Select(pod => TokenOf(pod, time.GetUtcNow() + TokensLast))];
    }

    /// <summary>The keys with which a replica verifies their tokens.</summary>
    public SigningKeys Keys { get; }

    /// <summary>All of them at once claim a role, renew and release, every third as a client of Vault's.</summary>
    /// <param name="role">The role.</param>
    /// <param name="replicas">The replicas that they ask, in turns.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="HttpRequestException">One of them did not get what it wanted.</exception>
    public Task LiveAsync(string role, IReadOnlyList<RehearsedReplica> replicas, CancellationToken cancellation) =>
        Task.WhenAll(tokens.Select((token, pod) => pod % 3 == 2
            ? ReadAsync(replicas[pod % replicas.Count].Address, role, token, cancellation)
            : ClaimAsync(replicas[pod % replicas.Count].Address, role, token, cancellation)));

    /// <inheritdoc/>
    public void Dispose()
    {
        client.Dispose();
        meters.Dispose();
        key.Dispose();
    }

    private async Task ClaimAsync(Uri replica, string role, string token, CancellationToken cancellation)
    {
        var bearer = new AuthenticationHeaderValue("Bearer", token);
        var grant = await AskAsync(HttpMethod.Post, $"/api/v1/roles/{role}/credentials", """{"connections":1}""");
        var holder = $"/api/v1/holders/{grant!["holder"]!["id"]!.GetValue<string>()}";
        await AskAsync(HttpMethod.Post, holder + "/renew", "{}");
        await AskAsync(HttpMethod.Delete, holder, null);

        Task<JsonNode?> AskAsync(HttpMethod method, string path, string? body) => SendAsync(replica, method, path, body, request => request.Headers.Authorization = bearer, cancellation);
    }

    private async Task ReadAsync(Uri replica, string role, string jwt, CancellationToken cancellation)
    {
        var login = await AskAsync(HttpMethod.Post, $"auth/{RehearsalStage.Name}/login", new() { ["role"] = role, ["jwt"] = jwt }, null);
        var token = login!["auth"]!["client_token"]!.GetValue<string>();
        var secret = await AskAsync(HttpMethod.Get, $"{RehearsalStage.Name}/creds/{role}", null, token);
        await AskAsync(HttpMethod.Put, "sys/leases/renew", new() { ["lease_id"] = secret!["lease_id"]!.GetValue<string>() }, token);
        await AskAsync(HttpMethod.Put, "auth/token/revoke-self", [], token);

        Task<JsonNode?> AskAsync(HttpMethod method, string path, JsonObject? body, string? with) => SendAsync(
            replica, method, "/v1/" + path, body?.ToJsonString(), request => { if (with is not null) request.Headers.Add("X-Vault-Token", with); }, cancellation);
    }

    private async Task<JsonNode?> SendAsync(Uri replica, HttpMethod method, string path, string? body, Action<HttpRequestMessage> prove, CancellationToken cancellation)
    {
        using var request = new HttpRequestMessage(method, new Uri(replica, path)) { Content = body is null ? null : new StringContent(body, null, "application/json") };
        prove(request);
        using var answer = await client.SendAsync(request, cancellation);
        var text = await answer.Content.ReadAsStringAsync(cancellation);
        if (!answer.IsSuccessStatusCode) throw new HttpRequestException($"{method} {path} was answered {(int)answer.StatusCode}: {text}", null, answer.StatusCode);
        return text.Length == 0 ? null : JsonNode.Parse(text);
    }

    private string TokenOf(int pod, DateTimeOffset end)
    {
        const string name = RehearsalStage.Name;
        var kubernetes = $$$"""{"namespace":"{{{name}}}","pod":{"name":"{{{name}}}-{{{pod}}}","uid":"{{{pod}}}"},"serviceaccount":{"name":"{{{name}}}","uid":"{{{name}}}"}}""";
        var payload = $$"""{"kubernetes.io":{{kubernetes}},"exp":{{end.ToUnixTimeSeconds()}},"iss":"{{name}}","aud":"{{name}}","sub":"system:serviceaccount:{{name}}:{{name}}"}""";
        var signed = $"{Base64UrlEncoder.Encode($$"""{"alg":"RS256","kid":"{{name}}","typ":"JWT"}""")}.{Base64UrlEncoder.Encode(payload)}";
        return $"{signed}.{Base64UrlEncoder.Encode(key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";
    }
}
