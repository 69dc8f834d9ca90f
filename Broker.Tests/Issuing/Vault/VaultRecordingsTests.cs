using System.Text.Json.Nodes;
using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Issuing.Vault;
using Broker.Core.Model;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>What our client makes of every exchange recorded with a real Vault 1.5 and a real OpenBao 2.5.</summary>
public sealed class VaultRecordingsTests : IAsyncLifetime
{
    /// <summary>By the recording's name and, where one name has several answers, its status.</summary>
    private static readonly Dictionary<string, string> Expected = new(StringComparer.Ordinal)
    {
        ["health-active"] = "health Active",
        ["health-sealed"] = "health Sealed",
        ["approle-login"] = "token",
        ["approle-login-bad-secret"] = "Refused",
        ["kubernetes-login"] = "token",
        ["kubernetes-login-wrong-account"] = "Refused: service account name not authorized",
        ["kubernetes-login-unknown-role"] = "Refused: invalid role name \"nosuch\"",
        ["kubernetes-login-no-role"] = "Refused: missing role",
        ["kubernetes-login-no-jwt"] = "Refused: missing jwt",
        ["kubernetes-login-garbage"] = "Refused: permission denied",
        ["jwt-login-no-mount"] = "Refused",
        ["login-sealed"] = "Unavailable: Vault is sealed",
        ["token-lookup-self"] = "token left 3599 of 3600, renewable",
        ["token-lookup-self-bad-token"] = "token refused",
        ["token-renew-self"] = "3600, periodic: leases as long as wanted",
        ["creds-postgres"] = "issued 3600, renewable",
        ["creds-mysql"] = "issued 3600, renewable",
        ["creds-short-ttl"] = "issued 5, renewable",
        ["creds-by-short-lived-token"] = "issued 3600, renewable",
        ["creds-by-batch-token"] = "issued 30, renewable",
        ["creds-unsealed"] = "issued 3600, renewable",
        ["creds-database-back"] = "issued 3600, renewable",
        ["creds-unknown-role"] = "Refused: unknown role: nosuch",
        ["creds-permission-denied"] = "token refused",
        ["creds-missing-token"] = "token refused",
        ["creds-bad-token"] = "token refused",
        ["unknown-path"] = "Refused: no handler for route",
        ["creds-wrapped"] = "AnswerLost",
        ["static-creds"] = "Refused: answers without a lease",
        ["creds-rate-limited 200"] = "issued 3600, renewable",
        ["creds-rate-limited 429"] = "Throttled: rate limit quota exceeded",
        ["creds-database-down"] = "DatabaseUnavailable: connection refused",
        ["creds-sealed"] = "Unavailable: Vault is sealed",
        ["lease-lookup"] = "lease 3599, renewable",
        ["lease-lookup-unknown"] = "no lease",
        ["lease-lookup-after-its-token-expired"] = "no lease",
        ["lease-list"] = "leases",
        ["lease-list-denied"] = "token refused",
        ["lease-renew"] = "term 1800, renewable",
        ["lease-renew-past-max-ttl"] = "term 20, renewable, warned TTL of \"1h\" exceeded the effective max_ttl of \"20s\"; TTL value is capped accordingly",
        ["lease-renew-unknown"] = "LeaseUnknown: lease not found",
        ["lease-renew-revoked"] = "LeaseUnknown: lease not found",
        ["lease-renew-empty"] = "Unavailable: lease_id must be specified",
        ["renew-sealed"] = "Unavailable: Vault is sealed",
        ["lease-revoke"] = "done",
        ["lease-revoke-again"] = "done",
        ["lease-revoke-unknown"] = "done",
    };

    /// <summary>Exchanges that others have with a Vault: the operator, the command line, Prometheus. We never send these.</summary>
    private static readonly HashSet<string> NotOurs =
        ["seal-status", "leader", "mount-preflight", "creds-wrong-method", "metrics-denied-json", "seal", "unseal"];

    /// <summary>Requests made wrong on purpose, which our client cannot make.</summary>
    private static readonly HashSet<string> MadeWrong = ["kubernetes-login-no-role", "kubernetes-login-no-jwt", "lease-renew-empty", "renew-sealed", "token-renew-self"];

    private RecordedVault vault = null!;

    public static IEnumerable<TheoryDataRow<string>> Files =>
        Recording.All.Where(file => !NotOurs.Contains(Recording.Read(file).Name)).Select(file => new TheoryDataRow<string>(file));

    public async ValueTask InitializeAsync() => vault = await RecordedVault.StartAsync();

    public async ValueTask DisposeAsync() => await vault.DisposeAsync();

    [Theory]
    [MemberData(nameof(Files))]
    public async Task Every_recorded_answer_is_understood(string file)
    {
        var recording = Recording.Read(file);
        var time = new FakeTimeProvider();
        using var bench = new VaultFixture(VaultFixture.PatientDefinitionOf(vault.AddressOf(recording)), time);

        var outcome = await VaultFixture.RunAsync(time, OutcomeAsync(bench.Client, recording));

        var expected = Expected.GetValueOrDefault($"{recording.Name} {recording.Status}") ?? Expected[recording.Name];
        var (kind, words) = Split(expected);
        Split(outcome).Kind.ShouldBe(kind);
        outcome.ShouldContain(words);
        if (!MadeWrong.Contains(recording.Name))
            JsonNode.DeepEquals(vault.SentFor(recording), recording.RequestBody).ShouldBeTrue($"sent {vault.SentFor(recording)}");
    }

    [Fact]
    public void Both_servers_are_recorded_whole()
    {
        Recording.All.Count(file => file.StartsWith("vault-1.5/", StringComparison.Ordinal)).ShouldBe(49);
        Recording.All.Count(file => file.StartsWith("openbao-2.5/", StringComparison.Ordinal)).ShouldBe(55);
    }

    [Fact]
    public void No_expectation_is_left_over()
    {
        var recorded = Recording.All.Select(Recording.Read).SelectMany(recording => new[] { recording.Name, $"{recording.Name} {recording.Status}" }).ToHashSet();
        Expected.Keys.Concat(NotOurs).Concat(MadeWrong).Where(name => !recorded.Contains(name)).ShouldBeEmpty();
    }

    /// <summary>Asks as the recording did; says what our client made of the answer.</summary>
    private static async Task<string> OutcomeAsync(VaultClient client, Recording recording)
    {
        var cancellation = VaultFixture.Cancellation;
        var token = VaultFixture.Token;
        var path = recording.Path["/v1/".Length..];
        string Sent(string name) => (string?)recording.RequestBody?[name] ?? "left-out";
        try
        {
            switch (recording.Method, path)
            {
                case ("GET", "sys/health"):
                    var health = await client.HealthAsync(cancellation);
                    health.Version.ShouldBe((string)recording.Body!["version"]!);
                    return $"health {health.State}";

                case ("POST", "auth/approle/login"):
                    return Token(await client.LogInAsync(
                        new VaultAppRoleAuth(Sent("role_id"), new SecretSource(new Secret(Sent("secret_id")), null)), cancellation));

                case ("POST", "auth/kubernetes/login" or "auth/jwt/login"):
                    return Token(await client.LogInAsync(
                        new VaultKubernetesAuth(Sent("role"), new SecretSource(new Secret(Sent("jwt")), null), path.Split('/')[1]), cancellation));

                case ("GET", "auth/token/lookup-self"):
                    var said = await client.LookUpSelfAsync(token, cancellation);
                    var known = said.Describe(token, renewal: null);
                    known.Horizon.ShouldBe(known.TimeLeft);
                    return $"token left {known.TimeLeft!.Value.TotalSeconds} of {known.FullTtl.TotalSeconds}{(said.CanBeRenewed ? ", renewable" : "")}";

                case ("POST", "auth/token/renew-self"):
                    var renewal = await client.RenewSelfAsync(token, cancellation);
                    var renewed = new VaultTokenBody(0, 3600, DateTimeOffset.UnixEpoch.AddHours(1), DateTimeOffset.UnixEpoch, 0, null, true, 3599, "service").Describe(token, renewal);
                    return $"{renewed.TimeLeft!.Value.TotalSeconds}, {(renewed.Horizon is null ? "periodic: leases as long as wanted" : "not periodic")}";

                case ("PUT", "sys/leases/renew"):
                    var term = await client.RenewAsync(Sent("lease_id"), TimeSpan.FromSeconds((long?)recording.RequestBody?["increment"] ?? 1), token, cancellation);
                    return $"term {Words(term.ShouldNotBeNull())}";

                case ("PUT", "sys/leases/revoke"):
                    await client.RevokeAsync(Sent("lease_id"), token, cancellation);
                    return "done";

                case ("PUT", "sys/leases/lookup"):
                    var lease = await client.LookUpAsync(Sent("lease_id"), token, cancellation);
                    lease?.IssuedAt.ShouldBe((DateTimeOffset)recording.Body!["data"]!["issue_time"]!);
                    return lease is null ? "no lease" : $"lease {Words(lease.Term)}";

                case ("LIST", _):
                    var prefix = path["sys/leases/lookup/".Length..];
                    var ids = await client.ListAsync(VaultPath.Parse(prefix), token, cancellation);
                    var keys = recording.Body!["data"]!["keys"]!.AsArray().Select(key => (string)key!).ToList();
                    ids.ShouldBe(keys.Where(key => key.Length == 24).Select(key => $"{prefix}/{key}")); // the others are tokens' own
                    ids.Count.ShouldBe(keys.Count - 1);
                    return "leases";

                default:
                    var issued = await client.IssueAsync(VaultPath.Parse(path), token, cancellation);
                    issued.LeaseId.ShouldBe((string)recording.Body!["lease_id"]!);
                    issued.Login!.Username.ShouldBe((string)recording.Body["data"]!["username"]!);
                    issued.Login.Password.Reveal().ShouldBe((string)recording.Body["data"]!["password"]!);
                    return $"issued {Words(issued.Term)}";
            }
        }
        catch (IssuerException refused)
        {
            return $"{refused.Failure}: {refused.Message}";
        }
        catch (VaultTokenRefusedException)
        {
            return "token refused";
        }

        string Token(Secret given)
        {
            given.Reveal().ShouldBe((string)recording.Body!["auth"]!["client_token"]!);
            return "token";
        }
    }

    private static string Words(LeaseTerm term) =>
        $"{term.Duration.TotalSeconds}{(term.Renewable ? ", renewable" : "")}{(term.Warning is null ? "" : $", warned {term.Warning}")}";

    private static (string Kind, string Words) Split(string outcome)
    {
        var colon = outcome.IndexOf(':', StringComparison.Ordinal);
        return Enum.GetNames<IssuerFailure>().Any(failure => outcome == failure || outcome.StartsWith(failure + ":", StringComparison.Ordinal))
            ? colon < 0 ? (outcome, "") : (outcome[..colon], outcome[(colon + 1)..].Trim())
            : (outcome, outcome);
    }
}
