using System.Text.Json.Nodes;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>Static roles as Vault's clients read them.</summary>
public sealed class StaticCredentialTests
{
    [Fact]
    public async Task A_static_role_has_no_lease_and_says_when_its_password_changes()
    {
        await using var world = World(("RotationPeriod", "01:00:00"));
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var read = await caller.SendAsync("GET", "database/static-creds/reports");

        read.Status.ShouldBe(200, read.Text);
        (read.LeaseId, read.LeaseDuration, (bool)read.Body["renewable"]!).ShouldBe(("", 0, false));
        var data = read.Body["data"]!.AsObject();
        data.Select(field => field.Key).ShouldBe(["last_vault_rotation", "password", "rotation_period", "ttl", "username"]);
        ((int)data["rotation_period"]!, (string)data["password"]!).ShouldBe((3600, "secret-" + read.Username));
        ((int)data["ttl"]!).ShouldBeInRange(3500, 3600);
        read.Username.ShouldBeOneOf("reports_a", "reports_b");

        // What operators of Kubernetes take for a static credential (Vault Secrets Operator, isStaticCreds).
        ((DateTimeOffset)data["last_vault_rotation"]!).ShouldBeInRange(world.Time.GetUtcNow() - TimeSpan.FromMinutes(5), world.Time.GetUtcNow() + TimeSpan.FromMinutes(5));
        (await caller.SendAsync("GET", "database/static-creds/reports")).Username.ShouldBe(read.Username);
    }

    // Vault rounds (builtin/logical/database/rotation.go CredentialTTL). Whoever reads again when the told time has passed must not come before the turn.
    [Theory]
    [InlineData(0)]
    [InlineData(1200.3)]
    [InlineData(3000.7)]
    public async Task The_time_that_is_told_ends_after_the_turn_and_is_no_longer_than_the_period(double seconds)
    {
        await using var world = World(("RotationPeriod", "01:00:00"));
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        (await caller.SendAsync("GET", "database/static-creds/reports")).Status.ShouldBe(200);
        await world.ForwardAsync(TimeSpan.FromSeconds(seconds));

        var before = world.Time.GetUtcNow();
        var data = (await caller.SendAsync("GET", "database/static-creds/reports")).Body["data"]!;

        var (ttl, turn) = ((int)data["ttl"]!, (DateTimeOffset)data["last_vault_rotation"]! + TimeSpan.FromHours(1));
        (before.AddSeconds(ttl) - turn).ShouldBeInRange(TimeSpan.Zero, TimeSpan.FromSeconds(4));
        ttl.ShouldBeLessThanOrEqualTo((int)data["rotation_period"]!);
    }

    [Fact]
    public async Task Users_take_turns_when_the_time_that_was_told_has_passed()
    {
        await using var world = World(("RotationPeriod", "01:00:00"));
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        var first = await caller.SendAsync("GET", "database/static-creds/reports");

        await world.ForwardAsync(TimeSpan.FromSeconds((int)first.Body["data"]!["ttl"]! + 1));

        caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        VaultAnswer next = null!;
        await Eventually.HoldsAsync(
            async () => (next = await caller.SendAsync("GET", "database/static-creds/reports")).Status == 200 && next.Username != first.Username, "the other user's turn", TestContext.Current.CancellationToken);
        ((int)next.Body["data"]!["ttl"]!).ShouldBeInRange(3500, 3600);
        ((DateTimeOffset)next.Body["data"]!["last_vault_rotation"]!).ShouldBeGreaterThan((DateTimeOffset)first.Body["data"]!["last_vault_rotation"]!);
    }

    [Fact]
    public async Task A_schedule_is_told_in_place_of_a_period()
    {
        await using var world = World(("RotationSchedule", "0 3 * * SAT"));
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var data = (await caller.SendAsync("GET", "database/static-creds/reports")).Body["data"]!.AsObject();

        ((string)data["rotation_schedule"]!, data.ContainsKey("rotation_period")).ShouldBe(("0 3 * * SAT", false));
        ((int)data["ttl"]!).ShouldBeInRange(0, 7 * 86400);
        data.ContainsKey("rotation_window").ShouldBeFalse();
    }

    [Fact]
    public async Task A_window_is_told_with_its_schedule()
    {
        await using var world = World(("RotationSchedule", "0 3 * * SAT"), ("Roles:reports:Static:RotationWindow", "02:00:00"));
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var data = (await caller.SendAsync("GET", "database/static-creds/reports")).Body["data"]!.AsObject();

        data.Select(field => field.Key).ShouldBe(["last_vault_rotation", "password", "rotation_schedule", "rotation_window", "ttl", "username"]);
        ((string)data["rotation_schedule"]!, (int)data["rotation_window"]!).ShouldBe(("0 3 * * SAT", 7200));
        var described = (await caller.SendAsync("GET", "database/static-roles/reports")).Body["data"]!;
        ((string)described["rotation_schedule"]!, (int)described["rotation_window"]!).ShouldBe(("0 3 * * SAT", 7200));
    }

    [Fact]
    public async Task Roles_are_listed_and_described_to_whoever_may_have_them()
    {
        await using var world = World(("RotationPeriod", "01:00:00"));
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        var read = await caller.SendAsync("GET", "database/static-creds/reports");

        foreach (var (method, path) in new[] { ("LIST", "database/static-roles"), ("GET", "database/static-roles?list=true"), ("LIST", "database/static-roles/") })
            (await caller.SendAsync(method, path)).Body["data"]!["keys"]!.ToJsonString().ShouldBe("""["reports"]""");
        var described = (await caller.SendAsync("GET", "database/static-roles/reports")).Body["data"]!;
        ((string)described["username"]!, (int)described["rotation_period"]!, (string)described["db_name"]!, (string)described["credential_type"]!).ShouldBe((read.Username, 3600, "orders", "password"));
        ((string)described["last_vault_rotation"]!).ShouldBe((string)read.Body["data"]!["last_vault_rotation"]!);
        (await caller.SendAsync("POST", "sys/capabilities-self", new JsonObject { ["path"] = "database/static-creds/reports" })).Body["capabilities"]!.ToJsonString().ShouldBe("""["read"]""");

        var job = new VaultCaller(replica);
        (await job.LogInAsync(world.Job(), "deploy", "ci")).Status.ShouldBe(200);
        (await job.SendAsync("LIST", "database/static-roles")).Body["data"]!["keys"]!.ToJsonString().ShouldBe("""["nightly"]""");
        (await job.SendAsync("GET", "database/static-creds/reports")).Status.ShouldBe(403);
        (await job.SendAsync("GET", "database/static-roles/reports")).Status.ShouldBe(403);
        (await job.SendAsync("POST", "sys/capabilities-self", new JsonObject { ["path"] = "database/static-creds/reports" })).Body["capabilities"]!.ToJsonString().ShouldBe("""["deny"]""");
    }

    [Fact]
    public async Task A_caller_that_may_have_no_static_role_is_shown_none()
    {
        await using var world = new BrokerWorld();
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var none = await caller.SendAsync("LIST", "database/static-roles");

        (none.Status, none.Text.Trim()).ShouldBe((404, """{"errors":[]}"""));
    }

    [Theory]
    [InlineData("GET", "database/static-creds/nosuch", 400)]
    [InlineData("GET", "database/static-creds/orders-api", 400)]
    [InlineData("GET", "database/creds/reports", 400)]
    [InlineData("GET", "database/static-roles/nosuch", 403)]
    [InlineData("GET", "database/static-roles/orders-api", 403)]
    [InlineData("PUT", "database/static-creds/reports", 405)]
    [InlineData("DELETE", "database/static-roles/reports", 405)]
    [InlineData("POST", "database/static-roles/reports", 405)]
    [InlineData("GET", "database/static-roles", 405)]
    [InlineData("POST", "database/rotate-role/reports", 403)]
    public async Task What_is_no_static_role_or_is_an_operators_is_refused(string method, string path, int status)
    {
        await using var world = World(("RotationPeriod", "01:00:00"));
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        var answer = await caller.SendAsync(method, path);

        answer.Status.ShouldBe(status, answer.Text);
        if (status == 400) answer.Error.ShouldBe($"unknown role: {path[(path.LastIndexOf('/') + 1)..]}");
    }

    [Fact]
    public async Task L2_Readers_are_holders_whose_connections_are_counted_once_and_L7_recorded()
    {
        await using var world = World(("RotationPeriod", "01:00:00"));
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");
        for (var reads = 0; reads < 3; reads++) (await caller.SendAsync("GET", "database/static-creds/reports", headers: ("X-Broker-Connections", "20"))).Status.ShouldBe(200);

        for (var pod = 2; pod <= 5; pod++)
            (await (await VaultCaller.OfPodAsync(world, replica, $"uid-{pod}")).SendAsync("GET", "database/static-creds/reports", headers: ("X-Broker-Connections", "20"))).Status.ShouldBe(200);
        var late = await (await VaultCaller.OfPodAsync(world, replica, "uid-6")).SendAsync("GET", "database/static-creds/reports", headers: ("X-Broker-Connections", "20"));

        (late.Status, late.Headers.RetryAfter is not null).ShouldBe((503, true));
        world.Audited("claim").Count(line => (string?)line["role"] == "reports").ShouldBe(8);
    }

    [Fact]
    public async Task A_caller_without_a_pod_is_one_holder_for_all_its_logins()
    {
        await using var world = World(("RotationPeriod", "01:00:00"));
        var replica = await world.ReplicaAsync();
        for (var logins = 0; logins < 8; logins++)
        {
            var job = new VaultCaller(replica);
            (await job.LogInAsync(world.Job(), "nightly", "ci")).Status.ShouldBe(200);
            (await job.SendAsync("GET", "database/static-creds/nightly", headers: ("X-Broker-Connections", "20"))).Status.ShouldBe(200);
            (await job.SendAsync("POST", "auth/token/revoke-self")).Status.ShouldBe(204);
        }
    }

    [Fact]
    public async Task A_reader_whose_number_is_raised_reads_on_with_what_it_has_and_is_told_so()
    {
        await using var world = World(("RotationPeriod", "01:00:00"));
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");
        (await caller.SendAsync("GET", "database/static-creds/reports", headers: ("X-Broker-Connections", "2"))).Status.ShouldBe(200);

        var read = await caller.SendAsync("GET", "database/static-creds/reports", headers: ("X-Broker-Connections", "7"));

        read.Status.ShouldBe(200, read.Text);
        read.Headers.GetValues("X-Broker-Connections").Single().ShouldBe("2");
        read.Warning!.ShouldStartWith("Connections: 2 of 7");
    }

    [Fact]
    public async Task The_native_API_gives_them_too()
    {
        await using var world = World(("RotationPeriod", "01:00:00"));
        var replica = await world.ReplicaAsync();

        var grant = await world.ClaimAsync(replica, world.Pod(), role: "reports");

        grant.Status.ShouldBe(200, grant.Body.ToJsonString());
        ((string)grant.Body["credentials"]!["username"]!).ShouldBeOneOf("reports_a", "reports_b");
    }

    private static BrokerWorld World((string Key, string Value) rotation, params (string Key, string? Value)[] more) => new(
    [
        ("Roles:reports:Database", "orders"), ("Roles:reports:Issuer", "here"), ("Roles:reports:Static:Usernames:0", "reports_a"), ("Roles:reports:Static:Usernames:1", "reports_b"),
        ($"Roles:reports:Static:{rotation.Key}", rotation.Value), ("Roles:reports:Allow:0:Issuer", "kubernetes"), ("Roles:reports:Allow:0:Claims:namespace", "shop"),
        ("Roles:nightly:Database", "orders"), ("Roles:nightly:Issuer", "here"), ("Roles:nightly:Static:Usernames:0", "nightly_a"), ("Roles:nightly:Static:Usernames:1", "nightly_b"),
        ($"Roles:nightly:Static:{rotation.Key}", rotation.Value), ("Roles:nightly:Allow:0:Issuer", "ci"), ("Roles:nightly:Allow:0:Claims:repository", "octo/shop"),
        .. more,
    ]);
}
