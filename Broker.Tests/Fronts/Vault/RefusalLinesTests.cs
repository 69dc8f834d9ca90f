using Broker.Api.Fronts.Vault;
using Broker.Api.Fronts.Vault.Endpoints;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Model;
using Broker.Tests.Security;
using Microsoft.Extensions.DependencyInjection;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>Vault's words for a refusal say little; the broker's log says why, in one line for each.</summary>
public sealed class RefusalLinesTests
{
    [Fact]
    public async Task Each_refusal_of_a_Vault_client_is_one_line_of_the_log_with_code_caller_role_and_trace()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");

        (await caller.ReadAsync("orders-api", ("X-Broker-Connections", "99999"))).Status.ShouldBe(400);
        (await new VaultCaller(replica).ReadAsync()).Status.ShouldBe(403);
        (await caller.SendAsync("LIST", "database/roles")).Status.ShouldBe(403);
        (await caller.LogInAsync("not.a.token")).Status.ShouldBe(403);

        var lines = world.Heard.All.Where(heard => heard.Where == "log" && heard.Text.Contains("Refused (", StringComparison.Ordinal)).Select(heard => heard.Text).ToList();
        lines.Count.ShouldBe(4, string.Join('\n', lines));
        lines.ShouldAllBe(line => !line.Contains('\n') && line.Contains("/v1/") && line.Contains(", trace "));
        lines[0].ShouldContain("Refused (invalid-request)");
        lines[0].ShouldContain("uid-1");
        lines[0].ShouldContain("role orders-api");
        lines[0].ShouldContain("99999");
        lines[1].ShouldContain("Refused (not-allowed): an unproven caller at ");
        lines[2].ShouldContain("permission denied");
        lines[3].ShouldContain("/v1/auth/kubernetes/login");
    }

    [Fact]
    public async Task L15_Unproven_requests_are_counted_and_kept_apart_from_what_was_given_out()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        for (var request = 0; request < 30; request++) (await new VaultCaller(replica).ReadAsync()).Status.ShouldBe(403);

        world.AuditLines(0).ShouldAllBe(static line => !line.Contains("\"refused\"", StringComparison.Ordinal));
        world.AuditLines().Count(static line => line.Contains("GET /v1/database/creds/orders-api", StringComparison.Ordinal)).ShouldBeInRange(1, 20, "a few are written each, the rest are summed up");
    }

    [Fact]
    public async Task L7_What_a_proven_client_may_not_is_on_record_with_its_name()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var caller = await VaultCaller.OfPodAsync(world, replica, "uid-1");

        (await caller.SendAsync("PUT", "sys/leases/revoke-prefix/database")).Status.ShouldBe(403);
        (await caller.SendAsync("GET", "sys/mounts")).Status.ShouldBe(403);
        (await caller.SendAsync("GET", "nosuch/x")).Status.ShouldBe(404);
        (await new VaultCaller(replica).LogInAsync(world.Pod("uid-2", "elsewhere"))).Status.ShouldBe(403);
        (await new VaultCaller(replica).LogInAsync(world.Pod("uid-2"), "no-such-role")).Status.ShouldBe(400);

        var refused = world.AuditLines(0).Where(static line => line.Contains("\"action\":\"authenticate\"", StringComparison.Ordinal)).ToList();
        (refused.Count(static line => line.Contains("uid-1", StringComparison.Ordinal)), refused.Count(static line => line.Contains("uid-2", StringComparison.Ordinal))).ShouldBe((3, 2));
        refused[0].ShouldContain("PUT /v1/sys/leases/revoke-prefix/database");
    }

    [Fact]
    public async Task L7_A_fault_is_on_record_without_a_word_of_what_was_in_it()
    {
        await using var world = new BrokerWorld { Services = static services => services.AddSingleton<IVaultEndpoints>(new Faulty()) };
        var caller = await VaultCaller.OfPodAsync(world, await world.ReplicaAsync(), "uid-1");

        (await caller.SendAsync("GET", "faulty/path")).Status.ShouldBe(500);

        // Nobody had been proven when it came about: it is with those who prove nobody.
        world.AuditLines(0).ShouldNotContain(static line => line.Contains("\"httpStatus\":500", StringComparison.Ordinal));
        var line = world.AuditLines().Where(static line => line.Contains("\"httpStatus\":500", StringComparison.Ordinal)).ShouldHaveSingleItem();
        line.ShouldContain("\"outcome\":\"failed\"");
        line.ShouldContain("GET /v1/faulty/path: a fault in the broker (InvalidOperationException)");
        line.ShouldNotContain("hunter2");
    }

    private sealed class Faulty : IVaultEndpoints
    {
        public ValueTask<VaultReply?> TryAnswerAsync(VaultCall call) => call.Path == "faulty/path" ? throw new InvalidOperationException("password=hunter2") : default;
    }

    // Go's client sleeps through the whole of it within the minute that it gives a request, and then has no reason to show.
    [Fact]
    public void No_client_is_told_to_wait_longer_than_it_waits()
    {
        foreach (var code in Enum.GetValues<RefusalCode>())
            (VaultRefusals.Of(new Refusal(code, "not now", TimeSpan.FromMinutes(10))).RetryAfter ?? TimeSpan.Zero).ShouldBeLessThanOrEqualTo(TimeSpan.FromSeconds(10), code.ToString());
        new VaultError(503, "not now") { RetryAfter = TimeSpan.FromMinutes(10) }.RetryAfter.ShouldBe(TimeSpan.FromSeconds(10));
    }
}
