using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>
/// More short jobs than there are connections, killed without a release, and no cluster that reports it. They do what they are told: they wait
/// in line for as long as they said, and come back when the answer says so. Connections are never free for long while they wait.
/// </summary>
public sealed class ShortJobsTests
{
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(1);

    [Theory]
    [InlineData(30)] // the wait ends just as connections come free, again and again
    [InlineData(7)]
    [InlineData(60)]
    [InlineData(null)] // waits in no line, and asks when it is told to
    public async Task L10_Room_is_taken_within_seconds_by_jobs_that_come_when_they_are_told_to(int? waitSeconds)
    {
        const int jobs = 120, limit = 30;
        var role = World.OrdersApi with { Connections = new() { Default = 1 }, ShortLivedPods = true, HolderTtl = Life };
        await using var world = new World(role, capacity: limit);
        var replica = await world.ReplicaAsync();
        var gate = new Lock();
        var open = new Dictionary<string, int>(StringComparer.Ordinal);
        var (served, most) = (0, 0);
        var idle = TimeSpan.Zero;
        string user = "";

        var all = Task.WhenAll(Enumerable.Range(0, jobs).Select(JobAsync));
        var watching = WatchAsync();
        await world.PassAsync(Task.WhenAll(all, watching).ContinueWith(done => done.Exception is { } broke ? throw broke : true, TaskScheduler.Default), TimeSpan.FromMinutes(15));

        TestContext.Current.TestOutputHelper?.WriteLine($"{served} served, {most} open at most, never room for longer than {idle.TotalSeconds:0.0} s while jobs waited");
        served.ShouldBe(jobs);
        most.ShouldBeLessThanOrEqualTo(limit);
        idle.ShouldBeLessThan(TimeSpan.FromSeconds(7));

        async Task JobAsync(int job)
        {
            while (true)
            {
                var outcome = await replica.AskAsync(World.Ask(job, 1, wait: waitSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null));
                if (outcome.Grant is { } grant)
                {
                    lock (gate) user = grant.Credentials.Login.Username;
                    Show(grant.Holder.Id, 1);
                    await Task.Delay(Life, world.Clock);
                    Show(grant.Holder.Id, 0);
                    return;
                }

                await Task.Delay(outcome.Refusal!.RetryAfter!.Value, world.Clock);
            }
        }

        async Task WatchAsync()
        {
            var since = world.Clock.GetUtcNow();
            while (!all.IsCompleted)
            {
                lock (gate)
                {
                    if (open.Count >= limit || served >= jobs || served == 0) since = world.Clock.GetUtcNow();
                    else if (world.Clock.GetUtcNow() - since is var now && now > idle) idle = now;
                }

                await Task.Delay(TimeSpan.FromMilliseconds(250), world.Clock);
            }
        }

        void Show(string holder, int now)
        {
            lock (gate)
            {
                served += now;
                if (now > 0) open.Add(holder, now);
                else open.Remove(holder);
                most = Math.Max(most, open.Count);
                world.Engine.Users.Clear();
                if (open.Count > 0)
                    world.Engine.Users.Add(new UserConnections(user, open.Count, open.Count) { Named = open.ToDictionary(one => HolderName.KeyOf(one.Key).ToString(), one => one.Value, StringComparer.Ordinal) });
            }
        }
    }

    [Fact]
    public async Task L10_A_caller_that_waited_in_line_to_its_end_and_comes_when_it_is_told_to_has_its_place_back()
    {
        await using var world = new World(World.OrdersApi with { Connections = new() { Default = 1 } }, capacity: 1);
        var replica = await world.ReplicaAsync();
        var had = (await world.PassAsync(replica.AskAsync(World.Ask(0, 1)), Life)).Grant!;
        var first = replica.AskAsync(World.Ask(1, 1, wait: TimeSpan.FromSeconds(5)));
        await world.PassAsync(TimeSpan.FromSeconds(2));
        var second = replica.AskAsync(World.Ask(2, 1, wait: TimeSpan.FromSeconds(60)));
        var told = (await world.PassAsync(first, Life)).Refusal!;
        told.RetryAfter.ShouldBe(TimeSpan.FromSeconds(1));

        await world.PassAsync(told.RetryAfter!.Value);
        first = replica.AskAsync(World.Ask(1, 1, wait: TimeSpan.FromSeconds(60)));
        await world.PassAsync(TimeSpan.FromSeconds(1));
        await replica.Holders.ReleaseAsync(World.Ask(0).Caller, had.Holder.Id, World.From, default);

        (await world.PassAsync(first, Life)).Grant.ShouldNotBeNull();
        second.IsCompleted.ShouldBeFalse();
    }
}
