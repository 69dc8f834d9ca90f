using System.Text.Json.Nodes;
using Broker.Core.Audit.Reading;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>A client's lease is a holder: it has a shared login, is counted, is renewed for the same time, and is given up alone.</summary>
public sealed class LeaseTests
{
    [Fact]
    public async Task L1_a_hundred_clients_share_one_database_user_and_have_a_lease_each()
    {
        await using var world = new BrokerWorld(("Roles:orders-api:Connections:Default", "1"));
        var replica = await world.ReplicaAsync();
        var callers = await Task.WhenAll(Enumerable.Range(0, 100).Select(pod => VaultCaller.OfPodAsync(world, replica, $"uid-{pod}")));

        var reads = await Task.WhenAll(callers.Select(caller => caller.ReadAsync()));

        reads.ShouldAllBe(read => read.Status == 200);
        reads.Select(read => read.Username).Distinct().Count().ShouldBe(1);
        reads.Select(read => read.LeaseId).Distinct().Count().ShouldBe(100);
        world.Issuer.Users.Count.ShouldBe(1);
    }

    [Fact]
    public async Task L7_A_client_that_gives_up_one_of_two_reads_holds_the_user_in_the_record()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var one = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        var (first, second) = (await one.ReadAsync(), await one.ReadAsync());

        (await one.RevokeAsync(first.LeaseId)).Status.ShouldBe(204);

        world.Time.Forward(TimeSpan.FromSeconds(5));
        (await HeldAsync(second.Username)).ShouldHaveSingleItem().PodUid.ShouldBe("uid-1");
        (await one.RevokeAsync(second.LeaseId)).Status.ShouldBe(204);
        world.Time.Forward(TimeSpan.FromSeconds(5));
        (await HeldAsync(second.Username)).ShouldBeEmpty();

        async Task<IReadOnlyList<HeldUser>> HeldAsync(string user)
        {
            var copy = Path.Combine(world.Directory, "copy.jsonl");
            await File.WriteAllLinesAsync(copy, world.AuditLines(0), TestContext.Current.CancellationToken);
            return HolderQuery.At([copy], user, world.Time.GetUtcNow());
        }
    }

    [Fact]
    public async Task L7_A_renewal_that_is_refused_at_the_leases_end_is_not_on_record_as_granted()
    {
        await using var world = new BrokerWorld();
        var one = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var lease = (await one.ReadAsync()).LeaseId;
        var (status, before) = (200, 0L);
        for (var minutes = 0; status == 200 && minutes < 3_000; minutes++)
        {
            world.Time.Forward(TimeSpan.FromMinutes(1));
            if (minutes % 10 == 0) await one.SendAsync("PUT", "auth/token/renew-self");
            before = new FileInfo(world.AuditPath(0)).Length;
            status = (await one.RenewAsync(lease)).Status;
        }

        status.ShouldBe(400);
        var record = world.Audited("renew", 0, before).ShouldHaveSingleItem();
        ((string?)record["outcome"], (string?)record["caller"]!["podUid"]).ShouldBe(("refused", "uid-1"));
    }

    [Fact]
    public async Task L7_A_read_whose_lease_cannot_be_kept_is_not_on_record_as_granted()
    {
        await using var world = new BrokerWorld();
        var one = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        world.Cut = static database => database == "~handles";

        (await one.ReadAsync()).Status.ShouldBe(503);

        ((string?)world.Audited("claim").ShouldHaveSingleItem()["outcome"]).ShouldBe("failed");
    }

    [Fact]
    public async Task L7_A_client_that_revokes_what_is_not_its_own_is_told_that_it_is_done_and_is_on_record()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var (one, other) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-2"));
        var lease = (await one.ReadAsync()).LeaseId;

        (await other.RevokeAsync(lease)).Status.ShouldBe(204);
        (await other.SendAsync("PUT", "auth/token/revoke", new JsonObject { ["token"] = "hvs.of-nobody" })).Status.ShouldBe(204);
        (await other.SendAsync("PUT", "auth/token/revoke-accessor", new JsonObject { ["accessor"] = "of-nobody" })).Status.ShouldBe(200);

        (await one.RenewAsync(lease)).Status.ShouldBe(200);
        foreach (var (action, times) in new[] { ("release", 1), ("session", 2) })
            world.Audited(action).Count(record => (string?)record["outcome"] == "refused" && (string?)record["caller"]!["podUid"] == "uid-2").ShouldBe(times, action);
    }

    [Fact]
    public async Task L11_a_pod_that_reads_again_through_a_new_token_is_one_holder_until_its_last_lease_is_revoked()
    {
        await using var world = new BrokerWorld(("Databases:orders:Budget:Ceiling", "5"));
        var replica = await world.ReplicaAsync();
        var (one, other) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-1"));

        var (first, second) = (await one.ReadAsync(), await other.ReadAsync());
        (first.Status, second.Status).ShouldBe((200, 200));
        first.LeaseId.ShouldNotBe(second.LeaseId);
        var stranger = await VaultCaller.OfPodAsync(world, replica, "uid-2");
        (await stranger.ReadAsync(headers: ("X-Broker-Connections", "5"))).Status.ShouldBe(503, "the pod's five are taken once, and once only");

        (await one.RevokeAsync(first.LeaseId)).Status.ShouldBe(204);
        (await other.RenewAsync(second.LeaseId)).Status.ShouldBe(200);
        (await stranger.ReadAsync(headers: ("X-Broker-Connections", "5"))).Status.ShouldBe(503);
        (await other.SendAsync("PUT", "auth/token/revoke-self")).Status.ShouldBe(204);
        (await stranger.ReadAsync(headers: ("X-Broker-Connections", "5"))).Status.ShouldBe(200);
    }

    [Fact]
    public async Task Whoever_asks_with_HEAD_for_a_login_gets_none_and_holds_nothing()
    {
        await using var world = new BrokerWorld(("Databases:orders:Budget:Ceiling", "5"));
        var replica = await world.ReplicaAsync();
        var (one, other) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-2"));

        (await one.SendAsync("HEAD", "database/creds/orders-api")).Status.ShouldBe(405);

        world.Issuer.Users.ShouldBeEmpty();
        (await other.ReadAsync(headers: ("X-Broker-Connections", "5"))).Status.ShouldBe(200, "all are free");
    }

    [Fact]
    public async Task Nobody_renews_looks_up_or_revokes_anothers_lease()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var (owner, other) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-2"));
        var lease = (await owner.ReadAsync()).LeaseId;

        (await other.RenewAsync(lease)).Error.ShouldBe("lease not found");
        (await other.SendAsync("PUT", "sys/leases/lookup", new JsonObject { ["lease_id"] = lease })).Error.ShouldBe("invalid lease");
        (await other.RevokeAsync(lease)).Status.ShouldBe(204);

        (await owner.RenewAsync(lease)).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_lease_is_renewed_for_the_same_time_each_time_and_stays_one()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        var read = await caller.ReadAsync();
        read.LeaseDuration.ShouldBe(1200);

        for (var turn = 0; turn < 12; turn++)
        {
            await world.ForwardAsync(TimeSpan.FromMinutes(13));
            await Eventually.HoldsAsync(
                async () => (DateTimeOffset)(await world.SendAsync(replica, HttpMethod.Get, "/api/v1/leases", world.Person("viewers"))).Body["leases"]![0]!["expiresAt"]! - world.Time.GetUtcNow() > TimeSpan.FromMinutes(35),
                "the broker has renewed the shared lease", TestContext.Current.CancellationToken);
            var renewed = await caller.RenewAsync(read.LeaseId, turn % 2 == 0 ? 0 : read.LeaseDuration);
            (renewed.Status, renewed.LeaseId, renewed.LeaseDuration, renewed.Warning).ShouldBe((200, read.LeaseId, 1200, null), $"turn {turn}");
            renewed.Body["data"].ShouldBeNull();
            (await caller.SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(200);
        }

        var looked = (await caller.SendAsync("POST", "sys/leases/lookup", new JsonObject { ["lease_id"] = read.LeaseId })).Body["data"]!;
        ((string)looked["id"]!).ShouldBe(read.LeaseId);
        ((int)looked["ttl"]!).ShouldBeInRange(1190, 1200);
        looked["last_renewal"].ShouldNotBeNull();
    }

    [Theory]
    [InlineData("""{"lease_id":"ID","increment":null}""", 1200, null)]
    [InlineData("""{"lease_id":"ID","increment":"10m"}""", 600, null)]
    [InlineData("""{"lease_id":"ID","increment":600}""", 600, null)]
    [InlineData("""{"lease_id":"ID","increment":"600"}""", 600, null)]
    [InlineData("""{"lease_id":"ID","increment":600.0}""", 600, null)]
    [InlineData("""{"lease_id":"ID","increment":"600s"}""", 600, null)]
    [InlineData("""{"lease_id":"ID","increment":"0.1h"}""", 360, null)]
    [InlineData("""{"lease_id":"ID","increment":""}""", 1200, null)]
    [InlineData("""{"lease_id":"ID","increment":0}""", 1200, null)]
    [InlineData("""{"lease_id":"ID","increment":"0"}""", 1200, null)]
    [InlineData("""{"lease_id":"ID"}""", 1200, null)]
    [InlineData("""{"lease_id":"ID","increment":"1d"}""", 1200, "TTL of \"24h\" exceeded the effective max_ttl of \"20m\"; TTL value is capped accordingly")]
    [InlineData("""{"lease_id":"ID","increment":7200}""", 1200, "TTL of \"2h\" exceeded the effective max_ttl of \"20m\"; TTL value is capped accordingly")]
    public async Task An_increment_is_a_number_a_text_or_null(string body, int seconds, string? warning)
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var lease = (await caller.ReadAsync()).LeaseId;

        var renewed = await caller.SendAsync("PUT", "sys/leases/renew", JsonNode.Parse(body.Replace("ID", lease, StringComparison.Ordinal)));

        (renewed.Status, renewed.LeaseDuration, renewed.Warning).ShouldBe((200, seconds, warning));
    }

    [Fact]
    public async Task A_lease_id_may_stand_in_the_address_slashes_escaped_or_not_and_the_old_names_work()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var lease = (await caller.ReadAsync()).LeaseId;
        var escaped = lease.Replace("/", "%2F", StringComparison.Ordinal);

        foreach (var path in new[] { $"sys/leases/renew/{lease}", $"sys/leases/renew/{escaped}", $"sys/renew/{lease}", $"sys/renew/{escaped}" })
            (await caller.SendAsync("PUT", path)).LeaseId.ShouldBe(lease, path);
        (await caller.SendAsync("POST", "sys/renew", new JsonObject { ["lease_id"] = lease })).LeaseId.ShouldBe(lease);
        foreach (var path in new[] { $"sys/leases/lookup/{lease}", $"sys/leases/lookup/{escaped}" })
            ((string)(await caller.SendAsync("PUT", path)).Body["data"]!["id"]!).ShouldBe(lease, path);
        (await caller.SendAsync("LIST", "sys/leases/lookup/database/creds/orders-api")).Status.ShouldBe(403);
        (await caller.SendAsync("PUT", $"sys/revoke/{lease}")).Status.ShouldBe(204);
        (await caller.RenewAsync(lease)).Error.ShouldBe("lease not found");
        (await caller.SendAsync("PUT", $"sys/leases/revoke/{lease}")).Status.ShouldBe(204, "once more is as good");
        foreach (var path in new[] { "sys/leases/revoke-prefix/database/creds/orders-api", "sys/leases/revoke-force/database", "sys/leases/tidy", "sys/leases/count" })
            (await caller.SendAsync("PUT", path)).Status.ShouldBe(403, path);
    }

    [Fact]
    public async Task No_room_is_said_in_words_and_with_a_time_to_come_back()
    {
        await using var world = new BrokerWorld(("Databases:orders:Budget:Ceiling", "5"));
        var replica = await world.ReplicaAsync();
        await (await VaultCaller.OfPodAsync(world, replica, "uid-1")).ReadAsync();

        var refused = await (await VaultCaller.OfPodAsync(world, replica, "uid-2")).ReadAsync();

        refused.Status.ShouldBe(503);
        refused.Error!.ShouldContain("connections");
        refused.Headers.RetryAfter!.Delta!.Value.ShouldBeGreaterThan(TimeSpan.Zero);
    }

    [Theory]
    [InlineData("x", 400)]
    [InlineData("0", 400)]
    [InlineData("1000", 400)]
    [InlineData("7", 200)]
    public async Task A_header_says_how_many_connections_a_read_stands_for(string connections, int status)
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var read = await caller.ReadAsync(headers: ("X-Broker-Connections", connections));

        read.Status.ShouldBe(status);
        if (status == 200) read.Headers.GetValues("X-Broker-Connections").Single().ShouldBe(connections);
    }

    [Fact]
    public async Task A_lease_that_gives_out_is_shortened_and_then_given_no_more_time_at_moments_of_its_own()
    {
        await using var world = new BrokerWorld(("Roles:orders-api:Connections:Default", "1"));
        var replica = await world.ReplicaAsync();
        var callers = await Task.WhenAll(Enumerable.Range(0, 50).Select(pod => VaultCaller.OfPodAsync(world, replica, $"uid-{pod}")));
        var leases = await Task.WhenAll(callers.Select(caller => caller.ReadAsync()));
        var old = leases[0].Username;
        (await world.SendAsync(replica, HttpMethod.Post, "/api/v1/roles/orders-api/rotate", world.Person("operators"), new() { ["reason"] = "for a test" })).Status.ShouldBeInRange(200, 204);
        await Eventually.HoldsAsync(() => Task.FromResult(world.Issuer.Users.Count == 2), "the next lease is there", TestContext.Current.CancellationToken);

        VaultAnswer[] renewed = [];
        await Eventually.HoldsAsync(
            async () => (renewed = await Task.WhenAll(callers.Zip(leases, (caller, lease) => caller.RenewAsync(lease.LeaseId, lease.LeaseDuration)))).All(answer => answer.Status == 200 && answer.LeaseDuration < 1200),
            "all see that the lease gives out", TestContext.Current.CancellationToken);

        renewed.ShouldAllBe(answer => answer.Warning!.StartsWith("TTL of \"20m\" exceeded the effective max_ttl of \""));
        renewed.Select(answer => answer.LeaseDuration).Distinct().Count().ShouldBeGreaterThan(30, "they do not come back in one second");
        (renewed.Max(answer => answer.LeaseDuration) - renewed.Min(answer => answer.LeaseDuration)).ShouldBeGreaterThan(100);

        // Whoever reads again has the next login; its old lease is given no more time.
        var again = await callers[0].ReadAsync();
        again.Username.ShouldNotBe(old);
        (await callers[0].RenewAsync(leases[0].LeaseId)).LeaseDuration.ShouldBe(1);
        (await callers[0].RenewAsync(leases[0].LeaseId)).Error.ShouldBe("past the max TTL, cannot renew");
        (await callers[0].RenewAsync(again.LeaseId)).LeaseDuration.ShouldBe(1200);

        // Whoever does not is given less each time, and in the end nothing, while the old login still works.
        await world.ForwardAsync(TimeSpan.FromSeconds(renewed[1].LeaseDuration - 60));
        (await callers[1].SendAsync("PUT", "auth/token/renew-self")).Status.ShouldBe(200);
        (await callers[1].RenewAsync(leases[1].LeaseId)).LeaseDuration.ShouldBeInRange(1, 60);
        await world.ForwardAsync(TimeSpan.FromSeconds(61));
        (await callers[1].RenewAsync(leases[1].LeaseId)).Status.ShouldBe(400);
        world.Issuer.Users.ContainsKey(old).ShouldBeTrue();
    }

    // A client of Vault cannot be told another size, and only another read brings it the next login.
    [Fact]
    public async Task A_client_whose_number_is_raised_reads_on_with_what_it_has_and_is_told_so()
    {
        await using var world = new BrokerWorld(
            ("VaultApi:SecretMounts:database:Roles:orders-api:Role", "orders-api"), ("VaultApi:SecretMounts:database:Roles:orders-api:Connections", "5"),
            ("VaultApi:SecretMounts:database:Roles:orders-more:Role", "orders-api"), ("VaultApi:SecretMounts:database:Roles:orders-more:Connections", "10"));
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        (await caller.ReadAsync()).Status.ShouldBe(200);

        foreach (var read in new[] { await caller.ReadAsync("orders-more"), await caller.ReadAsync(headers: ("X-Broker-Connections", "10")) })
        {
            read.Status.ShouldBe(200, read.Text);
            read.Headers.GetValues("X-Broker-Connections").Single().ShouldBe("5");
            read.Warning!.ShouldStartWith("Connections: 5 of 10: this holder was granted 5 before");
        }
    }

    [Fact]
    public async Task The_number_in_the_mount_table_is_what_a_read_stands_for_and_not_the_least_it_accepts()
    {
        await using var world = new BrokerWorld(
            ("Databases:orders:Budget:Ceiling", "8"), ("VaultApi:SecretMounts:database:Roles:orders-api:Role", "orders-api"), ("VaultApi:SecretMounts:database:Roles:orders-api:Connections", "5"));
        var replica = await world.ReplicaAsync();
        (await (await VaultCaller.OfPodAsync(world, replica, "uid-1")).ReadAsync()).Status.ShouldBe(200);
        var late = await VaultCaller.OfPodAsync(world, replica, "uid-2");

        (await late.ReadAsync(headers: ("X-Broker-Connections", "5"))).Status.ShouldBe(503, "who names a number itself needs it");
        var read = await late.ReadAsync();

        read.Status.ShouldBe(200, read.Text);
        read.Headers.GetValues("X-Broker-Connections").Single().ShouldBe("3");
        read.Warning!.ShouldStartWith("Connections: 3 of 5");
    }

    // Where it is refused at once, a LifetimeWatcher renews in a loop without pause until its time is nearly over (openbao/openbao#3747).
    [Fact]
    public async Task A_lease_that_ends_because_its_pod_has_read_again_is_shortened_before_it_is_refused()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var (one, other) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-1"));
        var (first, second) = (await one.ReadAsync(), await other.ReadAsync());
        (await world.SendAsync(replica, HttpMethod.Post, "/api/v1/roles/orders-api/rotate", world.Person("operators"), new() { ["reason"] = "for a test" })).Status.ShouldBeInRange(200, 204);
        await Eventually.HoldsAsync(async () => (await one.ReadAsync()).Username != first.Username, "its pod has the next login", TestContext.Current.CancellationToken);

        var renewed = await other.RenewAsync(second.LeaseId, second.LeaseDuration);

        (renewed.Status, renewed.LeaseId, renewed.LeaseDuration).ShouldBe((200, second.LeaseId, 1), renewed.Text);
        renewed.Warning!.ShouldStartWith("TTL of \"20m\" exceeded the effective max_ttl of \"");
        (await other.RenewAsync(second.LeaseId)).Error.ShouldBe("past the max TTL, cannot renew");
    }

    [Fact]
    public async Task A_client_that_renews_what_is_over_without_a_pause_is_answered_once_a_second()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        var lease = (await caller.ReadAsync()).LeaseId;
        (await caller.RevokeAsync(lease)).Status.ShouldBe(204);
        var began = world.Time.GetTimestamp();

        for (var renewal = 0; renewal < 3; renewal++) (await caller.RenewAsync(lease)).Error.ShouldBe("lease not found");

        world.Time.GetElapsedTime(began).ShouldBeGreaterThan(TimeSpan.FromSeconds(1.9));
    }

    // Spring Vault 2.1 and 2.2 end a lease so, as does a SysLeases of today that is told to (LeaseEndpoints.LeasesRevokedByPrefix).
    [Fact]
    public async Task A_whole_lease_id_may_stand_where_a_prefix_does_and_a_prefix_may_not()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var (owner, other) = (await VaultCaller.OfPodAsync(world, replica, "uid-1"), await VaultCaller.OfPodAsync(world, replica, "uid-2"));
        var lease = (await owner.ReadAsync()).LeaseId;

        (await other.SendAsync("PUT", $"sys/leases/revoke-prefix/{lease}")).Status.ShouldBe(403);
        (await owner.SendAsync("PUT", $"sys/leases/revoke-prefix/{lease[..lease.LastIndexOf('/')]}")).Status.ShouldBe(403);
        (await owner.RenewAsync(lease)).Status.ShouldBe(200);
        (await owner.SendAsync("PUT", $"sys/leases/revoke-prefix/{lease}")).Status.ShouldBe(204);

        (await owner.RenewAsync(lease)).Error.ShouldBe("lease not found");
    }
}
