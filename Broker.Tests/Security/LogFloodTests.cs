using System.Text.Json.Nodes;
using Broker.Core.Audit;
using Broker.Tests.Fronts.Vault;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>The log, in which the audit's anchors are, before a proven caller that is refused as fast as it can ask (law L15).</summary>
public sealed class LogFloodTests
{
    private const int Requests = CallerRefusals.MostPerCaller + 50;

    // What is heard of one has its text and its values.
    private const int LongestLine = 3600;

    public static TheoryData<string> Ways => new("a role that it may not have", "a holder that there is not", "an address that there is not", "a list that is for viewers", "a Vault path that it may not read", "a Vault lease that there is not");

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task L15_What_is_summed_up_in_the_audit_is_no_line_of_the_log(string way)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var pod = world.Pod();
        var from = world.Time.GetTimestamp();
        var client = way.Contains("Vault", StringComparison.Ordinal) ? await VaultCaller.OfPodAsync(world, replica, "uid-1") : null;
        for (var request = 0; request < Requests; request++) (await AskAsync(request)).ShouldBeInRange(400, 499);

        var lines = Refused(world);
        lines.Count.ShouldBeInRange(1, MostSince(world, from));
        lines.ShouldAllBe(static line => line.Length < LongestLine);

        async Task<int> AskAsync(int request) => way switch
        {
            "a role that it may not have" => (await world.ClaimAsync(replica, pod, new string('r', 7000))).Status,
            "a holder that there is not" => (await world.SendAsync(replica, HttpMethod.Delete, $"/api/v1/holders/{new string('h', 7000)}", pod)).Status,
            "an address that there is not" => (await world.SendAsync(replica, HttpMethod.Get, $"/no/such/{request}", pod)).Status,
            "a list that is for viewers" => (await world.SendAsync(replica, HttpMethod.Get, "/api/v1/leases", pod)).Status,
            "a Vault path that it may not read" => (await client!.SendAsync("GET", $"secret/{new string('s', 5000)}")).Status,
            _ => (await client!.SendAsync("PUT", "sys/leases/renew", new JsonObject { ["lease_id"] = $"database/creds/orders-api/{request}{new string('l', 7000)}" })).Status, // of the same one it would be told once a second
        };
    }

    [Fact]
    public async Task L15_A_caller_that_asks_on_while_nothing_can_be_recorded_does_not_fill_the_log()
    {
        var audit = new SwitchedAudit();
        await using var world = new BrokerWorld { Services = services => services.Replace(ServiceDescriptor.Singleton<IAudit>(audit)) };
        var replica = await world.ReplicaAsync();
        var pod = world.Pod();
        audit.IsFull = true;
        var from = world.Time.GetTimestamp();
        for (var request = 0; request < Requests; request++) (await world.ClaimAsync(replica, pod)).Code.ShouldBe("audit-unavailable");

        Refused(world).Count.ShouldBeInRange(1, MostSince(world, from));
    }

    // Each minute that the requests take has lines of its own.
    private static int MostSince(BrokerWorld world, long from) => CallerRefusals.MostPerCaller * (1 + (int)world.Time.GetElapsedTime(from).TotalMinutes);

    private static List<string> Refused(BrokerWorld world) =>
        [.. world.Heard.All.Where(static heard => heard.Where == "log").Select(static heard => heard.Text).Where(static text => text.Contains("Refused (", StringComparison.Ordinal) || text.Contains("Could not serve (", StringComparison.Ordinal))];
}
