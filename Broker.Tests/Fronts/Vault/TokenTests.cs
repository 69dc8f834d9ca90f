using System.Net;
using System.Text.Json.Nodes;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Sessions.ClientTokens;
using Broker.Tests.Authentication;
using Broker.Tests.Authentication.Kubernetes;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>Tokens: the same on every replica, renewed, looked up, ended, and valid only while their login's proof is.</summary>
public sealed class TokenTests
{
    [Fact]
    public async Task A_token_is_good_on_every_replica_until_it_is_revoked_on_one()
    {
        await using var world = new BrokerWorld();
        var (one, other) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var caller = await VaultCaller.OfPodAsync(world, one, "uid-1");
        var elsewhere = new VaultCaller(other) { Token = caller.Token };

        (await elsewhere.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(200);
        var lease = (await caller.ReadAsync()).LeaseId;
        (await elsewhere.RenewAsync(lease)).Status.ShouldBe(200);
        (await caller.SendAsync("POST", "auth/token/revoke-self")).Status.ShouldBe(204);

        (await caller.ReadAsync()).Status.ShouldBe(403);
        await Eventually.HoldsAsync(async () => (await elsewhere.ReadAsync()).Status == 403, "the other replica refuses it too", TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData("aud", "others")]
    [InlineData("iss", "https://former.example")]
    public async Task A_token_is_over_when_its_issuer_takes_no_more_tokens_of_that_audience_or_name(string claim, string value)
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var ledger = world.Service<ClientTokenLedger>();
        var live = (await ledger.FindAsync(ClientTokenText.IdOf(caller.Token!), TestContext.Current.CancellationToken))!;
        await MadeWithAsync(live.Token.Claims);
        (await caller.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(200, "its key is there");

        await MadeWithAsync([.. live.Token.Claims.Select(one => one.Key == claim ? KeyValuePair.Create(claim, value) : one)]);

        (await caller.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(403);
        (await caller.ReadAsync()).Status.ShouldBe(403);

        // Its login's own proof has ended.
        async Task MadeWithAsync(IReadOnlyList<KeyValuePair<string, string>> claims)
        {
            (await ledger.RenewAsync(live.Id, live.Token with { Proof = null, Claims = claims }, TimeSpan.FromHours(1), TestContext.Current.CancellationToken)).ShouldBeTrue();
            world.Time.Forward(TimeSpan.FromSeconds(1)); // no replica remembers it as it was
        }
    }

    [Fact]
    public async Task A_token_is_revoked_though_what_it_read_cannot_be_given_up()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var (caller, other) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-1"));
        var lease = (await caller.ReadAsync()).LeaseId;
        world.Cut = static database => database == "~handles";

        (await caller.SendAsync("POST", "auth/token/revoke-self")).Status.ShouldBe(204);

        world.Cut = null;
        (await caller.ReadAsync()).Status.ShouldBe(403);
        world.Audited("session").ShouldContain(static record => ((string?)record["detail"])!.StartsWith("client token revoked, and leases that were read with it are left", StringComparison.Ordinal));
        (await other.RenewAsync(lease)).Status.ShouldBe(200, "it is where it was");
    }

    [Fact]
    public async Task All_that_a_token_read_is_given_up_with_it()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var (caller, other) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-1"));
        var leases = new List<string>();
        for (var i = 0; i < 40; i++) leases.Add((await caller.ReadAsync()).LeaseId);
        var kept = (await other.ReadAsync()).LeaseId;

        (await caller.SendAsync("POST", "auth/token/revoke-self")).Status.ShouldBe(204);

        foreach (var lease in leases) (await other.RenewAsync(lease)).Status.ShouldBe(400);
        (await other.RenewAsync(kept)).Status.ShouldBe(200);
        world.Audited("release").Count(static record => (string?)record["outcome"] == "granted").ShouldBe(40);
    }

    [Fact]
    public async Task One_pod_has_so_many_tokens_and_of_more_its_oldest_ends_but_not_what_it_read()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var (first, second, other) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-2"));
        var lease = (await first.ReadAsync()).LeaseId;

        var last = first;
        for (var i = 0; i < 499; i++) last = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        world.Time.Forward(TimeSpan.FromSeconds(1)); // no replica remembers it any more

        (await first.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(403);
        (await second.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(200);
        (await other.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(200, "another pod loses nothing by it");
        (await last.RenewAsync(lease)).Status.ShouldBe(200);
    }

    [Fact]
    public void Clients_of_one_name_without_a_pod_are_counted_by_secret_id_and_address()
    {
        var (role, pod) = (Of("legacy", null), Of("system:serviceaccount:shop:orders", "uid-1"));

        var groups = new[] { Group(role, "legacy/one", "10.0.0.1"), Group(role, "legacy/one", "10.0.0.2"), Group(role, "legacy/two", "10.0.0.1"), Group(role, "legacy/one", "2001:db8::1"), Group(pod, null, "10.0.0.1") };

        groups.Distinct().Count().ShouldBe(groups.Length);
        Group(role, "legacy/one", "2001:db8::2").ShouldBe(groups[3], "one network");
        Group(pod, null, "10.0.0.2").ShouldBe(groups[4], "a pod is one client");
        groups.ShouldAllBe(group => !group.Contains('|') && !group.Contains(','));

        static string Group(Caller caller, string? secretId, string address) => OwnersGroup.Of(caller, secretId, new Origin("trace", address));
        static Caller Of(string subject, string? uid) =>
            new("issuer", subject, (uid is null ? [] : new[] { ("kubernetes.io/pod/uid", uid) }).ToLookup(claim => claim.Item1, claim => claim.Item2), DateTimeOffset.MaxValue);
    }

    [Fact]
    public async Task L6_the_ledger_and_the_audit_never_hold_a_token_or_a_password()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var read = await caller.ReadAsync();
        await caller.SendAsync("PUT", "auth/token/renew-self");
        await caller.RenewAsync(read.LeaseId);
        await caller.RevokeAsync(read.LeaseId);
        await caller.SendAsync("PUT", "auth/token/revoke-self");

        foreach (var secret in new[] { caller.Token!, (string)read.Body["data"]!["password"]! })
        {
            world.Heard.All.ShouldNotContain(heard => heard.Text.Contains(secret, StringComparison.Ordinal));
            world.AuditLines().ShouldNotContain(line => line.Contains(secret, StringComparison.Ordinal));
        }

        world.Audited("session").Length.ShouldBeGreaterThanOrEqualTo(3);
    }

    [Fact]
    public async Task What_clients_read_of_their_token_is_there_with_the_types_they_expect()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        foreach (var (method, path, body) in new[] { ("GET", "lookup-self", null), ("POST", "lookup-self", null), ("POST", "lookup", new JsonObject { ["token"] = caller.Token }) })
        {
            var answer = await caller.SendAsync(method, "auth/token/" + path, body);
            var data = answer.Body["data"]!;

            // External Secrets Operator: pkg/provider/vault/auth.go@0d69078b checkToken; Vault Agent: agentproxyshared/auth/auth.go@0d65a132.
            ((string)data["type"]!).ShouldBe("service");
            ((int)data["ttl"]!).ShouldBeInRange(3590, 3600);
            data.AsObject().ContainsKey("expire_time").ShouldBeTrue();
            ((bool)data["renewable"]!).ShouldBeTrue();
            ((string)data["id"]!).ShouldBe(caller.Token);
            data["policies"]!.AsArray().Select(policy => (string)policy!).ShouldBe(["default", "orders-api"]);
        }

        (await caller.SendAsync("POST", "auth/token/lookup", new JsonObject { ["token"] = "hvs.another" })).Error.ShouldBe("bad token");
        foreach (var path in new[] { "create-orphan", "revoke-orphan", "roles/x", "tidy", "accessors" })
            (await caller.SendAsync("POST", "auth/token/" + path)).Status.ShouldBe(403, path);
    }

    [Fact]
    public async Task A_token_lives_as_long_as_it_is_renewed_and_dies_when_it_is_not()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        for (var day = 0; day < 60; day++)
        {
            world.Time.Forward(TimeSpan.FromMinutes(55));
            var renewed = await caller.SendAsync("PUT", "auth/token/renew-self", new JsonObject { ["increment"] = day % 2 == 0 ? 0 : 86400 });
            ((int)renewed.Body["auth"]!["lease_duration"]!).ShouldBe(3600);
            ((string)renewed.Body["auth"]!["client_token"]!).ShouldBe(caller.Token);
        }

        world.Time.Forward(TimeSpan.FromMinutes(61));
        (await caller.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(403);
    }

    [Theory]
    [InlineData(null, 2700)]
    [InlineData("02:00:00", null)] // it ends, and so has no period
    public async Task A_token_without_a_last_end_shows_its_period_wherever_it_is_looked_up(string? maxTtl, int? period)
    {
        await using var world = new BrokerWorld(("VaultApi:Tokens:Ttl", "00:45:00"), ("VaultApi:Tokens:MaxTtl", maxTtl));
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var accessor = (string)(await caller.SendAsync("GET", "auth/token/lookup-self")).Body["data"]!["accessor"]!;

        foreach (var (method, path, body) in new[] { ("GET", "lookup-self", null), ("POST", "lookup", new JsonObject { ["token"] = caller.Token }), ("POST", "lookup-accessor", new JsonObject { ["accessor"] = accessor }) })
        {
            // Seconds, and left out where there is none (OpenBao vault/token_store.go handleLookup).
            ((int?)(await caller.SendAsync(method, "auth/token/" + path, body)).Body["data"]!["period"]).ShouldBe(period, path);
        }

        // The auth of a login or a renewal has no such field (OpenBao sdk/logical/translate_response.go HTTPAuth).
        (await caller.SendAsync("PUT", "auth/token/renew-self")).Body["auth"]!.AsObject().ContainsKey("period").ShouldBeFalse();
    }

    [Fact]
    public async Task A_token_with_a_last_end_is_shortened_as_Vault_does_and_then_expired()
    {
        await using var world = new BrokerWorld(("VaultApi:Tokens:Ttl", "01:00:00"), ("VaultApi:Tokens:MaxTtl", "02:00:00"));
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        world.Time.Forward(TimeSpan.FromMinutes(50));
        ((int)(await caller.SendAsync("PUT", "auth/token/renew-self")).Body["auth"]!["lease_duration"]!).ShouldBe(3600);
        world.Time.Forward(TimeSpan.FromMinutes(50));

        var capped = await caller.SendAsync("PUT", "auth/token/renew-self", new JsonObject { ["increment"] = "1h" });

        ((int)capped.Body["auth"]!["lease_duration"]!).ShouldBeInRange(1150, 1200);
        capped.Warning.ShouldBe("TTL of \"1h\" exceeded the effective max_ttl of \"2h\"; TTL value is capped accordingly");
        world.Time.Forward(TimeSpan.FromMinutes(21));
        (await caller.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(403);
    }

    [Theory]
    [InlineData("null", 7200)]
    [InlineData("\"\"", 7200)]
    [InlineData("0", 7200)]
    [InlineData("600", 600)]
    [InlineData("600.0", 600)]
    [InlineData("\"600\"", 600)]
    [InlineData("\"10m\"", 600)]
    public async Task An_increment_of_a_token_is_a_number_a_text_or_null(string increment, int seconds)
    {
        await using var world = new BrokerWorld(("VaultApi:Tokens:Ttl", "02:00:00"), ("VaultApi:Tokens:MaxTtl", "1.00:00:00"));
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var renewed = await caller.SendAsync("PUT", "auth/token/renew-self", JsonNode.Parse($$"""{"increment":{{increment}}}"""));

        ((int)renewed.Body["auth"]!["lease_duration"]!, renewed.Warning).ShouldBe((seconds, null));
    }

    [Fact]
    public async Task A_token_outlives_the_proof_of_its_login_which_came_to_its_end()
    {
        await using var world = new BrokerWorld();
        var caller = new VaultCaller(await world.ReplicaAsync());
        (await caller.LogInAsync(world.Job(seconds: 300), "deploy", "ci")).Status.ShouldBe(200);

        world.Time.Forward(TimeSpan.FromMinutes(30));

        (await caller.ReadAsync("deploy")).Status.ShouldBe(200);
    }

    [Theory]
    [InlineData(null, 1)]
    [InlineData("02:00:00", 2)]
    public async Task L14_A_token_is_over_at_its_last_end_whatever_the_ledger_says(string? maxTtl, int hours)
    {
        await using var world = new BrokerWorld(("VaultApi:Tokens:Ttl", "01:00:00"), ("VaultApi:Tokens:MaxTtl", maxTtl));
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var ledger = world.Service<ClientTokenLedger>();
        var live = (await ledger.FindAsync(ClientTokenText.IdOf(caller.Token!), TestContext.Current.CancellationToken)).ShouldNotBeNull();

        // What somebody who writes into Redis can do: its text stays, its end does not.
        (await ledger.RenewAsync(live.Id, live.Token, TimeSpan.FromDays(3650), TestContext.Current.CancellationToken)).ShouldBeTrue();

        world.Time.Forward(TimeSpan.FromHours(hours) - TimeSpan.FromMinutes(2));
        (await caller.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(200);
        world.Time.Forward(TimeSpan.FromMinutes(8)); // five more, by which replicas' clocks may differ
        (await caller.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(403);
        (await caller.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(403);
        (await caller.ReadAsync()).Status.ShouldBe(403);
    }

    [Fact]
    public async Task L14_A_token_that_was_revoked_is_not_brought_back()
    {
        await using var world = new BrokerWorld();
        HttpClient[] replicas = [await world.ReplicaAsync(), await world.ReplicaAsync()];
        var caller = await VaultCaller.OfPodAsync(world, replicas[0], "uid-1");
        var ledger = world.Service<ClientTokenLedger>();
        var live = (await ledger.FindAsync(ClientTokenText.IdOf(caller.Token!), TestContext.Current.CancellationToken)).ShouldNotBeNull();
        (await caller.SendAsync("POST", "auth/token/revoke-self")).Status.ShouldBe(204);
        await ledger.PutAsync(live.Id, ["g"], live.Token, TimeSpan.FromHours(1), TestContext.Current.CancellationToken);

        foreach (var replica in replicas) (await new VaultCaller(replica) { Token = caller.Token }.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(403);
    }

    [Theory]
    [InlineData(3600)]
    [InlineData(300)] // the token of the login ends before its key goes
    public async Task A_token_is_over_when_the_key_that_signed_the_proof_of_its_login_is_withdrawn(int seconds)
    {
        await using var world = new BrokerWorld();
        var caller = new VaultCaller(await world.ReplicaAsync());
        (await caller.LogInAsync(world.Job(seconds: seconds), "deploy", "ci")).Status.ShouldBe(200);
        var lease = (await caller.ReadAsync("deploy")).LeaseId;
        world.Time.Forward(TimeSpan.FromMinutes(6));
        (await caller.ReadAsync("deploy")).Status.ShouldBe(200);

        using var next = new TokenMint("next", world.Time, 1);
        world.PublishKeys(next);
        world.Time.Forward(TimeSpan.FromSeconds(61));

        (await caller.ReadAsync("deploy")).Status.ShouldBe(403);
        (await caller.RenewAsync(lease)).Status.ShouldBe(403);
        (await caller.SendAsync("POST", "auth/token/renew-self")).Status.ShouldBe(403);
    }

    [Fact]
    public async Task A_token_of_a_pod_that_its_cluster_no_longer_vouches_for_is_over()
    {
        var directory = Directory.CreateTempSubdirectory("broker-vault-review-").FullName;
        await using var cluster = await ServedKubernetes.StartAsync(directory);
        await using var world = new BrokerWorld(ReviewedBy(cluster));
        var pod = KnownPod(world, cluster);
        var caller = new VaultCaller(await world.ReplicaAsync());
        (await caller.LogInAsync(pod)).Status.ShouldBe(200);
        (await caller.ReadAsync()).Status.ShouldBe(200);

        cluster.Recordings[pod] = "10-review-after-pod-deleted";
        world.Time.Forward(TimeSpan.FromSeconds(61));

        (await caller.ReadAsync()).Status.ShouldBe(403);
        (await caller.SendAsync("POST", "auth/token/renew-self")).Status.ShouldBe(403);
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public async Task A_renewed_token_is_shown_as_it_is_at_once()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        world.Time.Forward(TimeSpan.FromMinutes(50));
        (await caller.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(200);

        ((int)(await caller.SendAsync("GET", "auth/token/lookup-self")).Body["data"]!["ttl"]!).ShouldBeInRange(3590, 3600);
    }

    [Fact]
    public async Task A_token_is_over_at_its_end_also_where_it_was_proven_a_moment_before()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var ledger = world.Service<ClientTokenLedger>();
        var live = (await ledger.FindAsync(ClientTokenText.IdOf(caller.Token!), TestContext.Current.CancellationToken)).ShouldNotBeNull();
        var lasts = TimeSpan.FromMilliseconds(400); // less than a proven token is remembered for
        await Eventually.HoldsAsync(
            async () =>
            {
                if (!await ledger.RenewAsync(live.Id, live.Token, lasts, TestContext.Current.CancellationToken)) await ledger.PutAsync(live.Id, ["g"], live.Token, lasts, TestContext.Current.CancellationToken);
                return (await caller.SendAsync("GET", "auth/token/lookup-self")).Status == 200;
            },
            "it is proven before its end", TestContext.Current.CancellationToken);

        world.Time.Forward(lasts);

        (await caller.SendAsync("GET", "auth/token/lookup-self")).Status.ShouldBe(403);
    }

    [Fact]
    public async Task A_client_that_waits_for_connections_is_handed_nothing_while_its_cluster_does_not_vouch_for_it()
    {
        var directory = Directory.CreateTempSubdirectory("broker-vault-review-").FullName;
        await using var cluster = await ServedKubernetes.StartAsync(directory);
        await using var world = new BrokerWorld([.. ReviewedBy(cluster), ("Databases:orders:Budget:Ceiling", "5"), ("Waiting:MaxWait", "00:10:00")]);
        var pod = KnownPod(world, cluster);
        var replica = await world.ReplicaAsync();
        var caller = new VaultCaller(replica);
        (await caller.LogInAsync(pod)).Status.ShouldBe(200);
        var held = await caller.SendAsync("GET", "database/creds/orders-api", null, ("X-Broker-Holder", "first"), ("X-Broker-Connections", "5"));
        held.Status.ShouldBe(200);
        var waiting = caller.SendAsync("GET", "database/creds/orders-api", null, ("X-Broker-Holder", "second"), ("Prefer", "wait=600"));
        await Eventually.HoldsAsync(
            async () => (int?)(await world.SendAsync(replica, HttpMethod.Get, "/api/v1/budgets/orders", world.Person("viewers"))).Body["waiting"] == 1, "it is in line", TestContext.Current.CancellationToken);

        cluster.Broken = HttpStatusCode.ServiceUnavailable;
        world.Time.Forward(TimeSpan.FromSeconds(61));
        (await caller.RevokeAsync(held.LeaseId)).Status.ShouldBe(204);

        (await waiting).Status.ShouldBe(503);
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public async Task A_client_that_waits_for_connections_is_handed_nothing_once_its_token_is_revoked()
    {
        await using var world = new BrokerWorld(("Databases:orders:Budget:Ceiling", "5"));
        var replica = await world.ReplicaAsync();
        (await world.ClaimAsync(replica, world.Pod("first"), body: new() { ["connections"] = 5 })).Status.ShouldBe(200);
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-2");
        var waiting = caller.SendAsync("GET", "database/creds/orders-api", null, ("Prefer", "wait=60"));
        await Eventually.HoldsAsync(
            async () => (int?)(await world.SendAsync(replica, HttpMethod.Get, "/api/v1/budgets/orders", world.Person("viewers"))).Body["waiting"] == 1, "it is in line", TestContext.Current.CancellationToken);

        (await caller.SendAsync("POST", "auth/token/revoke-self")).Status.ShouldBe(204);

        (await waiting).Status.ShouldBe(403);
    }

    [Theory]
    [InlineData("another's accessor")]
    [InlineData("one letter else")]
    [InlineData("as its own")]
    public async Task What_comes_with_anothers_accessor_or_a_broken_token_is_not_on_record_as_its_owners(string how)
    {
        const string words = "words-of-the-sender";
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var victim = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        var accessor = (string)(await victim.SendAsync("GET", "auth/token/lookup-self")).Body["data"]!["accessor"]!;
        var thief = await VaultCaller.OfPodAsync(world, replica, "uid-2");
        var before = OfVictim();
        var token = victim.Token!;
        var broken = token[..^1] + (token[^1] == 'A' ? 'B' : 'A');
        if (how == "as its own") thief.Token = broken;

        foreach (var verb in new[] { "renew", "revoke" })
        {
            var body = how == "another's accessor" ? new JsonObject { ["accessor"] = accessor } : new JsonObject { ["token"] = broken, ["increment"] = "1h" };
            await thief.SendAsync("POST", how == "another's accessor" ? $"auth/token/{verb}-accessor" : $"auth/token/{verb}", body);
        }

        (await thief.SendAsync("GET", "database/creds/" + words)).Status.ShouldBeInRange(400, 403);
        (await thief.SendAsync("PUT", "sys/leases/renew", new JsonObject { ["lease_id"] = words })).Status.ShouldBeInRange(400, 403);

        OfVictim().ShouldBe(before);
        world.AuditLines().Where(line => line.Contains(words, StringComparison.Ordinal)).ShouldNotBeEmpty();
        (await victim.ReadAsync()).Status.ShouldBe(200, "and its token goes on");

        string[] OfVictim() => [.. world.AuditLines().Where(line => line.Contains(accessor, StringComparison.Ordinal) || line.Contains("\"podUid\":\"uid-1\"", StringComparison.Ordinal))];
    }

    [Fact]
    public async Task A_token_of_the_broker_opens_nothing_of_the_native_API_and_a_pods_own_token_nothing_here()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");

        (await world.ClaimAsync(replica, caller.Token, body: new() { ["holder"] = "x" })).Status.ShouldBe(401);
        caller.Token = world.Pod("uid-1");
        (await caller.ReadAsync()).Status.ShouldBe(403);
    }

    [Fact]
    public async Task A_bearer_header_is_as_good_as_Vaults_own()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var token = caller.Token;
        caller.Token = null;

        (await caller.ReadAsync(headers: ("Authorization", $"Bearer {token}"))).Status.ShouldBe(200);
        (await caller.ReadAsync(headers: ("Authorization", "Bearer hvs.x"))).Status.ShouldBe(403);
    }

    private static (string Key, string? Value)[] ReviewedBy(ServedKubernetes cluster) =>
    [
        ("Identity:Issuers:kubernetes:JwksFile", null), ("Identity:Issuers:kubernetes:TokenReview:Address", cluster.Address.AbsoluteUri),
        ("Identity:Issuers:kubernetes:TokenReview:CaFile", cluster.CaFile), ("Identity:Issuers:kubernetes:TokenReview:TokenFile", cluster.TokenFile),
    ];

    private static string KnownPod(BrokerWorld world, ServedKubernetes cluster)
    {
        cluster.Keys = TokenMint.KeySet(world.Mint);
        var pod = world.Pod(ServedKubernetes.PodUid);
        cluster.Recordings[pod] = "06-review-bound-to-pod";
        return pod;
    }
}
