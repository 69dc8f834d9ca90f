using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>The double of Vault answers as the recorded servers did, field by field: where it is kinder, tests of ours prove nothing.</summary>
public sealed class SimulatedVaultTests
{
    /// <summary>What it does not do, because the broker never asks for it: it answers 404 there.</summary>
    private static readonly HashSet<string> NotDone =
        ["seal-status", "leader", "mount-preflight", "static-creds", "metrics-denied-json", "seal", "unseal"];

    [Fact]
    public async Task The_simulated_Vault_answers_every_recorded_request_as_the_real_server_did()
    {
        var time = new FakeTimeProvider(new DateTimeOffset(2026, 11, 23, 21, 24, 46, 123, TimeSpan.Zero));
        await using var vault = await SimulatedVault.StartAsync(time);
        var databaseIsDown = false;
        foreach (var (name, ttl, max) in new[] { ("app-postgres", 3600, 86400), ("app-mysql", 3600, 86400), ("app-short", 5, 20) })
        {
            vault.AddRole(new SimulatedRole($"database/creds/{name}", TimeSpan.FromSeconds(ttl), TimeSpan.FromSeconds(max))
            {
                Create = (_, _, _) => databaseIsDown
                    ? throw new InvalidOperationException("unable to start transaction: failed to connect to `user=vault database=app`: 127.0.0.1:15432 (127.0.0.1): dial error: dial tcp 127.0.0.1:15432: connect: connection refused")
                    : Task.CompletedTask,
            });
        }

        vault.Tokens = new SimulatedTokens { Period = TimeSpan.FromHours(1), Forbidden = ["database/config"] };
        using var client = new HttpClient { BaseAddress = vault.Address };
        var exchange = new RecordedExchange(client);
        exchange.Carry("0cfb4006-1a24-abc7-1292-ee5f2f621da8", SimulatedVault.RoleId);
        exchange.Carry("58669a6b-a2d2-0981-a393-ae614d6a1cb2", SimulatedVault.SecretId);
        string? login = null;

        var wrong = new List<string>();
        foreach (var recording in Recording.All.Where(file => file.StartsWith("openbao-2.5/", StringComparison.Ordinal)).Select(Recording.Read))
        {
            databaseIsDown = recording.Name == "creds-database-down";
            vault.Sealed = recording.Name.EndsWith("-sealed", StringComparison.Ordinal);
            if (recording.Name == "creds-rate-limited" && recording.Status == 429)
                vault.Fail("database/creds", new SimulatedFault.Answer(429, "request path \"database/creds/app-postgres\": rate limit quota exceeded"));
            if (recording.Name is "kubernetes-login") exchange.Carry("<jwt>", SimulatedVault.Jwt);
            if (recording.Name == "lease-lookup-after-its-token-expired") time.Advance(TimeSpan.FromSeconds(5));
            var token = recording.Name switch
            {
                "creds-missing-token" => null,
                "creds-bad-token" or "token-lookup-self-bad-token" => "hvs.of-nobody",
                "lease-list-denied" => vault.CreateToken(new() { Forbidden = ["sys/leases/lookup"] }),
                "creds-by-short-lived-token" => vault.CreateToken(new() { Ttl = TimeSpan.FromSeconds(4) }),
                "creds-by-batch-token" => vault.CreateToken(new() { Ttl = TimeSpan.FromSeconds(30), Batch = true }),
                _ when recording.RequestHeaders.ContainsKey("X-Vault-Token") => login,
                _ => null,
            };

            var differences = await exchange.DifferencesAsync(recording, token, TestContext.Current.CancellationToken);
            if (recording.Name == "approle-login") login = (string?)exchange.Answer!["auth"]!["client_token"];
            if (NotDone.Contains(recording.Name)) exchange.Answer!["errors"].ShouldNotBeNull();
            else wrong.AddRange(differences.Select(difference => $"{recording.File}: {difference}"));
        }

        wrong.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("""{"increment":"10m"}""", 600, null)]
    [InlineData("""{"increment":600}""", 600, null)]
    [InlineData("""{"increment":null}""", 3600, null)]
    [InlineData("{}", 3600, null)]
    [InlineData("""{"increment":"400000h"}""", 86400, "TTL of \"400000h\" exceeded the effective max_ttl of \"24h\"; TTL value is capped accordingly")]
    public async Task A_token_that_is_not_periodic_gets_what_it_asks_for_up_to_its_max_ttl(string body, int seconds, string? warning)
    {
        var time = new FakeTimeProvider();
        await using var vault = await SimulatedVault.StartAsync(time);
        var token = vault.CreateToken(new() { Ttl = TimeSpan.FromHours(1), MaxTtl = TimeSpan.FromHours(24) });
        using var client = new HttpClient { BaseAddress = vault.Address };
        client.DefaultRequestHeaders.Add("X-Vault-Token", token);

        using var response = await client.PostAsync("/v1/auth/token/renew-self", new StringContent(body), TestContext.Current.CancellationToken);
        var answer = System.Text.Json.Nodes.JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!;

        ((int)answer["auth"]!["lease_duration"]!).ShouldBe(seconds);
        ((string?)answer["warnings"]?[0]).ShouldBe(warning);
    }

    /// <summary>What OpenBao 2.5's source has for tokens that no recording shows (expiration.go, token_store.go, request_handling.go).</summary>
    [Fact]
    public async Task Batch_tokens_and_tokens_of_few_uses_behave_as_the_servers_source_has_it()
    {
        var time = new FakeTimeProvider();
        await using var vault = await SimulatedVault.StartAsync(time);
        vault.AddRole(new SimulatedRole("database/creds/app", TimeSpan.FromHours(1), TimeSpan.FromHours(24)));
        using var client = new HttpClient { BaseAddress = vault.Address };

        var batch = vault.CreateToken(new() { Ttl = TimeSpan.FromMinutes(30), Batch = true });
        var self = (await AskAsync(client, "GET", "auth/token/lookup-self", batch)).Body;
        ((string?)self["data"]!["accessor"], (string?)self["data"]!["type"], (bool)self["data"]!["renewable"]!).ShouldBe(("", "batch", false));
        (await AskAsync(client, "POST", "auth/token/renew-self", batch, "{}")).ShouldSatisfyAllConditions(
            answer => answer.Status.ShouldBe(400), answer => ((string?)answer.Body["errors"]![0]).ShouldBe("batch tokens cannot be renewed"));
        var lease = (string)(await AskAsync(client, "GET", "database/creds/app", batch)).Body["lease_id"]!;
        time.Advance(TimeSpan.FromMinutes(10));
        var renewed = (await AskAsync(client, "PUT", "sys/leases/renew", batch, $$"""{"lease_id":"{{lease}}","increment":3600}""")).Body;
        ((int)renewed["lease_duration"]!, renewed["warnings"]).ShouldBe((1200, null));
        ((bool)(await AskAsync(client, "PUT", "sys/leases/lookup", batch, $$"""{"lease_id":"{{lease}}"}""")).Body["data"]!["renewable"]!).ShouldBeFalse();

        var few = vault.CreateToken(new() { NumUses = 3 });
        ((int)(await AskAsync(client, "GET", "auth/token/lookup-self", few)).Body["data"]!["num_uses"]!).ShouldBe(2);
        var users = vault.Users.Count;
        (await AskAsync(client, "GET", "database/creds/app", few)).Status.ShouldBe(200);
        vault.Users.Count.ShouldBe(users + 1);
        var last = await AskAsync(client, "GET", "database/creds/app", few);
        (last.Status, (string?)last.Body["errors"]![0]).ShouldBe((400, "Secret cannot be returned; token had one use left, so leased credentials were immediately revoked."));
        vault.Users.Count.ShouldBe(users); // both leases ended with their token
        (await AskAsync(client, "GET", "auth/token/lookup-self", few)).Status.ShouldBe(403);
    }

    [Fact]
    public async Task A_period_that_is_longer_than_the_max_ttl_is_cut_at_each_renewal_and_has_no_end()
    {
        var time = new FakeTimeProvider();
        await using var vault = await SimulatedVault.StartAsync(time);
        var token = vault.CreateToken(new() { Period = TimeSpan.FromHours(40), MaxTtl = TimeSpan.FromHours(24) });
        using var client = new HttpClient { BaseAddress = vault.Address };
        for (var day = 0; day < 3; day++)
        {
            time.Advance(TimeSpan.FromHours(20));
            var answer = (await AskAsync(client, "POST", "auth/token/renew-self", token, """{"increment":3153600000}""")).Body;
            ((int)answer["auth"]!["lease_duration"]!).ShouldBe(24 * 3600);
            ((string?)answer["warnings"]![0]).ShouldBe("period of \"40h\" exceeded the effective max_ttl of \"24h\"; period value is capped accordingly");
        }
    }

    private static async Task<(int Status, System.Text.Json.Nodes.JsonNode Body)> AskAsync(HttpClient client, string method, string path, string token, string? body = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), $"/v1/{path}");
        request.Headers.Add("X-Vault-Token", token);
        if (body is not null) request.Content = new StringContent(body);
        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);
        return ((int)response.StatusCode, System.Text.Json.Nodes.JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!);
    }
}
