using Broker.Api.Health;
using Broker.Tests.Issuing.Vault;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>
/// Every exchange recorded with a real OpenBao 2.5 and a real Vault 1.5 is had with the broker: status, headers, shape, error text and what clients
/// decide by are the same, save for the differences that are written here, each with its reason.
/// </summary>
public sealed class RecordedExchangesTests
{
    private const string AfterItsToken = "lease-lookup-after-its-token-expired";
    private const string Short = "The role of the recording lives for 5 s, and for 20 s at most; no role of the broker lives for less than 30.";
    private const string Newer = "The broker answers as the newer of the two does, and Vault since 1.6.";

    private const string Over = "Vault since 1.17 says that the token is invalid, and its Agent logs in again at that alone.";

    private static readonly string[] TokenIsOver = [""".errors is ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"] instead of ["permission denied"]"""];

    private static readonly Dictionary<string, (string[] Differences, string Reason)> OfEither = new(StringComparer.Ordinal)
    {
        ["lease-list"] = (["status 403 instead of 200"], "Listing leases needs sudo in Vault. The broker gives nobody that: its operators list leases at its own API."),
        ["lease-renew-past-max-ttl"] = ([""".warnings is ["TTL of "1h" exceeded the effective max_ttl of "30s"; TTL value is capped accordingly"] instead of ["TTL of "1h" exceeded the effective max_ttl of "20s"; TTL value is capped accordingly"]""", ".lease_duration is 30 instead of 20"], Short),
        ["creds-short-ttl"] = ([".lease_duration is 30 instead of 5"], Short),
        ["creds-by-batch-token"] = ([".lease_duration is 3600 instead of 30"], "The broker makes no batch tokens, and none of its leases ends with the token that it was read by."),
        [AfterItsToken] = (["status 200 instead of 400"], "What a token read stays until its own end: its client's next token renews it, so that logging in again takes no other user."),
        ["creds-rate-limited"] = (["status 200 instead of 429"], "The broker has no quotas by path. Callers have shares (Broker:Identity:Callers), which answer 429 in words of their own."),
        ["metrics-denied-json"] = (["status 403 instead of 200", "header content-type is application/json instead of text/plain; version=0.0.4; charset=utf-8"], "The broker's metrics are at /metrics, for viewers."),
        ["creds-database-down"] = (["status 503 instead of 500"], "A database that is down comes back: 503 with Retry-After makes clients wait for it. Its driver's text is the broker's."),
        ["seal"] = (["status 403 instead of 204"], "Nobody seals the broker by this API."),
        ["unseal"] = (["status 403 instead of 200"], "Nor unseals it."),
        ["creds-bad-token"] = (TokenIsOver, Over),
        ["token-lookup-self-bad-token"] = (TokenIsOver, Over),
    };

    private static readonly Dictionary<string, (string[] Differences, string Reason)> OfVault15 = new(OfEither, StringComparer.Ordinal)
    {
        ["seal-status"] = ([".build_date is more"], Newer),
        ["leader"] = ([".performance_standby is missing", ".performance_standby_last_remote_wal is missing", ".active_time is more"], Newer),
        ["approle-login"] = ([".auth.mfa_requirement is more", ".auth.num_uses is more"], Newer),
        ["token-renew-self"] = ([".auth.mfa_requirement is more", ".auth.num_uses is more"], Newer),
        ["approle-login-bad-secret"] = ([""".errors is ["invalid role or secret ID"] instead of ["invalid secret id"]"""], Newer + " It does not say which of the two is wrong."),
        ["mount-preflight"] = ([".data.plugin_version is more", ".data.running_plugin_version is more", ".data.running_sha256 is more"], Newer),
        ["creds-missing-token"] = (["status 403 instead of 400"], Newer),
        ["jwt-login-no-mount"] = (["status 403 instead of 400"], Newer),
        ["metrics-denied-json"] = (["status 403 instead of 400"], Newer),
        ["unknown-path"] = ([""".errors is ["no handler for route "nosuchmount/creds/x". route entry not found."] instead of ["no handler for route 'nosuchmount/creds/x'"]"""], Newer),
        ["creds-sealed"] = ([""".errors is ["Vault is sealed"] instead of ["error performing token check: Vault is sealed"]"""], Newer),
        ["renew-sealed"] = ([""".errors is ["Vault is sealed"] instead of ["error performing token check: Vault is sealed"]"""], Newer),
    };

    private static readonly RecordedServer OpenBao = new("openbao-2.5", "0cfb4006-1a24-abc7-1292-ee5f2f621da8", "58669a6b-a2d2-0981-a393-ae614d6a1cb2", OfEither);
    private static readonly RecordedServer Vault15 = new("vault-1.5", "9982a38a-728b-549f-5426-83782e6e1c43", "246a1947-0f53-1f74-3aca-0dae0bd4c3f4", OfVault15);

    public static TheoryData<string> Servers => [OpenBao.Folder, Vault15.Folder];

    [Theory]
    [MemberData(nameof(Servers))]
    public async Task Each_is_had_with_the_broker(string folder)
    {
        var server = Named(folder);
        await using var world = World();
        var replica = await world.ReplicaAsync();
        world.Issuer.Life = TimeSpan.FromHours(4);
        var exchange = server.Exchange(replica);
        var (login, shortLived, lease) = (default(string), default(string), default(string));
        var wrong = new List<string>();
        // More than an hour passes for one of them, which is had last.
        foreach (var recording in server.Recordings().Where(recording => !recording.Name.EndsWith("-sealed", StringComparison.Ordinal)).OrderBy(recording => recording.Name == AfterItsToken))
        {
            if (recording.Name == "kubernetes-login") exchange.Carry("<jwt>", world.Pod());
            world.Issuer.Failure = recording.Name == "creds-database-down" ? new(Broker.Core.Issuing.IssuerFailure.DatabaseUnavailable, "connection refused") : null;
            // A lease that is there is given whether or not the database answers; for one that must be issued it has to.
            exchange.Carry("/creds/app-postgres", recording.Name == "creds-database-down" ? "/creds/app-down" : "/creds/app-postgres");
            if (recording.Name == "creds-by-short-lived-token") shortLived = await LogInAsync(replica);
            if (recording.Name == AfterItsToken) await ExpireAsync(world, replica, shortLived!, login!, lease!);
            var token = recording.Name switch
            {
                "creds-bad-token" or "token-lookup-self-bad-token" => "hvs.of-nobody",
                "creds-by-short-lived-token" => shortLived,
                _ when recording.RequestHeaders.ContainsKey("X-Vault-Token") => login,
                _ => null,
            };

            var differences = await exchange.DifferencesAsync(recording, token, TestContext.Current.CancellationToken);
            if (recording.Name == "approle-login") login = (string?)exchange.Answer!["auth"]!["client_token"];
            if (recording.Name == "creds-by-short-lived-token") lease = (string?)exchange.Answer!["lease_id"];
            wrong.AddRange(server.Unexpected(recording, differences));
        }

        wrong.ShouldBeEmpty();
    }

    [Theory]
    [MemberData(nameof(Servers))]
    public async Task A_broker_that_was_never_ready_says_that_it_is_sealed(string folder)
    {
        var server = Named(folder);
        await using var world = World();
        var replica = await world.ReplicaAsync();
        world.Service<Readiness>().NotReady("not yet, for a test");
        var exchange = server.Exchange(replica);

        var wrong = new List<string>();
        foreach (var recording in server.Recordings().Where(recording => recording.Name.EndsWith("-sealed", StringComparison.Ordinal)))
            wrong.AddRange(server.Unexpected(recording, await exchange.DifferencesAsync(recording, "hvs.any", TestContext.Current.CancellationToken)));

        wrong.ShouldBeEmpty();
    }

    [Theory]
    [MemberData(nameof(Servers))]
    public void No_difference_is_left_over(string folder) => Named(folder).Intended.Keys.Except(Named(folder).Recordings().Select(recording => recording.Name)).ShouldBeEmpty();

    private static RecordedServer Named(string folder) => folder == OpenBao.Folder ? OpenBao : Vault15;

    private static async Task<string> LogInAsync(HttpClient replica)
    {
        var answer = await new VaultCaller(replica).SendAsync("POST", "auth/approle/login", new System.Text.Json.Nodes.JsonObject { ["role_id"] = "role-id-of-the-test", ["secret_id"] = "secret-id-of-the-test" });
        return (string)answer.Body["auth"]!["client_token"]!;
    }

    // The token's hour passes. What it read is renewed meanwhile by another token of its client, so that it is not over by itself.
    private static async Task ExpireAsync(BrokerWorld world, HttpClient replica, string token, string other, string lease)
    {
        var caller = new VaultCaller(replica) { Token = other };
        await world.ForwardAsync(TimeSpan.FromMinutes(40));
        (await caller.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(200);
        (await caller.RenewAsync(lease)).Status.ShouldBe(200);
        await world.ForwardAsync(TimeSpan.FromMinutes(21));
        (await new VaultCaller(replica) { Token = token }.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(403, "it has expired");
    }

    // As the recorded server was set up: an AppRole, Kubernetes logins for one account, three roles of which one is short.
    private static BrokerWorld World()
    {
        var settings = new List<(string, string?)>
        {
            ("VaultApi:Tokens:MaxTtl", "1.00:00:00"), // the recorded tokens show no period
            ("VaultApi:AuthMounts:approle:Type", "AppRole"),
            ("VaultApi:AuthMounts:approle:AppRoles:pod:RoleId", "role-id-of-the-test"),
            ("VaultApi:AuthMounts:approle:AppRoles:pod:SecretIds:one:Hash", Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData("secret-id-of-the-test"u8))),
            ("VaultApi:AuthMounts:kubernetes:Type", "Kubernetes"),
            ("VaultApi:AuthMounts:kubernetes:Issuer", "kubernetes"),
            ("VaultApi:AuthMounts:kubernetes:Roles:app:0", "app-postgres"),
            ("VaultApi:AuthMounts:kubernetes:Roles:other:0", "app-mysql"),
        };
        foreach (var (role, ttl) in new[] { ("app-postgres", "01:00:00"), ("app-mysql", "01:00:00"), ("app-short", "00:00:30"), ("app-down", "01:00:00") })
        {
            settings.AddRange(
            [
                ($"Roles:{role}:Database", "orders"), ($"Roles:{role}:Issuer", "here"), ($"Roles:{role}:CreationStatements:0", "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"),
                ($"Roles:{role}:LeaseTtl", "02:00:00"), ($"Roles:{role}:HolderTtl", ttl),
                ($"Roles:{role}:Allow:0:Issuer", "approle"), ($"Roles:{role}:Allow:0:Claims:role_name", "pod"),
                ($"Roles:{role}:Allow:1:Issuer", "kubernetes"), ($"Roles:{role}:Allow:1:Claims:namespace", "shop"), ($"Roles:{role}:Allow:1:Claims:serviceaccount", role == "app-mysql" ? "another" : "orders"),
            ]);
        }

        settings.AddRange(
        [
            ("Roles:static-app:Database", "orders"), ("Roles:static-app:Issuer", "here"), ("Roles:static-app:Static:Usernames:0", "static_app_a"), ("Roles:static-app:Static:Usernames:1", "static_app_b"),
            ("Roles:static-app:Static:RotationPeriod", "01:00:00"), ("Roles:static-app:Allow:0:Issuer", "approle"), ("Roles:static-app:Allow:0:Claims:role_name", "pod"),
        ]);
        return new BrokerWorld([.. settings]);
    }

    /// <summary>A server that was recorded, what it gave to log in with, and where the broker differs.</summary>
    private sealed record RecordedServer(string Folder, string RoleId, string SecretId, Dictionary<string, (string[] Differences, string Reason)> Intended)
    {
        public IEnumerable<Recording> Recordings() => Recording.All.Where(file => file.StartsWith(Folder + "/", StringComparison.Ordinal)).Select(Recording.Read);

        public RecordedExchange Exchange(HttpClient replica)
        {
            var exchange = new RecordedExchange(replica);
            exchange.Carry(RoleId, "role-id-of-the-test");
            exchange.Carry(SecretId, "secret-id-of-the-test");
            return exchange;
        }

        public IEnumerable<string> Unexpected(Recording recording, IReadOnlyList<string> differences)
        {
            if (!Intended.TryGetValue(recording.Name, out var intended)) return differences.Select(difference => $"{recording.File}: {difference}");
            if (differences.Count == 0) return recording.Name == "creds-rate-limited" ? [] : [$"{recording.File}: differs no more; take it out of the list"];

            // A different status has a different body, of which nothing is told; its headers are.
            var hasOtherBody = intended.Differences.Any(difference => difference.StartsWith("status", StringComparison.Ordinal));
            var told = differences.Where(difference => !hasOtherBody || difference.StartsWith("status", StringComparison.Ordinal) || difference.StartsWith("header", StringComparison.Ordinal))
                .Select(difference => difference.Replace("\\u0022", "\"", StringComparison.Ordinal).Replace("\\u0027", "'", StringComparison.Ordinal).Replace("\\\"", "\"", StringComparison.Ordinal)).ToArray();
            return [.. told.Except(intended.Differences).Select(difference => $"{recording.File}: {difference}"), .. intended.Differences.Except(told).Select(difference => $"{recording.File}: no more: {difference}")];
        }
    }
}
