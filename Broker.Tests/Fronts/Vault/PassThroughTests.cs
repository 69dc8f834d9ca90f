using System.Text;
using System.Text.Json.Nodes;
using Broker.Api.Fronts.Vault.Passing;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Tests.Authentication;
using Broker.Tests.Security;
using LoadTests.Servers.LocalServers;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>Listed paths pass to the Vault behind, with the caller's own token there; other paths do not, and nothing of the broker's passes.</summary>
public sealed class PassThroughTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_address_serves_the_brokers_roles_and_the_engines_of_the_Vault_behind()
    {
        await using var vault = await VaultAsync();
        await using var world = World(vault);
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var secret = await caller.SendAsync("GET", "secret/data/app?version=3", headers: ("X-Vault-Namespace", "team-a"));
        var written = await caller.SendAsync("POST", "secret/data/app", new JsonObject { ["data"] = new JsonObject { ["a"] = "b" } });
        var listed = await caller.SendAsync("LIST", "secret/metadata");
        var mount = await caller.SendAsync("GET", "sys/internal/ui/mounts/secret/data/app");

        (secret.Status, secret.ContentType, (string)secret.Body["data"]!["value"]!).ShouldBe((200, "application/json", "s3cret"));
        secret.Headers.CacheControl!.NoStore.ShouldBeTrue();
        secret.Headers.GetValues("X-Vault-Namespace").Single().ShouldBe("team-a");
        written.Status.ShouldBe(204);
        ((string)listed.Body["data"]!["keys"]![0]!).ShouldBe("app");
        ((string)mount.Body["data"]!["path"]!).ShouldBe("secret/");
        var post = vault.Seen.Single(request => request.Method == "POST" && request.Path == "secret/data/app");
        ((string)post.Body["data"]!["a"]!).ShouldBe("b");
        vault.Seen.Single(request => request.Path == "secret/data/app" && request.Method == "GET").Headers["X-Vault-Namespace"].ShouldBe("team-a");

        var read = await caller.ReadAsync();
        (read.Status, vault.Count("GET", "database/")).ShouldBe((200, 0));
    }

    [Fact]
    public async Task L6_Each_caller_passes_by_its_own_token_alone_and_none_of_the_brokers_goes_there()
    {
        await using var vault = await VaultAsync();
        await using var world = World(vault);
        var replica = await world.ReplicaAsync();
        var (one, other) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-2"));

        foreach (var caller in new[] { one, other, one }) (await caller.SendAsync("GET", "secret/data/app", headers: ("Authorization", $"Bearer {caller.Token}"))).Status.ShouldBe(200);

        var passed = vault.Seen.Where(request => request.Path == "secret/data/app").ToList();
        (passed[0].Token, passed[1].Token == passed[0].Token).ShouldBe((passed[2].Token, false));
        foreach (var request in vault.Seen)
        {
            foreach (var own in new[] { one.Token!, other.Token! })
            {
                (request.Token == own).ShouldBeFalse(request.Path);
                request.Headers.Values.ShouldAllBe(value => !value.Contains(own, StringComparison.Ordinal));
            }
        }

        foreach (var token in vault.LiveTokens)
        {
            world.Heard.All.ShouldNotContain(heard => heard.Text.Contains(token, StringComparison.Ordinal));
            world.AuditLines().ShouldNotContain(line => line.Contains(token, StringComparison.Ordinal));
        }

        world.Audited("pass").Count(line => ((string)line["detail"]!).StartsWith("GET secret/data/app: 200", StringComparison.Ordinal)).ShouldBe(3);
    }

    [Theory]
    [InlineData("GET", "transit/keys/x", 404)]
    [InlineData("GET", "secretly/data/app", 404)]
    [InlineData("GET", "secret/../transit/keys/x", 404)]
    [InlineData("GET", "secret%2F..%2Ftransit/keys/x", 400)]
    [InlineData("GET", "secret/%2e%2e/transit/keys/x", 404)]
    [InlineData("GET", "sys/mounts", 403)]
    [InlineData("PUT", "auth/token/create-orphan", 403)]
    [InlineData("GET", "sys/internal/ui/mounts/transit/keys/x", 403)]
    [InlineData("TRACE", "secret/data/app", 405)]
    [InlineData("GET", "pki/ca", 404)]
    public async Task What_is_not_listed_is_refused_and_never_seen_there(string method, string path, int status)
    {
        await using var vault = await VaultAsync();
        await using var world = World(vault);
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        (await caller.SendAsync(method, path)).Status.ShouldBe(status);

        vault.Seen.ShouldAllBe(request => request.Path == "auth/kubernetes/login");
    }

    // "vault kv get secret/team-a/x" asks for the mount of what it was given, and "vault kv get -mount=secret" for the mount (OpenBao command/kv_helpers.go).
    [Theory]
    [InlineData(null, "secret/team-a/x", "secret/team-a/x", 200)]
    [InlineData(null, "secret", "secret", 200)]
    [InlineData(null, "secret/", "secret/", 200)]
    [InlineData(null, "secret/data/team-a", "secret/data/team-a", 200)]
    [InlineData(null, "team-b/secret/x", "team-b/secret/x", 200)]
    [InlineData("team-b", "secret/x", "secret/x", 200)]
    [InlineData("team-b", "shop/secret/x", "shop/secret/x", 200)]
    [InlineData(null, "secretly/x", null, 403)]
    [InlineData(null, "transit/keys/x", null, 403)]
    [InlineData(null, "database/creds/orders-api", null, 200)]
    [InlineData("team-c", "database/creds/orders-api", null, 200)]
    [InlineData(null, "team-c/database/creds/orders-api", null, 200)]
    public async Task The_mount_of_a_passing_path_can_be_asked_for_by_any_path_below_it(string? header, string asked, string? there, int status)
    {
        await using var vault = await VaultAsync();
        vault.Others = static request => request.Path.StartsWith("sys/internal/ui/mounts/", StringComparison.Ordinal) ? (200, new JsonObject { ["data"] = new JsonObject { ["path"] = "of the Vault behind" } }) : null;
        await using var world = new BrokerWorld(
            ("VaultApi:Upstream:Address", vault.Address.AbsoluteUri), ("VaultApi:Upstream:Pass:0", "secret/data/team-a"), ("VaultApi:Upstream:Pass:1", "team-c/pki"),
            ("VaultApi:SecretMounts:database:Roles:orders-api:Role", "orders-api"), ("VaultApi:SecretMounts:team-c/database:Roles:orders-api:Role", "orders-api"));
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var answer = await caller.SendAsync("GET", $"sys/internal/ui/mounts/{asked}", null, header is null ? [] : [("X-Vault-Namespace", header)]);

        answer.Status.ShouldBe(status, answer.Text);
        var passed = vault.Seen.Where(request => request.Path != "auth/kubernetes/login").ToList();
        passed.Select(request => request.Path).ShouldBe(there is null ? [] : [$"sys/internal/ui/mounts/{there}"], "whole, so that the mount's path is answered as it is seen from there");
        if (there is not null) passed[0].Headers.GetValueOrDefault("X-Vault-Namespace").ShouldBe(header);
    }

    [Fact]
    public async Task Nothing_passes_by_default_and_nobody_is_logged_in_elsewhere()
    {
        await using var vault = await VaultAsync();
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        (await caller.SendAsync("GET", "secret/data/app")).Status.ShouldBe(404);

        vault.Seen.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_client_without_a_live_token_passes_nothing()
    {
        await using var vault = await VaultAsync();
        await using var world = World(vault);
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        var dead = caller.Token;
        (await caller.SendAsync("POST", "auth/token/revoke-self")).Status.ShouldBe(204);

        foreach (var token in new[] { dead, null, "hvs.of-nobody" }) (await new VaultCaller(replica) { Token = token }.SendAsync("GET", "secret/data/app")).Status.ShouldBe(403);

        vault.Count("GET", "secret/").ShouldBe(0);
    }

    [Fact]
    public async Task The_token_there_is_renewed_and_revoked_with_the_brokers()
    {
        await using var vault = await VaultAsync();
        await using var world = World(vault);
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var there = vault.LiveTokens.Single();

        (await caller.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(200);
        await Eventually.HoldsAsync(() => Task.FromResult(vault.Seen.Any(request => request.Path == "auth/token/renew-self" && request.Token == there)), "it is renewed there", Cancellation);
        (await caller.SendAsync("PUT", "auth/token/revoke-self")).Status.ShouldBe(204);

        await Eventually.HoldsAsync(() => Task.FromResult(vault.LiveTokens.Count == 0), "it is revoked there", Cancellation);
        vault.Seen.Single(request => request.Path == "auth/token/revoke-self").Token.ShouldBe(there);
    }

    [Fact]
    public async Task A_token_that_a_client_made_for_itself_passes_by_its_logins_there()
    {
        await using var vault = await VaultAsync();
        await using var world = World(vault);
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        var child = new VaultCaller(replica) { Token = (string)(await caller.SendAsync("POST", "auth/token/create")).Body["auth"]!["client_token"]! };

        (await child.SendAsync("GET", "secret/data/app")).Status.ShouldBe(200);
        (await child.SendAsync("POST", "auth/token/revoke-self")).Status.ShouldBe(204);
        (await caller.SendAsync("GET", "secret/data/app")).Status.ShouldBe(200);

        vault.Seen.Where(request => request.Path == "secret/data/app").Select(request => request.Token).ShouldBe([vault.LiveTokens.Single(), vault.LiveTokens.Single()]);
    }

    // A client that renews as LifetimeWatcher does, and reads at each step (openbao/openbao api/lifetime_watcher.go@249bf013).
    [Theory]
    [InlineData(20, null, 1)]
    [InlineData(20, 50, 4)]
    [InlineData(0, null, 1)] // no end there: the broker's own time
    public async Task A_token_lives_no_longer_than_the_one_there_so_that_its_client_logs_in_again_in_time(int ttl, int? most, int logins)
    {
        var time = new BorrowedTime();
        await using var vault = await VaultAsync(time);
        vault.Tokens = new() { Ttl = ttl == 0 ? TimeSpan.FromDays(32) : TimeSpan.FromMinutes(ttl), MaxTtl = most is { } minutes ? TimeSpan.FromMinutes(minutes) : TimeSpan.FromDays(32) };
        await using var world = World(vault);
        time.From = world.Time;
        var caller = new VaultCaller(await world.ReplicaAsync());
        var end = world.Time.GetUtcNow() + TimeSpan.FromHours(2);
        var (made, told) = (0, ttl == 0 ? 3600 : ttl * 60);
        while (world.Time.GetUtcNow() < end)
        {
            made++;
            var login = await caller.LogInAsync(world.Pod("uid-1"));
            ((int)login.Body["auth"]!["lease_duration"]!).ShouldBeInRange(told - 2, told);
            ((int)(await caller.SendAsync("GET", "auth/token/lookup-self")).Body["data"]!["ttl"]!).ShouldBeInRange(told - 5, told);
            var (grace, prior) = (TimeSpan.Zero, TimeSpan.Zero);
            while (world.Time.GetUtcNow() < end)
            {
                var renewed = await caller.SendAsync("PUT", "auth/token/renew-self");
                var left = TimeSpan.FromSeconds((int)renewed.Body["auth"]!["lease_duration"]!);
                if (ttl > 0) renewed.Warning!.ShouldStartWith("TTL of \"1h\" exceeded the effective max_ttl of \"");
                if (left > prior) grace = left * 0.15;
                prior = left;
                var sleep = left * 2 / 3 + grace / 3;
                if (left - sleep <= grace) break;
                world.Time.Forward(sleep);
                (await caller.SendAsync("GET", "secret/data/app")).Status.ShouldBe(200, "its token there lives");
            }
        }

        made.ShouldBeLessThanOrEqualTo(logins);
    }

    [Fact]
    public async Task A_client_that_was_logged_out_there_is_told_to_log_in_again_and_a_token_that_cannot_be_renewed_is_used_to_its_end()
    {
        await using var vault = await VaultAsync();
        await using var world = World(vault);
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        await vault.RevokeTokenAsync(vault.LiveTokens.Single());

        vault.Fail("auth/kubernetes/login", new SimulatedFault.Answer(403, "permission denied"), times: 10);
        for (var turn = 1; turn <= 3; turn++)
        {
            world.Time.Forward(TimeSpan.FromMinutes(5));
            ((int)(await caller.SendAsync("PUT", "auth/token/renew-self")).Body["auth"]!["lease_duration"]!).ShouldBeLessThanOrEqualTo(3600 - turn * 300, "it is renewed no more, so that its client logs in again");
        }

        var refused = await caller.SendAsync("GET", "secret/data/app");
        (refused.Status, (string?)refused.Body["errors"]?[1]).ShouldBe((403, "this login has no token of the Vault behind the broker, which refused it or did not answer then: log in again"), refused.Text);
        refused.Error!.ShouldContain("invalid token", Case.Sensitive, "an Agent logs in again at these words");
        (await caller.ReadAsync()).Status.ShouldBe(200, "the broker's own roles are there");
        vault.ForgetFaults();

        vault.Tokens = new() { Batch = true, Ttl = TimeSpan.FromMinutes(20) };
        caller = await VaultCaller.OfPodAsync(world, replica, "uid-2");
        ((int)(await caller.SendAsync("PUT", "auth/token/renew-self")).Body["auth"]!["lease_duration"]!).ShouldBeInRange(1190, 1200);
        (await caller.SendAsync("GET", "secret/data/app")).Status.ShouldBe(200);

        vault.Fail("auth/token/renew-self", new SimulatedFault.Die());
        ((int)(await caller.SendAsync("PUT", "auth/token/renew-self")).Body["auth"]!["lease_duration"]!).ShouldBe(3600, "a Vault that is away takes nobody's token away");
    }

    // A client that renews without end would otherwise be refused without end.
    [Fact]
    public async Task A_login_that_was_refused_there_is_renewed_no_more_once_something_was_to_pass()
    {
        await using var vault = await VaultAsync();
        await using var world = World(vault);
        var replica = await world.ReplicaAsync();
        vault.Fail("auth/kubernetes/login", new SimulatedFault.Answer(403, "permission denied"), times: 100);
        var (passes, reads) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-2"));
        var refused = await passes.SendAsync("GET", "secret/data/app");
        (refused.Status, refused.Error).ShouldBe((403, "permission denied"), "it has just logged in: once more would not help it");

        for (var turn = 1; turn <= 2; turn++)
        {
            world.Time.Forward(TimeSpan.FromMinutes(5));
            ((int)(await passes.SendAsync("PUT", "auth/token/renew-self")).Body["auth"]!["lease_duration"]!).ShouldBeLessThanOrEqualTo(3600 - turn * 300);
            ((int)(await reads.SendAsync("PUT", "auth/token/renew-self")).Body["auth"]!["lease_duration"]!).ShouldBe(3600, "it never needed that Vault");
        }

        (await passes.SendAsync("POST", "auth/token/revoke-self")).Status.ShouldBe(204);
        vault.Seen.ShouldAllBe(request => request.Path == "auth/kubernetes/login", "there is no token to renew or revoke");
    }

    [Fact]
    public async Task L7_What_is_not_there_is_no_refusal_of_its_caller_however_often_it_looks()
    {
        await using var vault = await VaultAsync();
        await using var world = new BrokerWorld(("VaultApi:Upstream:Address", vault.Address.AbsoluteUri), ("VaultApi:Upstream:Pass:0", "secret"), ("VaultApi:Upstream:Timeout", "00:02:00"));
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        for (var look = 0; look < 320; look++) (await caller.SendAsync("GET", "secret/data/not-there")).Status.ShouldBe(404);

        (await caller.SendAsync("POST", "secret/data/app", new JsonObject())).Status.ShouldBe(204);
        Passed(world).Count(static record => record == ("granted", "GET secret/data/not-there: 404")).ShouldBe(320);
    }

    // Bank-Vaults' vault-env gives up ten seconds after its start (bank-vaults/vault-sdk vault/client.go).
    [Fact]
    public async Task A_Vault_that_hangs_holds_nobody_up_who_logs_in()
    {
        await using var vault = await VaultAsync();
        await using var world = new BrokerWorld(("VaultApi:Upstream:Address", vault.Address.AbsoluteUri), ("VaultApi:Upstream:Pass:0", "secret"), ("VaultApi:Upstream:Timeout", "00:02:00"));
        var replica = await world.ReplicaAsync();
        vault.Fail("auth/kubernetes/login", new SimulatedFault.DoAndHang(), times: 10);
        var began = world.Time.GetTimestamp();

        for (var pod = 0; pod < 5; pod++) (await new VaultCaller(replica).LogInAsync(world.Pod($"uid-{pod}"))).Warning.ShouldNotBeNull();

        world.Time.GetElapsedTime(began).ShouldBeLessThan(TimeSpan.FromMinutes(1));
        vault.Count("PUT", "auth/kubernetes/login").ShouldBe(1, "who has not answered is not asked by each that comes");
        vault.ForgetFaults();
        world.Time.Forward(TimeSpan.FromSeconds(11));
        (await new VaultCaller(replica).LogInAsync(world.Pod("uid-9"))).Warning.ShouldBeNull();
    }

    // Renewals are to be answered at once: some clients read again at a failure.
    [Fact]
    public async Task A_Vault_that_hangs_holds_nobody_up_who_renews_and_is_told_of_each_later()
    {
        await using var vault = await VaultAsync();
        await using var world = new BrokerWorld(("VaultApi:Upstream:Address", vault.Address.AbsoluteUri), ("VaultApi:Upstream:Pass:0", "secret"), ("VaultApi:Upstream:Timeout", "00:02:00"));
        var replica = await world.ReplicaAsync();
        var callers = new List<VaultCaller>();
        for (var pod = 0; pod < 5; pod++) callers.Add(await VaultCaller.OfPodAsync(world, replica, $"uid-{pod}"));
        vault.Fail("auth/token/renew-self", new SimulatedFault.DoAndHang(), times: 10);
        var began = world.Time.GetTimestamp();

        foreach (var caller in callers) ((int)(await caller.SendAsync("PUT", "auth/token/renew-self")).Body["auth"]!["lease_duration"]!).ShouldBe(3600);

        world.Time.GetElapsedTime(began).ShouldBeLessThan(TimeSpan.FromMinutes(1));
        vault.Count("PUT", "auth/token/renew-self").ShouldBe(1, "who has not answered is not asked by each that comes");
        vault.ForgetFaults();
        world.Time.Forward(TimeSpan.FromSeconds(11));
        (await callers[0].SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(200);
        vault.Count("PUT", "auth/token/renew-self").ShouldBeGreaterThan(1);
        await Eventually.HoldsAsync(
            () => Task.FromResult(vault.Seen.Where(request => request.Path == "auth/token/renew-self").Select(request => request.Token).Distinct().Count() == callers.Count), "the others are told of too", Cancellation);
    }

    // Go's client asks twice more at a 503, and each read of a slow database makes another user there (hashicorp/vault api/client.go DefaultRetryPolicy).
    [Theory]
    [InlineData(15, 200)]
    [InlineData(89, 200)]
    [InlineData(91, 503)]
    public async Task What_passes_is_waited_for_as_long_as_Vault_works_on_it(int seconds, int status)
    {
        var (time, asked, worked) = (new FakeTimeProvider(), 0, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        await using var server = await LoopbackServer.StartAsync(async context =>
        {
            Interlocked.Increment(ref asked);
            await worked.Task.WaitAsync(context.RequestAborted);
        });
        using var channel = new UpstreamChannel(new VaultUpstream { Address = server.Address }, time, NullLogger.Instance);
        var sending = channel.SendAsync(HttpMethod.Get, "database/creds/orders-api", "", null, null, null, Cancellation);
        await Eventually.HoldsAsync(() => Task.FromResult(Volatile.Read(ref asked) > 0), "it has arrived", Cancellation);

        time.Advance(TimeSpan.FromSeconds(seconds));

        if (status == 503)
        {
            (await Should.ThrowAsync<VaultError>(sending)).Status.ShouldBe(503);
            return;
        }

        worked.SetResult();
        using var response = await sending;
        ((int)response.StatusCode, asked).ShouldBe((status, 1));
    }

    [Theory]
    [InlineData("team-a", "")]
    [InlineData(null, "team-a/")]
    [InlineData("team-a", "shop/")]
    public async Task A_namespace_goes_there_in_the_header_wherever_it_was_written(string? header, string prefix)
    {
        await using var vault = await VaultAsync();
        await using var world = World(vault);
        var caller = new VaultCaller(await world.ReplicaAsync());
        (string, string)[] headers = header is null ? [] : [("X-Vault-Namespace", header)];
        caller.Token = (string)(await caller.SendAsync("PUT", prefix + "auth/kubernetes/login", new JsonObject { ["role"] = "orders-api", ["jwt"] = world.Pod() }, headers)).Body["auth"]!["client_token"]!;

        var read = await caller.SendAsync("GET", prefix + "secret/data/app", null, headers);
        read.Status.ShouldBe(200, read.Text);
        world.Audited("pass").Select(static line => (string?)line["detail"]).ShouldBe([$"GET {(prefix == "shop/" ? "team-a/shop" : "team-a")}/secret/data/app: 200"]);
        (await caller.SendAsync("GET", prefix + "sys/internal/ui/mounts/secret/data/app", null, headers)).Status.ShouldBe(200);
        (await caller.SendAsync("GET", prefix + "transit/keys/x", null, headers)).Status.ShouldBe(404, "it is not listed in any namespace");
        (await caller.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(200, "asked without the namespace");
        (await caller.SendAsync("PUT", "auth/token/revoke-self")).Status.ShouldBe(204);
        await Eventually.HoldsAsync(() => Task.FromResult(vault.LiveTokens.Count == 0), "it is revoked there", Cancellation);

        vault.Seen.Select(request => request.Path).ShouldBe(["auth/kubernetes/login", "secret/data/app", "sys/internal/ui/mounts/secret/data/app", "auth/token/renew-self", "auth/token/revoke-self"]);
        vault.Seen.ShouldAllBe(request => request.Headers.GetValueOrDefault("X-Vault-Namespace") == (prefix == "shop/" ? "team-a/shop" : "team-a"));
    }

    [Fact]
    public async Task The_token_there_is_revoked_with_the_brokers_though_that_cannot_be_recorded()
    {
        var audit = new SwitchedAudit();
        await using var vault = await VaultAsync();
        await using var world = new BrokerWorld(("VaultApi:Upstream:Address", vault.Address.AbsoluteUri), ("VaultApi:Upstream:Pass:0", "secret"))
        {
            Services = services => services.Replace(ServiceDescriptor.Singleton<IAudit>(audit)),
        };
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        vault.LiveTokens.Count.ShouldBe(1);
        audit.IsFull = true;

        (await caller.SendAsync("PUT", "auth/token/revoke-self")).Status.ShouldBe(503);

        await Eventually.HoldsAsync(() => Task.FromResult(vault.LiveTokens.Count == 0), "it is revoked there", Cancellation);
    }

    [Fact]
    public async Task A_token_there_that_the_ledger_does_not_keep_is_revoked_in_the_namespace_of_its_login()
    {
        await using var vault = await VaultAsync();
        await using var world = new BrokerWorld(("VaultApi:Upstream:Address", vault.Address.AbsoluteUri), ("VaultApi:Upstream:Pass:0", "secret"))
        {
            Services = static services => services.Replace(ServiceDescriptor.Singleton<ILedgerStore>(
                new FullStore((ILedgerStore)services.Last(service => service.ServiceType == typeof(ILedgerStore)).ImplementationInstance!, "~upstream-tokens"))),
        };
        var caller = new VaultCaller(await world.ReplicaAsync());

        var login = await caller.SendAsync("PUT", "shop/auth/kubernetes/login", new JsonObject { ["role"] = "orders-api", ["jwt"] = world.Pod() }, ("X-Vault-Namespace", "team-a"));

        (login.Status, login.Warning).ShouldBe((200, "the ledger keeps no more tokens of the Vault behind"), login.Text);
        vault.LiveTokens.ShouldBeEmpty();
        vault.Seen.Single(request => request.Path == "auth/token/revoke-self").Headers["X-Vault-Namespace"].ShouldBe("team-a/shop");
    }

    [Fact]
    public async Task A_Vault_that_is_away_or_refuses_harms_nothing_that_the_broker_issues()
    {
        await using var vault = await VaultAsync();
        await using var world = World(vault);
        var replica = await world.ReplicaAsync();
        foreach (var fault in new SimulatedFault[] { new SimulatedFault.Die(), new SimulatedFault.Answer(403, "permission denied"), new SimulatedFault.Answer(500), new SimulatedFault.Answer(200, RawBody: "<html>") })
        {
            vault.Fail("auth/kubernetes/login", fault, times: 2);
            var caller = new VaultCaller(replica);
            var login = await caller.LogInAsync(world.Pod("uid-1"));

            login.Status.ShouldBe(200);
            login.Warning!.ShouldContain("the Vault behind");
            (await caller.ReadAsync()).Status.ShouldBe(200);
            var refused = await caller.SendAsync("GET", "secret/data/app");
            (refused.Status, refused.Error).ShouldBe((403, "permission denied"));
            refused.Body["errors"]!.AsArray().Count.ShouldBe(2, "a person reads why");
            var asked = vault.Count("PUT", "auth/kubernetes/login");
            (await caller.SendAsync("GET", "secret/data/app")).Status.ShouldBe(403);
            vault.Count("PUT", "auth/kubernetes/login").ShouldBe(asked, "once in a while is often enough");
            world.Time.Forward(TimeSpan.FromSeconds(11));
            (await caller.SendAsync("GET", "secret/data/app")).Status.ShouldBe(200, "its proof logs it in there as soon as that answers");
            (await caller.LogInAsync(world.Pod("uid-1"))).Warning.ShouldBeNull();
            (await caller.SendAsync("GET", "secret/data/app")).Status.ShouldBe(200);
        }

        var known = await VaultCaller.OfPodAsync(world, replica, "uid-2");
        vault.Fail("secret/", new SimulatedFault.Die());
        var away = await known.SendAsync("GET", "secret/data/app");
        (away.Status, away.Headers.RetryAfter is not null).ShouldBe((503, true));
        vault.Fail("secret/", new SimulatedFault.Answer(429, "too many", "7"));
        var throttled = await known.SendAsync("GET", "secret/data/app");
        (throttled.Status, throttled.Error, throttled.Headers.RetryAfter!.Delta).ShouldBe((429, "too many", TimeSpan.FromSeconds(7)));
    }

    [Fact]
    public async Task L7_What_passed_is_on_record_although_its_caller_left()
    {
        var (arrived, done) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        await using var server = await LoopbackServer.StartAsync(async context =>
        {
            if (await LoggedInAsync(context)) return;
            arrived.SetResult();
            await done.Task.WaitAsync(context.RequestAborted);
            context.Response.StatusCode = 204;
        });
        await using var world = World(server.Address);
        using var client = new HttpClient { BaseAddress = await world.ListeningReplicaAsync() };
        var caller = await VaultCaller.OfPodAsync(world, client, "uid-1");
        using var leaves = new CancellationTokenSource();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/secret/data/app") { Content = new StringContent("{}") };
        request.Headers.Add("X-Vault-Token", caller.Token);
        var sending = client.SendAsync(request, leaves.Token);

        await arrived.Task.WaitAsync(TimeSpan.FromMinutes(5), Cancellation);
        Passed(world).ShouldBe([("ordered", "POST secret/data/app: to be sent")]);
        await leaves.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(sending);
        done.SetResult();

        await Eventually.HoldsAsync(() => Task.FromResult(Passed(world).Length > 1), "its end is on record", Cancellation);
        Passed(world)[1].ShouldBe(("granted", "POST secret/data/app: 204"));
    }

    [Theory]
    [InlineData("POST", "POST secret/data/app: sent, and what became of it is not known")]
    [InlineData("GET", "GET secret/data/app: asked, and nothing was answered in time")]
    public async Task L7_What_was_not_answered_is_on_record_with_its_caller(string method, string detail)
    {
        await using var vault = await VaultAsync();
        await using var world = World(vault);
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        vault.Fail("secret/", new SimulatedFault.DoAndDie());

        (await caller.SendAsync(method, "secret/data/app", method == "POST" ? new JsonObject() : null)).Status.ShouldBe(503);

        Passed(world)[^1].ShouldBe(("failed", detail));
        ((string?)world.Audited("pass")[^1]["caller"]!["podUid"]).ShouldBe("uid-1");
    }

    [Fact]
    public async Task L7_Nothing_is_written_there_that_cannot_be_recorded()
    {
        var audit = new SwitchedAudit();
        await using var vault = await VaultAsync();
        await using var world = new BrokerWorld(("VaultApi:Upstream:Address", vault.Address.AbsoluteUri), ("VaultApi:Upstream:Pass:0", "secret"))
        {
            Services = services => services.Replace(ServiceDescriptor.Singleton<IAudit>(audit)),
        };
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        audit.IsFull = true;

        (await caller.SendAsync("POST", "secret/data/app", new JsonObject())).Status.ShouldBe(503);

        vault.Count("POST", "secret/").ShouldBe(0);
    }

    [Fact]
    public async Task A_Vault_that_does_not_answer_is_told_so_much_at_a_time()
    {
        await using var vault = await VaultAsync();
        await using var world = new BrokerWorld(("VaultApi:Upstream:Address", vault.Address.AbsoluteUri), ("VaultApi:Upstream:Pass:0", "secret"), ("VaultApi:Upstream:Timeout", "00:02:00"));
        var replica = await world.ReplicaAsync();
        var callers = new List<VaultCaller>();
        for (var login = 0; login < UpstreamLogins.MostUnderWay + 50; login++) callers.Add(await VaultCaller.OfPodAsync(world, replica, "uid-1"));
        vault.Fail("auth/token/revoke-self", new SimulatedFault.DoAndHang(), times: 10_000);

        foreach (var caller in callers) (await caller.SendAsync("PUT", "auth/token/revoke-self")).Status.ShouldBe(204);

        world.Service<UpstreamLogins>().UnderWay.ShouldBe(UpstreamLogins.MostUnderWay);
        vault.Count("PUT", "auth/token/revoke-self").ShouldBeInRange(0, UpstreamLogins.MostUnderWay);
        world.Heard.All.ShouldContain(heard => heard.Text.Contains("it has not answered to what it was told before", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Connections_to_a_Vault_that_is_configured_no_more_are_closed_when_their_answers_had_time_to_end()
    {
        await using var server = await LoopbackServer.StartAsync(static context => context.Response.WriteAsync("{}"));
        var (time, catalog) = (new FakeTimeProvider(), new FixedCatalog());
        Configure(null);
        await using var logins = new UpstreamLogins(catalog, null!, time, NullLogger<UpstreamLogins>.Instance);
        var former = logins.Channel!;
        await AskAsync(former);

        Configure("another");
        logins.Channel.ShouldNotBe(former);
        await AskAsync(former);
        time.Advance(TimeSpan.FromMinutes(6));

        await Should.ThrowAsync<ObjectDisposedException>(() => AskAsync(former));
        await AskAsync(logins.Channel!);

        void Configure(string? space) => catalog.Swap(catalog.Current with { VaultApi = new() { Upstream = new() { Address = server.Address, Namespace = space } } });
        static Task AskAsync(UpstreamChannel channel) => channel.AskAsync("sys/x", new Dictionary<string, string>(), null, null, Cancellation);
    }

    [Fact]
    public async Task A_redirect_is_not_followed_wherever_it_leads()
    {
        var elsewhere = 0;
        await using var other = await LoopbackServer.StartAsync(_ =>
        {
            Interlocked.Increment(ref elsewhere);
            return Task.CompletedTask;
        });
        await using var server = await LoopbackServer.StartAsync(async context =>
        {
            if (await LoggedInAsync(context)) return;
            context.Response.StatusCode = 307;
            context.Response.Headers.Location = new Uri(other.Address, "/v1/secret/data/app").AbsoluteUri;
        });
        await using var world = World(server.Address);
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        (await caller.SendAsync("GET", "secret/data/app")).Status.ShouldBe(503);
        (await caller.SendAsync("POST", "secret/data/app", new JsonObject())).Status.ShouldBe(503);

        elsewhere.ShouldBe(0);
        Passed(world).Where(static record => record.Item2!.EndsWith(": 307", StringComparison.Ordinal)).Select(static record => record.Item1).ShouldBe(["failed", "failed"], "a standby redirects what it could not pass on too");
    }

    [Fact]
    public async Task Leases_of_the_Vault_behind_are_renewed_looked_up_and_revoked_there()
    {
        await using var vault = await VaultAsync();
        vault.AddRole(new SimulatedRole("aws/creds/deploy", TimeSpan.FromHours(1), TimeSpan.FromHours(24)));
        await using var world = World(vault, "aws/creds");
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var read = await caller.SendAsync("GET", "aws/creds/deploy");
        read.LeaseId.ShouldStartWith("aws/creds/deploy/");

        (await caller.RenewAsync(read.LeaseId, 600)).LeaseDuration.ShouldBe(600);
        ((string)(await caller.SendAsync("PUT", "sys/leases/lookup", new JsonObject { ["lease_id"] = read.LeaseId })).Body["data"]!["id"]!).ShouldBe(read.LeaseId);
        (await caller.SendAsync("PUT", "sys/leases/revoke", new JsonObject { ["lease_id"] = read.LeaseId, ["sync"] = "true" })).Status.ShouldBeOneOf(202, 204);
        (await caller.RenewAsync(read.LeaseId)).Error.ShouldBe("lease not found");
        (await caller.RevokeAsync(read.LeaseId)).Status.ShouldBeOneOf(202, 204);
        vault.Seen.Where(request => request.Path == "sys/leases/revoke").Select(request => request.Body["sync"]?.ToJsonString()).ShouldBe(["true", null], "it is waited for there as it was asked for");

        var another = await caller.SendAsync("GET", "aws/creds/deploy");
        (await caller.SendAsync("PUT", "sys/leases/revoke-prefix/aws/creds/deploy")).Status.ShouldBe(403, "a prefix of several");
        vault.LeaseIds.ShouldBe([another.LeaseId]);
        (await caller.SendAsync("PUT", $"sys/leases/revoke-prefix/{another.LeaseId}")).Status.ShouldBeOneOf(202, 204);
        vault.LeaseIds.ShouldBeEmpty();
        vault.Seen.ShouldNotContain(request => request.Path.StartsWith("sys/leases/revoke-prefix", StringComparison.Ordinal));

        var own = await caller.ReadAsync();
        (await caller.RenewAsync(own.LeaseId)).Status.ShouldBe(200);
        vault.Seen.ShouldNotContain(request => request.Body.ToJsonString().Contains(own.LeaseId, StringComparison.Ordinal));
    }

    // What a write was answered is seen by whoever says so in the next read (Vault Enterprise; api/client.go WithState, RequireState).
    [Fact]
    public async Task Headers_that_make_reads_consistent_pass_and_are_answered()
    {
        var seen = new List<string>();
        await using var server = await LoopbackServer.StartAsync(async context =>
        {
            if (await LoggedInAsync(context)) return;
            seen.Add(string.Join(' ', new[] { "X-Vault-Index", "X-Vault-Inconsistent", "X-Vault-Forward", "X-Vault-Other" }.Select(name => context.Request.Headers[name].ToString())));
            context.Response.Headers["X-Vault-Index"] = "index-of-there";
            context.Response.Headers["X-Vault-Other"] = "x";
            context.Response.StatusCode = context.Request.Headers["X-Vault-Index"] == "ahead" ? 412 : 200;
            await context.Response.WriteAsync("""{"errors":["required index state not present"]}""");
        });
        await using var world = World(server.Address);
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var read = await caller.SendAsync("GET", "secret/data/app", null, ("X-Vault-Index", "index-of-before"), ("X-Vault-Inconsistent", "forward-active-node"), ("X-Vault-Forward", "active-node"), ("X-Vault-Other", "x"));
        var ahead = await caller.SendAsync("GET", "secret/data/app", null, ("X-Vault-Index", "ahead"));
        var renewed = await caller.SendAsync("PUT", "sys/leases/renew", new JsonObject { ["lease_id"] = "secret/x/y" }, ("X-Vault-Index", "index-of-before"));

        seen.ShouldBe(["index-of-before forward-active-node active-node ", "ahead   ", "index-of-before   "]);
        foreach (var answer in new[] { read, ahead, renewed }) (answer.Headers.GetValues("X-Vault-Index").Single(), answer.Headers.Contains("X-Vault-Other")).ShouldBe(("index-of-there", false));
        (ahead.Status, ahead.Error).ShouldBe((412, "required index state not present"));
    }

    [Fact]
    public async Task L6_What_the_Vault_behind_wraps_is_unwrapped_there_once_and_no_token_of_the_brokers_goes_there()
    {
        await using var vault = await VaultAsync();
        await using var world = World(vault);
        var replica = await world.ReplicaAsync();
        var (caller, nobody) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), new VaultCaller(replica));

        var wrapped = await caller.SendAsync("GET", "secret/data/app", headers: ("X-Vault-Wrap-TTL", "60s"));
        var first = (string)wrapped.Body["wrap_info"]!["token"]!;
        var looked = await nobody.SendAsync("PUT", "sys/wrapping/lookup", new JsonObject { ["token"] = first });
        var anew = await caller.SendAsync("PUT", "sys/wrapping/rewrap", new JsonObject { ["token"] = first });
        var second = (string)anew.Body["wrap_info"]!["token"]!;
        nobody.Token = second;
        var unwrapped = await nobody.SendAsync("PUT", "sys/wrapping/unwrap");

        ((string?)looked.Body["data"]!["creation_path"], (int)looked.Body["data"]!["creation_ttl"]!).ShouldBe(("secret/data/app", 60));
        (unwrapped.Status, (string?)unwrapped.Body["data"]?["value"]).ShouldBe((200, "s3cret"), unwrapped.Text);
        foreach (var gone in new[] { first, second, "hvs.made-up", "hvs.made up" })
        {
            foreach (var path in new[] { "lookup", "unwrap", "rewrap" })
            {
                var refused = await caller.SendAsync("PUT", $"sys/wrapping/{path}", new JsonObject { ["token"] = gone });
                (refused.Status, refused.Error).ShouldBe((400, "wrapping token is not valid or does not exist"), $"{path} by {gone}");
            }
        }

        Passed(world).ShouldContain(("ordered", "PUT sys/wrapping/unwrap at the Vault behind, by a wrapping token of its own: to be sent"));
        Passed(world).Count(static record => record == ("granted", "PUT sys/wrapping/unwrap at the Vault behind, by a wrapping token of its own: 200")).ShouldBe(1, "what is looked for in vain is no line in it");
        world.AuditLines().ShouldNotContain(line => line.Contains(first, StringComparison.Ordinal) || line.Contains(second, StringComparison.Ordinal));

        foreach (var path in new[] { "lookup", "unwrap", "rewrap" })
        {
            (await caller.SendAsync("PUT", $"sys/wrapping/{path}", new JsonObject { ["token"] = caller.Token })).Status.ShouldBe(400, path);
            (await caller.SendAsync("PUT", $"sys/wrapping/{path}")).Status.ShouldBe(400, path);
        }

        vault.Seen.ShouldNotContain(request => request.Token == caller.Token || request.Body.ToJsonString().Contains(caller.Token!, StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_a_client_may_do_and_which_mounts_there_are_is_asked_of_the_Vault_behind_for_what_passes()
    {
        await using var vault = await VaultAsync();
        var others = vault.Others;
        vault.Others = request => request.Path switch
        {
            "sys/capabilities-self" => (200, new JsonObject { ["data"] = new JsonObject { ["secret/data/app"] = new JsonArray("read", "update"), ["transit/keys/x"] = new JsonArray("root") } }),
            "sys/internal/ui/mounts" => (200, new JsonObject
            {
                ["data"] = new JsonObject
                {
                    ["secret"] = new JsonObject
                    {
                        ["secret/"] = new JsonObject { ["type"] = "kv", ["options"] = new JsonObject { ["version"] = "2" } },
                        ["transit/"] = new JsonObject { ["type"] = "transit" },
                        ["database/"] = new JsonObject { ["type"] = "of the Vault behind" },
                    },
                },
            }),
            _ => others(request),
        };
        await using var world = World(vault);
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var several = (await caller.SendAsync("POST", "sys/capabilities-self", new JsonObject { ["paths"] = new JsonArray("secret/data/app", "transit/keys/x", "database/creds/orders-api", "secret/other") })).Body["data"]!;
        var one = await caller.SendAsync("POST", "sys/capabilities-self", new JsonObject { ["path"] = "secret/data/app" });
        var mounts = (await caller.SendAsync("GET", "sys/internal/ui/mounts")).Body["data"]!["secret"]!.AsObject();

        new[] { "secret/data/app", "transit/keys/x", "database/creds/orders-api", "secret/other" }.Select(path => several[path]!.ToJsonString()).ShouldBe(["""["read","update"]""", """["deny"]""", """["read"]""", """["deny"]"""]);
        one.Body["capabilities"]!.ToJsonString().ShouldBe("""["read","update"]""");
        mounts.Select(static mount => (mount.Key, (string?)mount.Value!["type"])).Order().ShouldBe([("database/", "database"), ("secret/", "kv")]);
        vault.Seen.Where(request => request.Path == "sys/capabilities-self").Select(request => request.Body["paths"]!.ToJsonString()).ShouldBe(["""["secret/data/app","secret/other"]""", """["secret/data/app"]"""]);
        Passed(world).ShouldAllBe(static record => record.Item1 == "granted", "a question is not recorded before it is sent");

        vault.Fail("sys/", new SimulatedFault.Answer(500), times: 2);
        (await caller.SendAsync("POST", "sys/capabilities-self", new JsonObject { ["path"] = "secret/data/app" })).Body["capabilities"]!.ToJsonString().ShouldBe("""["deny"]""");
        (await caller.SendAsync("GET", "sys/internal/ui/mounts")).Body["data"]!["secret"]!.AsObject().Select(static mount => mount.Key).ShouldBe(["database/"]);
    }

    // OpenBao's list of everything below a path (OpenBao http/logical.go).
    [Fact]
    public async Task OpenBaos_verb_SCAN_passes_and_changes_nothing()
    {
        await using var vault = await VaultAsync();
        vault.Others = static request => (request.Method, request.Path) is ("SCAN", "secret/metadata") ? (200, new JsonObject { ["data"] = new JsonObject { ["keys"] = new JsonArray("a/b") } }) : null;
        await using var world = World(vault);
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var scanned = await caller.SendAsync("SCAN", "secret/metadata");

        scanned.Status.ShouldBe(200, scanned.Text);
        Passed(world).ShouldBe([("granted", "SCAN secret/metadata: 200")]);
    }

    [Fact]
    public async Task Bodies_are_streamed_both_ways()
    {
        var (half, rest) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        await using var server = await LoopbackServer.StartAsync(async context =>
        {
            if (await LoggedInAsync(context)) return;
            var first = new byte[4];
            await context.Request.Body.ReadExactlyAsync(first);
            half.SetResult();
            await context.Response.WriteAsync("begun");
            await context.Response.Body.FlushAsync();
            await rest.Task;
            await context.Response.WriteAsync(" and done");
        });
        await using var world = World(server.Address);
        using var client = new HttpClient { BaseAddress = await world.ListeningReplicaAsync() };
        var caller = await VaultCaller.OfPodAsync(world, client, "uid-1");
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/secret/data/app") { Content = new Slowly("1234", half.Task) };
        request.Headers.Add("X-Vault-Token", caller.Token);

        using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancellation);
        await using var body = await response.Content.ReadAsStreamAsync(Cancellation);
        var buffer = new byte[5];
        await body.ReadExactlyAsync(buffer, Cancellation);

        Encoding.UTF8.GetString(buffer).ShouldBe("begun", "the answer's beginning is here before its end is made, and the request's was there before its end was sent");
        rest.SetResult();
        using var reader = new StreamReader(body);
        (await reader.ReadToEndAsync(Cancellation)).ShouldBe(" and done");
    }

    [Theory]
    [InlineData(100_000, true, 200)]
    [InlineData(3_000_000, false, 200)]
    [InlineData(33_600_000, true, 413)]
    public async Task What_is_written_to_the_Vault_behind_may_be_as_long_as_Vault_takes_it(int length, bool announced, int status)
    {
        await using var server = await LoopbackServer.StartAsync(async context =>
        {
            if (await LoggedInAsync(context)) return;
            var (piece, seen) = (new byte[64 * 1024], 0);
            while (await context.Request.Body.ReadAsync(piece) is var read and > 0) seen += read;
            await context.Response.WriteAsync(new JsonObject { ["seen"] = seen }.ToJsonString());
        });
        await using var world = World(server.Address);
        using var client = new HttpClient { BaseAddress = await world.ListeningReplicaAsync() };
        var caller = await VaultCaller.OfPodAsync(world, client, "uid-1");
        using var request = new HttpRequestMessage(HttpMethod.Put, "/v1/secret/data/app") { Content = new ByteArrayContent(new byte[length]) };
        request.Headers.Add("X-Vault-Token", caller.Token);
        request.Headers.TransferEncodingChunked = !announced;
        request.Headers.ExpectContinue = true; // who is refused need not send it all

        using var response = await client.SendAsync(request, Cancellation);

        var text = await response.Content.ReadAsStringAsync(Cancellation);
        ((int)response.StatusCode, response.Headers.RetryAfter).ShouldBe((status, null), text);
        if (status == 200) ((int)JsonNode.Parse(text)!["seen"]!).ShouldBe(length);
        else ((string)JsonNode.Parse(text)!["errors"]![0]!).ShouldBe("http: request body too large");
    }

    private static (string?, string?)[] Passed(BrokerWorld world) => [.. world.Audited("pass").Select(record => ((string?)record["outcome"], (string?)record["detail"]))];

    private static async Task<bool> LoggedInAsync(HttpContext context)
    {
        if (!context.Request.Path.Value!.EndsWith("/login", StringComparison.Ordinal)) return false;
        await context.Response.WriteAsync("""{"auth":{"client_token":"hvs.there"}}""");
        return true;
    }

    private static async Task<SimulatedVault> VaultAsync(TimeProvider? time = null)
    {
        var vault = await SimulatedVault.StartAsync(time);
        vault.Believes = static _ => true;
        vault.Others = static request => (request.Method, request.Path) switch
        {
            ("GET", "secret/data/app") => (200, new JsonObject { ["data"] = new JsonObject { ["value"] = "s3cret" } }),
            ("POST", "secret/data/app") => (204, null),
            ("LIST", "secret/metadata") => (200, new JsonObject { ["data"] = new JsonObject { ["keys"] = new JsonArray("app") } }),
            ("GET", "sys/internal/ui/mounts/secret/data/app") => (200, new JsonObject { ["data"] = new JsonObject { ["path"] = "secret/" } }),
            _ => null,
        };
        return vault;
    }

    private static BrokerWorld World(SimulatedVault vault, string more = "pki/issue") => World(vault.Address, more);

    private static BrokerWorld World(Uri address, string more = "pki/issue") => new(
        ("VaultApi:Upstream:Address", address.AbsoluteUri), ("VaultApi:Upstream:Pass:0", "secret"), ("VaultApi:Upstream:Pass:1", more));

    /// <summary>A ledger that has no room for records of one kind.</summary>
    private sealed class FullStore(ILedgerStore inner, string kind) : ILedgerStore
    {
        // What a question begins with: who asks, and what it has heard and seen.
        private const int Preamble = 3;

        public bool IsOfThisProcess => inner.IsOfThisProcess;

        public ValueTask<string[]> DecideAsync(Decision decision, string database, IReadOnlyList<string> arguments, CancellationToken cancellation) =>
            inner.DecideAsync(decision, database, database == kind && decision.Name == Decision.PutRecords.Name ? [.. arguments.Take(Preamble), "0", .. arguments.Skip(Preamble + 1)] : arguments, cancellation);

        public IDisposable Listen(string database, Action<string> heard) => inner.Listen(database, heard);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>The time of a world that is made later.</summary>
    private sealed class BorrowedTime : TimeProvider
    {
        public TimeProvider From { get; set; } = System;

        public override DateTimeOffset GetUtcNow() => From.GetUtcNow();
    }

    /// <summary>A body whose second half is sent when somebody has read the first.</summary>
    private sealed class Slowly(string half, Task read) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context)
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(half));
            await stream.FlushAsync();
            await read;
            await stream.WriteAsync(Encoding.UTF8.GetBytes(half));
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
