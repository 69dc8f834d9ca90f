using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Leases;
using Broker.Core.Leases.Holders;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>Pods that are killed without a release, and a cluster that reports it.</summary>
public sealed class PodsGoneTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task L2_The_holders_of_a_pod_that_is_gone_end_and_what_they_had_open_counts_until_it_is_seen_closed()
    {
        await using var world = new World(World.OrdersApi with { Connections = new() { Max = 20 } }, capacity: 10);
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0, 6)), Minute)).Grant!;
        var named = (await world.PassAsync(replica.AskAsync(World.Ask(0, 4) with { Holder = "sidecar" }), Minute)).Grant!;
        world.Engine.Users.Add(new(grant.Credentials.Login.Username, 10, 10));
        await world.PassAsync(TimeSpan.FromSeconds(10));

        await replica.Pods.GoneAsync("kubernetes", [Pod(0), Pod(77)], default);
        var ended = replica.Audit.Records.Where(record => record.Action == AuditAction.End).ToList();
        ended.Select(record => (record.HolderId, record.Connections)).ShouldBe([(grant.Holder.Id, 6), (named.Holder.Id, 4)], ignoreOrder: true);
        ended.ShouldAllBe(record => record.Outcome == AuditOutcome.Granted && record.CallerSubject == null);

        // The kernel of the pod's node has not closed them yet: nobody is promised one of them.
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 1)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.BudgetExhausted);
        await world.PassAsync(TimeSpan.FromSeconds(10));
        (await world.PassAsync(replica.AskAsync(World.Ask(1, 1)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.BudgetExhausted);
        world.Engine.Users.Clear();
        await world.PassAsync(TimeSpan.FromSeconds(10));
        (await world.PassAsync(replica.AskAsync(World.Ask(2, 10)), Minute)).Grant!.Connections.ShouldBe(10);
    }

    [Fact]
    public async Task Holders_of_another_pod_account_or_cluster_stay()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        await replica.Pods.GoneAsync("kubernetes", [Pod(1), Pod(0) with { ServiceAccount = "other" }, Pod(0) with { Namespace = "other" }], default);
        await replica.Pods.GoneAsync("another-cluster", [Pod(0)], default);
        (await world.PassAsync(replica.RenewAsync(grant), Minute)).Grant.ShouldNotBeNull();
    }

    [Fact]
    public async Task Pods_that_went_while_nobody_watched_are_found_missing_and_those_that_came_meanwhile_are_not()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        var stays = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        var went = (await world.PassAsync(replica.AskAsync(World.Ask(1)), Minute)).Grant!;
        var known = await replica.Pods.KnownAsync("kubernetes", "shop", default);
        known.Count.ShouldBe(2);
        (await replica.Pods.KnownAsync("kubernetes", "sho", default)).ShouldBeEmpty();

        var came = (await world.PassAsync(replica.AskAsync(World.Ask(2)), Minute)).Grant!;
        await replica.Pods.OnlyAsync("kubernetes", known, [], [Pod(0), Pod(9)], default);
        (await world.PassAsync(replica.RenewAsync(stays), Minute)).Grant.ShouldNotBeNull();
        (await world.PassAsync(replica.RenewAsync(came, 2), Minute)).Grant.ShouldNotBeNull();
        (await world.PassAsync(replica.RenewAsync(went, 1), Minute)).Refusal!.Code.ShouldBe(RefusalCode.HolderUnknown);
    }

    [Fact]
    public async Task A_pod_that_was_there_before_and_is_missing_now_is_gone_also_where_the_ledger_cannot_tell_whose_its_holder_is()
    {
        // Another cluster's callers may have the role as well.
        AllowRule[] rules = [.. World.OrdersApi.Allow, World.OrdersApi.Allow[0] with { Issuer = "another-cluster" }];
        await using var world = new World(World.OrdersApi with { Allow = rules });
        var replica = await world.ReplicaAsync();
        var stays = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
        var went = (await world.PassAsync(replica.AskAsync(World.Ask(1)), Minute)).Grant!;
        var known = await replica.Pods.KnownAsync("kubernetes", "shop", default);
        known.ShouldBeEmpty();

        await replica.Pods.OnlyAsync("kubernetes", known, [Pod(0), Pod(1)], [Pod(0)], default);
        (await world.PassAsync(replica.RenewAsync(stays), Minute)).Grant.ShouldNotBeNull();
        (await world.PassAsync(replica.RenewAsync(went, 1), Minute)).Refusal!.Code.ShouldBe(RefusalCode.HolderUnknown);
    }

    [Fact]
    public async Task L10_A_pod_that_goes_while_it_waits_in_line_gives_up_its_place_and_its_request_gets_nothing()
    {
        await using var world = new World(World.OrdersApi with { Connections = new() { Max = 20 } }, capacity: 5);
        var replica = await world.ReplicaAsync();
        var first = (await world.PassAsync(replica.AskAsync(World.Ask(0, 5)), Minute)).Grant!;

        // Its connection to the broker is still open: nobody closes those of a node that was lost.
        var dead = replica.AskAsync(World.Ask(1, 5, wait: Minute));
        await world.PassAsync(TimeSpan.FromSeconds(2));
        var next = replica.AskAsync(World.Ask(2, 5, wait: Minute));
        await world.PassAsync(TimeSpan.FromSeconds(2));
        await replica.Pods.GoneAsync("kubernetes", [Pod(1)], default);
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, first.Holder.Id, World.From, default);

        (await world.PassAsync(next, Minute)).Grant!.Connections.ShouldBe(5);
        (await world.PassAsync(dead, TimeSpan.FromMinutes(2))).Refusal.ShouldNotBeNull().Code.ShouldBe(RefusalCode.Unauthenticated);
        (await world.PassAsync(replica.AskAsync(World.Ask(1)), Minute)).Refusal!.Detail.ShouldContain("pod of this token is gone");
    }

    [Fact]
    public async Task A_pod_that_comes_again_under_its_name_is_another_pod()
    {
        // StatefulSets name their pods alike; the UID is another one, and the former pod's end may be heard of late.
        await using var world = new World(World.OrdersApi with { Connections = new() { Max = 20 } }, capacity: 10);
        var replica = await world.ReplicaAsync();
        var former = (await world.PassAsync(replica.AskAsync(World.Ask(0, 5)), Minute)).Grant!;
        var later = (await world.PassAsync(replica.AskAsync(World.Ask(1, 5)), Minute)).Grant!;
        later.Holder.Id.ShouldNotBe(former.Holder.Id);
        await replica.Pods.GoneAsync("kubernetes", [Pod(0)], default);
        (await world.PassAsync(replica.RenewAsync(later, 1), Minute)).Grant!.Connections.ShouldBe(5);
        (await world.PassAsync(replica.RenewAsync(former), Minute)).Refusal!.Code.ShouldBe(RefusalCode.HolderUnknown);
    }

    [Fact]
    public async Task L2_Three_hundred_jobs_of_a_minute_that_are_killed_without_a_word_are_all_served_on_fifty_connections()
    {
        const int jobs = 300, each = 2, limit = 50;
        await using var world = new World(World.OrdersApi with { Connections = new() { Default = each } }, capacity: limit);
        var replica = await world.ReplicaAsync();
        var gate = new Lock();
        var (open, most, served) = (0, 0, 0);
        var lastFreed = world.Clock.GetUtcNow();
        var longest = TimeSpan.Zero;
        string? user = null;

        await world.PassAsync(Task.WhenAll(Enumerable.Range(0, jobs).Select(JobAsync)).ContinueWith(_ => true, TaskScheduler.Default), TimeSpan.FromMinutes(60));
        TestContext.Current.TestOutputHelper?.WriteLine($"{served} served, {most} open at most, none waited longer than {longest.TotalSeconds:0.0} s beyond the end of others");
        served.ShouldBe(jobs);
        most.ShouldBeLessThanOrEqualTo(limit);
        longest.ShouldBeLessThan(TimeSpan.FromSeconds(10));

        async Task JobAsync(int job)
        {
            Outcome outcome;
            do outcome = await replica.AskAsync(World.Ask(job, each, wait: TimeSpan.FromSeconds(60)));
            while (outcome.Grant is null);
            lock (gate)
            {
                served++;
                user = outcome.Grant.Credentials.Login.Username;
                if (served > limit / each && world.Clock.GetUtcNow() - lastFreed is var waited && waited > longest) longest = waited;
                Show(open += each);
                most = Math.Max(most, open);
            }

            await Task.Delay(Minute, world.Clock);
            lock (gate)
            {
                // Killed: its connections are closed by the kernel, and it says nothing to anybody but its cluster.
                Show(open -= each);
                lastFreed = world.Clock.GetUtcNow();
            }

            await replica.Pods.GoneAsync("kubernetes", [Pod(job)], default);
        }

        void Show(int now)
        {
            world.Engine.Users.Clear();
            if (now > 0) world.Engine.Users.Add(new UserConnections(user, now, now));
        }
    }

    // No cluster tells, and each job's user is dropped as soon as its holder has ended: what its sessions have open is foreign from then on.
    [Fact]
    public async Task L2_L10_Jobs_whose_dead_leave_their_connections_open_wait_for_these_and_are_not_turned_away()
    {
        const int jobs = 50, each = 2, limit = 50;
        var (life, lingering) = (TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(15));
        var role = World.OrdersApi with
        {
            Connections = new() { Default = each },
            Sharing = SharingScope.Holder,
            ShortLivedPods = true,
            HolderTtl = life,
            IdleTtl = TimeSpan.Zero,
        };
        await using var world = new World(role, capacity: limit);
        var replica = await world.ReplicaAsync();
        var gate = new Lock();
        var (most, served) = (0, 0);
        var closed = world.Clock.GetUtcNow();
        var longest = TimeSpan.Zero;

        await world.PassAsync(Task.WhenAll(Enumerable.Range(0, jobs).Select(JobAsync)).ContinueWith(all => all.Exception is { } broke ? throw broke : true, TaskScheduler.Default), TimeSpan.FromMinutes(5));
        TestContext.Current.TestOutputHelper?.WriteLine($"{served} served, {most} open at most, none waited longer than {longest.TotalSeconds:0.0} s beyond the end of others");
        served.ShouldBe(jobs);
        most.ShouldBeLessThanOrEqualTo(limit);
        longest.ShouldBeLessThan(TimeSpan.FromSeconds(10));

        async Task JobAsync(int job)
        {
            var outcome = await replica.AskAsync(World.Ask(job, each, wait: Minute));
            if (outcome.Grant is null) throw new InvalidOperationException(outcome.Refusal!.Detail);
            UserConnections mine;
            lock (gate)
            {
                served++;
                if (served > limit / each && world.Clock.GetUtcNow() - closed is var waited && waited > longest) longest = waited;
                world.Engine.Users.Add(mine = new(outcome.Grant.Credentials.Login.Username, each, each));
                most = Math.Max(most, world.Engine.Users.Sum(user => user.Open));
            }

            await Task.Delay(life + lingering, world.Clock);
            lock (gate)
            {
                world.Engine.Users.Remove(mine);
                closed = world.Clock.GetUtcNow();
            }
        }
    }

    private static ClusterPod Pod(int pod) => new("shop", "orders", $"uid-{pod}");
}
