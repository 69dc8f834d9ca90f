using LoadTests.LocalServers;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>The double of Vault answers as the recorded servers did, field by field: where it is kinder, tests of ours prove nothing.</summary>
public sealed class SimulatedVaultTests
{
    /// <summary>What it does not do, because the broker never asks for it: it answers 404 there.</summary>
    private static readonly HashSet<string> NotDone =
        ["seal-status", "leader", "mount-preflight", "static-creds", "creds-permission-denied", "metrics-denied-json", "seal", "unseal"];

    [Fact]
    public async Task It_answers_every_recorded_request_as_the_real_server_did()
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
            if (recording.Name is "kubernetes-login-wrong-account" or "kubernetes-login-unknown-role") continue; // the double has one account and any role
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
}
