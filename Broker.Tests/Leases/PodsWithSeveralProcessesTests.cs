using Broker.Core.Leases;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>An init container, a sidecar and the app are one pod.</summary>
public sealed class PodsWithSeveralProcessesTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task A_grant_never_has_fewer_connections_than_its_claim_needs()
    {
        await using var world = new World(World.OrdersApi with { Connections = new() { Max = 20 } });
        var replica = await world.ReplicaAsync();
        var init = (await world.PassAsync(replica.AskAsync(World.Ask(0, 1)), Minute)).Grant!;
        init.Connections.ShouldBe(1);

        var app = (await world.PassAsync(replica.AskAsync(World.Ask(0, 10)), Minute)).Refusal.ShouldNotBeNull();
        app.Code.ShouldBe(RefusalCode.HolderInUse);
        app.Detail.ShouldContain("1 connections");
        app.Detail.ShouldContain("\"holder\"");
        app.RetryAfter.ShouldNotBeNull();
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 10, least: 2)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.HolderInUse);
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 10, least: 1)), Minute)).Grant!.Connections.ShouldBe(1, "who can live with what is there gets it again");
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!.Holder.Id.ShouldBe(init.Holder.Id);

        var named = (await world.PassAsync(replica.AskAsync(World.Ask(0, 10) with { Holder = "app" }), Minute)).Grant!;
        named.Connections.ShouldBe(10);
        named.Holder.Id.ShouldNotBe(init.Holder.Id);
    }

    [Fact]
    public async Task An_app_whose_init_container_released_its_grant_gets_what_it_needs_at_once()
    {
        await using var world = new World(World.OrdersApi with { Connections = new() { Max = 20 } });
        var replica = await world.ReplicaAsync();
        var init = (await world.PassAsync(replica.AskAsync(World.Ask(0, 1)), Minute)).Grant!;
        (await replica.Holders.ReleaseAsync(World.Ask(0).Caller, init.Holder.Id, World.From, default)).ShouldBeNull();
        (await world.PassAsync(replica.AskAsync(World.Ask(0, 10)), Minute)).Grant!.Connections.ShouldBe(10);
    }
}
