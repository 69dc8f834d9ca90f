using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using Broker.Api.Authentication.BrokerTokens;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Operators;
using Broker.Core.Sessions;
using LoadTests.Servers.LocalServers;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.Tokens;
using Shouldly;
using StackExchange.Redis;
using Xunit;

namespace Broker.Tests.Security.Redis;

/// <summary>
/// Law L14: Redis can deny, never grant. Somebody with a plain connection to the Redis of running brokers tries to write
/// everything that could be written there. docs/security.md lists what that achieves.
/// </summary>
public sealed class RedisWriterTests(SharedServers servers) : IAsyncLifetime
{
    private const string Leases = "broker:{orders}:leases", Pools = "broker:{orders}:pools", Holders = "broker:{orders}:holders", Budget = "broker:{orders}:budget";

    private RedisStage stage = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => stage = await RedisStage.StartAsync(servers);

    public ValueTask DisposeAsync() => stage.DisposeAsync();

    [Fact]
    public async Task L14_A_login_copied_from_another_roles_lease_is_given_to_nobody()
    {
        var first = await stage.BrokerAsync();
        var (orders, payroll) = (await RedisStage.GrantAsync(first, stage.Pod(1)), await RedisStage.GrantAsync(first, stage.Pod(2, RedisStage.Payroll), RedisStage.Payroll));
        var login = await stage.Written.HashGetAsync(Leases, RedisStage.LeaseOf(payroll) + ":login");
        login.HasValue.ShouldBeTrue();
        await stage.Written.HashSetAsync(Leases, RedisStage.LeaseOf(orders) + ":login", login);

        // A fresh replica has opened nothing yet, and believes no more than the first.
        var second = await stage.BrokerAsync();
        foreach (var broker in new[] { second, first })
        {
            var grant = await RedisStage.GrantAsync(broker, stage.Pod(broker == first ? 3 : 4));
            RedisStage.UserOf(grant).ShouldStartWith("b-orders-api-");
        }

        await stage.SaysAsync($"The login of lease {RedisStage.LeaseOf(orders)} on orders cannot be decrypted");
    }

    [Fact]
    public async Task L14_A_pool_or_a_holder_pointed_at_another_roles_lease_gets_none_of_its_logins()
    {
        var broker = await stage.BrokerAsync();
        var (orders, payroll) = (await RedisStage.GrantAsync(broker, stage.Pod(1)), await RedisStage.GrantAsync(broker, stage.Pod(2, RedisStage.Payroll), RedisStage.Payroll));

        await stage.Written.HashSetAsync(Pools, RedisStage.Orders, RedisStage.LeaseOf(payroll));
        RedisStage.UserOf(await RedisStage.GrantAsync(broker, stage.Pod(3))).ShouldStartWith("b-orders-api-");

        payroll = await RedisStage.GrantAsync(broker, stage.Pod(5, RedisStage.Payroll), RedisStage.Payroll);
        var holder = (string)orders["holder"]!["id"]!;
        var packed = ((string)(await stage.Written.HashGetAsync(Holders, holder))!).Split('|');
        packed[0] = RedisStage.LeaseOf(payroll);
        await stage.Written.HashSetAsync(Holders, holder, string.Join('|', packed));
        var (_, again) = await RedisStage.ClaimAsync(broker, stage.Pod(1));
        ((string?)again["credentials"]?["username"] ?? "").ShouldNotBe(RedisStage.UserOf(payroll));
        RedisStage.UserOf(await RedisStage.GrantAsync(broker, stage.Pod(1))).ShouldStartWith("b-orders-api-");

        // And a record that says it is of another role is opened by neither.
        await stage.Written.HashSetAsync(Leases, RedisStage.LeaseOf(payroll) + ":role", RedisStage.Orders);
        RedisStage.UserOf(await RedisStage.GrantAsync(await stage.BrokerAsync(), stage.Pod(6))).ShouldStartWith("b-orders-api-");
    }

    [Fact]
    public async Task L14_Another_pods_own_lease_is_nobody_elses()
    {
        var broker = await stage.BrokerAsync();
        var (mine, others) = (await RedisStage.GrantAsync(broker, stage.Pod(1, RedisStage.Own), RedisStage.Own), await RedisStage.GrantAsync(broker, stage.Pod(2, RedisStage.Own), RedisStage.Own));
        RedisStage.UserOf(mine).ShouldNotBe(RedisStage.UserOf(others));

        // Every pool of the role, those of pods that have not come yet among them.
        var newcomer = stage.Pod(3, RedisStage.Own);
        var come = await RedisStage.GrantAsync(broker, newcomer, RedisStage.Own);
        foreach (var entry in await stage.Written.HashGetAllAsync(Pools))
            await stage.Written.HashSetAsync(Pools, entry.Name, RedisStage.LeaseOf(others));
        foreach (var entry in await stage.Written.HashGetAllAsync(Holders))
        {
            var packed = ((string)entry.Value!).Split('|');
            packed[0] = RedisStage.LeaseOf(others);
            await stage.Written.HashSetAsync(Holders, entry.Name, string.Join('|', packed));
        }

        foreach (var replica in new[] { broker, await stage.BrokerAsync() })
        {
            foreach (var (pod, had) in new[] { (stage.Pod(1, RedisStage.Own), mine), (newcomer, come) })
            {
                // The lease says itself that it is of the pool from which this pod draws.
                await stage.Written.HashSetAsync(Leases, RedisStage.LeaseOf(others) + ":pool", ((string)had["holder"]!["id"]!).Replace('.', '|'));
                var (status, body) = await RedisStage.ClaimAsync(replica, pod, RedisStage.Own);
                ((string?)body["credentials"]?["username"] ?? "").ShouldNotBe(RedisStage.UserOf(others), $"status {status}");
            }
        }
    }

    [Fact]
    public async Task L14_A_session_that_somebody_wrote_is_nobodys()
    {
        var broker = await stage.BrokerAsync();
        var token = SessionToken.New();
        var forged = new JsonObject
        {
            // All that a genuine one says, nothing of which is a secret.
            ["Session"] = new JsonObject
            {
                ["Issuer"] = "local",
                ["Subject"] = "pipeline",
                ["Claims"] = new JsonArray(Claim("sub", "pipeline"), Claim("aud", "broker"), Claim("iss", stage.Identity.Authority.OriginalString)),
                ["Roles"] = new JsonArray("deploy"),
                ["OpenedAt"] = DateTimeOffset.UnixEpoch.ToString("O"),
                ["Hash"] = token.Hash,
                ["SigningKey"] = await SigningKeyAsync(),
            },
            ["Until"] = TimeProvider.System.GetUtcNow().AddHours(1).ToString("O"),
        }.ToJsonString();
        await WriteSessionAsync(token.Id, forged);
        (await RedisStage.ClaimAsync(broker, token.Value.Reveal(), "deploy")).Status.ShouldBe(401);

        // Nor is another's, copied under an id of his own.
        var (status, opened) = await OpenAsync(broker);
        status.ShouldBe(201, opened.ToJsonString());
        var genuine = (string?)await stage.Written.HashGetAsync("broker:{~sessions}:leases", (string)opened["id"]!);
        genuine.ShouldNotBeNull().ShouldNotContain("pipeline", customMessage: "what a session is stands sealed");
        await WriteSessionAsync(token.Id, genuine[(genuine.IndexOf('|') + 1)..]);
        (await RedisStage.ClaimAsync(broker, token.Value.Reveal(), "deploy")).Status.ShouldBe(401);
        // Its own is good all the same.
        await RedisStage.GrantAsync(broker, (string)opened["token"]!, "deploy");
    }

    [Fact]
    public async Task L14_A_session_that_was_ended_is_not_brought_back()
    {
        var (one, other) = (await stage.BrokerAsync(), await stage.BrokerAsync());
        var (_, opened) = await OpenAsync(one);
        var (id, token) = ((string)opened["id"]!, (string)opened["token"]!);
        await RedisStage.GrantAsync(other, token, "deploy");
        var text = (string)(await stage.Written.HashGetAsync("broker:{~sessions}:leases", id))!;
        (await RedisStage.SendAsync(one, HttpMethod.Delete, $"/api/v1/sessions/{id}", token)).Status.ShouldBe(204);
        foreach (var broker in new[] { one, other })
            await Eventually.HoldsAsync(async () => (await RedisStage.ClaimAsync(broker, token, "deploy")).Status == 401, "it has ended", Cancellation);

        await WriteSessionAsync(id, text[(text.IndexOf('|') + 1)..]);
        foreach (var broker in new[] { one, other }) (await RedisStage.ClaimAsync(broker, token, "deploy")).Status.ShouldBe(401);
    }

    [Fact]
    public async Task L14_A_sealing_key_that_somebody_put_into_Redis_opens_nothing_and_seals_nothing()
    {
        var first = await stage.BrokerAsync();
        await RedisStage.GrantAsync(first, stage.Pod(1));

        // Keys as anybody can make them: in the clear, and encrypted to the certificate, whose public half is no secret.
        var own = Directory.CreateDirectory(Path.Combine(stage.Directory, "strangers-keys"));
        using var services = new ServiceCollection().AddDataProtection().SetApplicationName("broker").PersistKeysToFileSystem(own).Services.BuildServiceProvider();
        var forge = services.GetRequiredService<IDataProtectionProvider>();
        forge.CreateProtector("x").Protect("x");
        var encrypted = Directory.CreateDirectory(Path.Combine(stage.Directory, "strangers-encrypted-keys"));
        using var certificate = X509CertificateLoader.LoadCertificateFromFile(stage.Certificate);
        using var others = new ServiceCollection().AddDataProtection().SetApplicationName("broker").PersistKeysToFileSystem(encrypted).ProtectKeysWithCertificate(certificate).Services.BuildServiceProvider();
        others.GetRequiredService<IDataProtectionProvider>().CreateProtector("x").Protect("x");
        foreach (var file in own.GetFiles("key-*.xml").Concat(encrypted.GetFiles("key-*.xml")))
        {
            var xml = await File.ReadAllTextAsync(file.FullName, Cancellation);
            xml = xml[xml.IndexOf("<key", StringComparison.Ordinal)..];
            foreach (var element in new[] { xml, "|" + xml, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA|" + xml, "not even xml" })
            {
                await stage.Written.ListRightPushAsync("broker:sealing-keys", element);
                await stage.Written.ListLeftPushAsync("broker:sealing-keys", element);
            }
        }

        var second = await stage.BrokerAsync();
        var forged = new AdminTokens(forge, new ProofHasher(new AuditSettings()), TimeProvider.System).Make("nobody", TimeSpan.FromMinutes(10)).Reveal();
        foreach (var broker in new[] { first, second })
            (await RedisStage.SendAsync(broker, HttpMethod.Get, "/api/v1/leases", forged)).Status.ShouldBe(401);
        // It has the genuine keys, and goes on with them.
        await RedisStage.GrantAsync(second, stage.Pod(2));

        // What is sealed from now on is sealed with none of his keys.
        var third = await RedisStage.GrantAsync(second, stage.Pod(3, RedisStage.Payroll), RedisStage.Payroll);
        var login = (string)(await stage.Written.HashGetAsync(Leases, RedisStage.LeaseOf(third) + ":login"))!;
        Should.Throw<CryptographicException>(() => forge.CreateProtector("Broker.Lease.Login.v2", "orders", RedisStage.Payroll, RedisStage.LeaseOf(third)).Unprotect(login))
            .Message.ShouldContain("not found in the key ring");
        await stage.SaysAsync("16 elements of broker:sealing-keys in Redis were not written by a broker");
    }

    [Fact]
    public async Task L14_No_user_is_dropped_or_capped_because_its_name_stands_in_Redis()
    {
        var victim = "victim_" + Guid.NewGuid().ToString("N")[..8];
        await stage.SqlAsync($"CREATE ROLE {victim} LOGIN PASSWORD 'x'");
        var broker = await stage.BrokerAsync(configuration => configuration["Broker"]!["Databases"]!["orders"]!["Budget"]!["Enforce"] = true);
        var (known, spoiled) = (await RedisStage.GrantAsync(broker, stage.Pod(1)), await RedisStage.GrantAsync(broker, stage.Pod(2, RedisStage.Payroll), RedisStage.Payroll));
        foreach (var grant in new[] { known, spoiled })
        {
            foreach (var field in new[] { "user", "ref" }) await stage.Written.HashSetAsync(Leases, $"{RedisStage.LeaseOf(grant)}:{field}", victim);
            await stage.Written.HashSetAsync(Leases, RedisStage.LeaseOf(grant) + ":cap", "1");
        }

        // Capped anew for the next grant, then revoked: by the name that was sealed.
        await RedisStage.GrantAsync(broker, stage.Pod(3));
        await stage.Written.HashSetAsync(Leases, RedisStage.LeaseOf(spoiled) + ":login", "spoiled");
        foreach (var grant in new[] { known, spoiled })
            (await RedisStage.SendAsync(broker, HttpMethod.Post, $"/api/v1/leases/{RedisStage.LeaseOf(grant)}/revoke", stage.Identity.OperatorToken(), new() { ["reason"] = "test" })).Status.ShouldBe(202);
        await Eventually.HoldsAsync(
            async () => await stage.SqlAsync($"SELECT count(*) FROM pg_roles WHERE rolname = '{RedisStage.UserOf(known)}'") == "0", "the lease's own user is dropped", Cancellation);

        // With the seal spoiled nobody knows whose user it is, and nothing is dropped: it is said.
        await Eventually.HoldsAsync(
            async () => (await RedisStage.SendAsync(broker, HttpMethod.Get, "/api/v1/duties", stage.Identity.ViewerToken())).Body.ToJsonString().Contains("somebody else wrote them into the ledger", StringComparison.Ordinal),
            "the duty says what is wrong", Cancellation);
        (await stage.SqlAsync($"SELECT rolcanlogin::text || rolconnlimit FROM pg_roles WHERE rolname = '{victim}'")).ShouldBe("true-1");

        // Nor by an operator who believes what the page shows.
        await stage.Written.HashSetAsync("broker:{orders}:leftovers", victim, $$"""1|{"Role":"orders-api","ValidUntil":null,"OpenConnections":0,"OwnedObjects":0}""");
        (await RedisStage.SendAsync(broker, HttpMethod.Delete, $"/api/v1/leftovers/orders/{victim}", stage.Identity.OperatorToken(), new() { ["reason"] = "test" })).Status.ShouldBe(404);
        (await stage.SqlAsync($"SELECT rolcanlogin::text || rolconnlimit FROM pg_roles WHERE rolname = '{victim}'")).ShouldBe("true-1");
        await stage.SqlAsync($"DROP ROLE {victim}");
    }

    [Fact]
    public async Task L14_A_ceiling_that_no_operator_set_lowers_and_never_raises()
    {
        var broker = await stage.BrokerAsync();
        await RedisStage.GrantAsync(broker, stage.Pod(1));
        await CeilingShouldBecomeAsync(broker, 60);
        await SetCeilingAsync("300");
        await CountAgainAsync(broker);
        await CeilingShouldBecomeAsync(broker, 60);
        await SetCeilingAsync("7");
        await CeilingShouldBecomeAsync(broker, 7);
        var (status, _) = await RedisStage.SendAsync(
            broker, HttpMethod.Put, "/api/v1/budgets/orders/ceiling", stage.Identity.OperatorToken(), new() { ["ceiling"] = 40, ["reason"] = "test" });
        status.ShouldBe(202);
        await CeilingShouldBecomeAsync(broker, 40);
    }

    private static JsonObject Claim(string name, string value) => new() { ["Key"] = name, ["Value"] = value };

    // The key that signs the issuer's tokens, by what it is known as everywhere (RFC 7638).
    private async Task<string> SigningKeyAsync()
    {
        using var client = new HttpClient { BaseAddress = stage.Identity.Authority };
        var document = JsonNode.Parse(await client.GetStringAsync(new Uri(".well-known/openid-configuration", UriKind.Relative), Cancellation))!;
        var keys = JsonNode.Parse(await client.GetStringAsync(new Uri((string)document["jwks_uri"]!), Cancellation))!["keys"]!.AsArray();
        return Base64UrlEncoder.Encode(new JsonWebKey(keys.Single()!.ToJsonString()).ComputeJwkThumbprint());
    }

    private Task SetCeilingAsync(string ceiling) => stage.Written.HashSetAsync("broker:{~issuers}:budget", "shared:ceiling:orders", ceiling + "|1");

    private async Task CountAgainAsync(HttpClient broker)
    {
        var before = (string?)await stage.Written.HashGetAsync(Budget, "sampled");
        await Eventually.HoldsAsync(async () => (string?)await stage.Written.HashGetAsync(Budget, "sampled") != before, "the connections were counted again", Cancellation);
    }

    private async Task CeilingShouldBecomeAsync(HttpClient broker, int ceiling) => await Eventually.HoldsAsync(
        async () => (int?)(await RedisStage.SendAsync(broker, HttpMethod.Get, "/api/v1/budgets/orders", stage.Identity.ViewerToken())).Body["ceiling"] == ceiling,
        $"the ceiling is {ceiling}", Cancellation);

    private Task<(int Status, JsonObject Body)> OpenAsync(HttpClient broker) =>
        RedisStage.SendAsync(broker, HttpMethod.Post, "/api/v1/sessions", stage.Job(), new() { ["roles"] = new JsonArray("deploy") });

    private async Task WriteSessionAsync(string id, string text)
    {
        var end = TimeProvider.System.GetUtcNow().AddHours(1).ToUnixTimeMilliseconds();
        await stage.Written.HashSetAsync("broker:{~sessions}:leases", id, $"{end}|{text}");
        await stage.Written.SortedSetAddAsync("broker:{~sessions}:order", id, end);
    }
}
