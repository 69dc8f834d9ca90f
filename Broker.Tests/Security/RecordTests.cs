using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>What the record has of those who prove nobody, and of those who look (laws L7 and L15).</summary>
public sealed class RecordTests
{
    [Fact]
    public async Task L15_Who_proves_nobody_is_not_in_the_record_of_what_was_given_out()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        for (var request = 0; request < 50; request++) (await world.ClaimAsync(replica, null)).Status.ShouldBe(401);
        (await world.SendAsync(replica, HttpMethod.Get, "/no/such/address", null)).Status.ShouldBe(401);
        (await world.ClaimAsync(replica, world.Pod())).Status.ShouldBe(200);

        world.AuditLines(0).ShouldAllBe(line => !line.Contains("\"refused\""));
        world.AuditLines(0).ShouldContain(line => line.Contains("\"granted\""));
        var apart = world.AuditLines().Where(line => line.Contains("\"unauthenticated\"")).ToArray();
        apart.Length.ShouldBe(5, "the rest is summed up when the minute is over");
    }

    [Fact]
    public async Task L15_A_full_disk_for_those_who_prove_nobody_keeps_nobody_else_waiting()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Writes to /dev/full.");
        await using var world = new BrokerWorld(("Audit:UnprovenPath", "/dev/full"));
        var replica = await world.ReplicaAsync();
        for (var request = 0; request < 20; request++) (await world.ClaimAsync(replica, null)).Status.ShouldBe(401);

        (await world.ClaimAsync(replica, world.Pod())).Status.ShouldBe(200);
    }

    [Theory]
    [InlineData("/api/v1/leases")]
    [InlineData("/api/v1/leases?database=orders")]
    [InlineData("/api/v1/leases/{lease}")]
    [InlineData("/api/v1/leftovers")]
    [InlineData("/api/v1/shadow")]
    [InlineData("/api/v1/duties")]
    [InlineData("/api/v1/indicators")]
    public async Task L7_Who_looks_at_leases_holders_and_leftovers_is_recorded(string path)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var lease = (string?)(await world.ClaimAsync(replica, world.Pod())).Body["lease"]!["id"];
        path = path.Replace("{lease}", lease);

        (await world.SendAsync(replica, HttpMethod.Get, path, world.Person("viewers"))).Status.ShouldBe(200);

        var read = world.Audited("read").ShouldHaveSingleItem();
        ((string?)read["detail"], (string?)read["outcome"], (string?)read["caller"]!["subject"]).ShouldBe(($"GET {path}", "granted", "viewers@example.org"));
    }

    [Fact]
    public async Task Each_refusal_is_a_line_of_the_log_with_code_caller_role_and_trace()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var refused = await world.ClaimAsync(replica, world.Pod(), "no-such-role");
        var unproven = await world.ClaimAsync(replica, null);

        Logged(world).ShouldContain(line => line.Contains("Refused (not-allowed)") && line.Contains("no-such-role") && line.Contains((string)refused.Body["traceId"]!));
        Logged(world).ShouldContain(line => line.Contains("Refused (unauthenticated)") && line.Contains("nobody") && line.Contains((string)unproven.Body["traceId"]!));
    }

    private static IEnumerable<string> Logged(BrokerWorld world) => world.Heard.All.Where(heard => heard.Where == "log").Select(heard => heard.Text);
}
