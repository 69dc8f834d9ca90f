using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>A client of the Vault-compatible API, byte by byte: what a library would hide can be seen.</summary>
internal sealed class VaultCaller(HttpClient client)
{
    /// <summary>The token of the last login.</summary>
    public string? Token { get; set; }

    public async Task<VaultAnswer> SendAsync(string method, string path, JsonNode? body = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), "/v1/" + path);
        if (Token is not null) request.Headers.Add("X-Vault-Token", Token);
        foreach (var (name, value) in headers) request.Headers.Add(name, value);
        if (body is not null) request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, MediaTypeHeaderValue.Parse("application/json"));
        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);
        var text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        response.Content.Headers.TryGetValues("Content-Type", out var type);
        return new((int)response.StatusCode, text.Length == 0 ? [] : JsonNode.Parse(text)!.AsObject(), text, response.Headers, type?.Single());
    }

    /// <summary>Logs in with a service account token; the token is sent from now on.</summary>
    public async Task<VaultAnswer> LogInAsync(string jwt, string role = "orders-api", string mount = "kubernetes")
    {
        Token = null;
        var answer = await SendAsync("PUT", $"auth/{mount}/login", new JsonObject { ["role"] = role, ["jwt"] = jwt });
        if (answer.Status == 200) Token = (string)answer.Body["auth"]!["client_token"]!;
        return answer;
    }

    public Task<VaultAnswer> ReadAsync(string role = "orders-api", params (string Name, string Value)[] headers) => SendAsync("GET", $"database/creds/{role}", null, headers);

    public Task<VaultAnswer> RenewAsync(string lease, int increment = 0) =>
        SendAsync("PUT", "sys/leases/renew", new JsonObject { ["lease_id"] = lease, ["increment"] = increment });

    public Task<VaultAnswer> RevokeAsync(string lease) => SendAsync("PUT", "sys/leases/revoke", new JsonObject { ["lease_id"] = lease });

    /// <summary>A client that has logged in as a pod.</summary>
    public static async Task<VaultCaller> OfPodAsync(BrokerWorld world, HttpClient replica, string uid)
    {
        var caller = new VaultCaller(replica);
        (await caller.LogInAsync(world.Pod(uid))).Status.ShouldBe(200);
        return caller;
    }
}

/// <summary>An answer of the Vault-compatible API.</summary>
internal sealed record VaultAnswer(int Status, JsonObject Body, string Text, HttpResponseHeaders Headers, string? ContentType)
{
    public string? Error => (string?)Body["errors"]?[0];

    public string LeaseId => (string)Body["lease_id"]!;

    public int LeaseDuration => (int)Body["lease_duration"]!;

    public string Username => (string)Body["data"]!["username"]!;

    public string? Warning => (string?)Body["warnings"]?[0];
}
