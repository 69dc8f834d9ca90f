using System.Diagnostics.Metrics;
using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Leases.Claims;
using Broker.Core.Ledger;
using Broker.Core.Ledger.Redis;
using Broker.Core.Model;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>Moving holders and waiting callers hold up nobody else; a lease that a holder may still rely on is not ended early.</summary>
public sealed class CountsOfMoversAndWaitersTests : LedgerSequence
{
    [Fact]
    public async Task L2_A_move_does_not_take_what_the_first_in_line_waits_for()
    {
        await CountAsync(20);
        await ActiveAsync();
        var first = (await AskAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Granted>().Lease;
        foreach (var pod in Enumerable.Range(1, 12)) (await AskAsync(Claim(pod, 1))).ShouldBeOfType<ClaimAnswer.Granted>();
        await Ledger.Leases.MoveAsync(Database, first, LeaseState.Retiring, "t", Cancellation);
        await IssueAsync((await AskAsync(Claim(50, 1))).ShouldBeOfType<ClaimAnswer.Issue>(), "2");
        (await AskAsync(Claim(50, 1))).ShouldBeOfType<ClaimAnswer.Granted>();   // 14 of 20
        var waits = Claim(60, 8) with { LineWait = 600 * Second, IssueWait = 60 * Second };
        (await AskAsync(waits)).ShouldBeOfType<ClaimAnswer.InLine>();           // two are missing
        await Ledger.Holders.ReleaseAsync(Database, Id(1), Cancellation);       // now one
        foreach (var pod in Enumerable.Range(2, 5))
            (await AskAsync(Claim(pod, 1) with { Kind = ClaimKind.Renew })).ShouldBeOfType<ClaimAnswer.Granted>().Lease.ShouldBe(first, "it stays for now");
        await Ledger.Holders.ReleaseAsync(Database, Id(12), Cancellation);      // and now there are eight free
        (await AskAsync(waits)).ShouldBeOfType<ClaimAnswer.Granted>();
    }

    [Fact]
    public async Task Moves_go_on_when_the_first_in_line_has_left()
    {
        await CountAsync(20);
        await ActiveAsync();
        var first = (await AskAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Granted>().Lease;
        await Ledger.Leases.MoveAsync(Database, first, LeaseState.Retiring, "t", Cancellation);
        var second = await IssueAsync((await AskAsync(Claim(1, 10))).ShouldBeOfType<ClaimAnswer.Issue>(), "2");
        (await AskAsync(Claim(1, 10))).ShouldBeOfType<ClaimAnswer.Granted>();
        (await AskAsync(InLine(2, 15))).ShouldBeOfType<ClaimAnswer.InLine>();
        (await AskAsync(Claim(0, 1) with { Kind = ClaimKind.Renew })).ShouldBeOfType<ClaimAnswer.Granted>().Lease.ShouldBe(first);
        Clock.Now += 4 * Second; // it has not asked again
        (await AskAsync(Claim(0, 1) with { Kind = ClaimKind.Renew })).ShouldBeOfType<ClaimAnswer.Granted>().Lease.ShouldBe(second.Lease);
    }

    [Fact]
    public async Task L4_A_lease_of_a_holder_that_did_not_hear_of_its_move_is_not_ended_with_its_shadow()
    {
        await CountAsync(50);
        await ActiveAsync();
        var old = (await AskAsync(Claim(1, 5))).ShouldBeOfType<ClaimAnswer.Granted>();
        await Ledger.Holders.ReleaseAsync(Database, Id(0), Cancellation);
        await Ledger.Leases.MoveAsync(Database, old.Lease, LeaseState.Retiring, "rotated", Cancellation);
        await IssueAsync((await AskAsync(Claim(2, 1))).ShouldBeOfType<ClaimAnswer.Issue>(), "2");
        (await AskAsync(Claim(1, 5) with { Kind = ClaimKind.Renew })).ShouldBeOfType<ClaimAnswer.Granted>();   // the answer is lost
        Clock.Now += 62 * Second;
        (await Ledger.Leases.ExpireAsync(Database, old.Lease, 10 * Minute, Cancellation)).ShouldBeOfType<ExpireAnswer.Later>();
        Clock.Now += 60 * Second;
        (await Ledger.Leases.ExpireAsync(Database, old.Lease, 10 * Minute, Cancellation)).ShouldBeOfType<ExpireAnswer.Ended>();
    }

    [Fact]
    public async Task L10_A_claim_in_a_long_queue_is_answered_though_the_ledger_stands_still()
    {
        var clock = new FakeTimeProvider();
        var standing = new StandingStore(clock);
        var queue = Queue(new SharedLedger(standing));
        var all = Enumerable.Range(0, 10_000).Select(pod => queue.ClaimAsync(Claim(pod, 1))).ToArray();
        var start = clock.GetUtcNow();
        await Eventually.StepsAsync(
            () =>
            {
                clock.Advance(Second / 2);
                return Task.FromResult(all.All(task => task.IsCompleted));
            },
            "everybody is answered",
            Cancellation);
        foreach (var task in all) (await Should.ThrowAsync<LedgerException>(task)).Message.ShouldBe("timeout");
        standing.Calls.ShouldBeLessThanOrEqualTo(3);
    }

    [Fact]
    public async Task L10_A_claim_in_a_long_queue_is_answered_though_a_real_Redis_stands_still()
    {
        await using var redis = await LocalRedis.StartAsync();
        await using var store = new RedisLedgerStore(RedisConnection.Open(redis.ConnectionString));
        var counted = new StandingStore(TimeProvider.System) { FailsFirst = 0, Then = store };
        var ledger = new SharedLedger(counted);
        await ledger.Budgets.SampleAsync(Database, 100, 200, 3, 100, 0, 15 * Second, Cancellation);
        var before = counted.Calls;
        await redis.PauseAsync();
        var queue = Queue(ledger);
        var all = Enumerable.Range(0, 10_000).Select(pod => queue.ClaimAsync(Claim(pod, 1))).ToArray();
        foreach (var task in all) await Should.ThrowAsync<LedgerException>(task);
        (counted.Calls - before).ShouldBeInRange(1, 3, "each waits three seconds for Redis");
        await redis.ResumeAsync();
    }

    [Fact]
    public async Task A_claim_that_came_while_a_batch_failed_is_made()
    {
        var clock = new FakeTimeProvider();
        var standing = new StandingStore(clock) { FailsFirst = 1, Then = Store };
        await CountAsync(100);
        var queue = Queue(new SharedLedger(standing));
        var first = queue.ClaimAsync(Claim(0, 1));
        await Eventually.HoldsAsync(() => Task.FromResult(standing.Calls == 1), "it is under way", Cancellation);
        var second = queue.ClaimAsync(Claim(1, 1));
        clock.Advance(3 * Second);
        await Should.ThrowAsync<LedgerException>(first);
        (await second).ShouldBeOfType<ClaimAnswer.Issue>();
    }

    private static ClaimQueue Queue(SharedLedger ledger) => new(ledger, Database, () => (Fast, 100), new BrokerMetrics(new Meters()));

    private sealed class Meters : IMeterFactory
    {
        public Meter Create(MeterOptions options) => new(options);

        public void Dispose()
        {
        }
    }

    /// <summary>A ledger that counts its calls. The first ones wait for three seconds and fail; another ledger answers the rest.</summary>
    private sealed class StandingStore(TimeProvider time) : ILedgerStore
    {
        private int calls;

        public int Calls => Volatile.Read(ref calls);

        public int FailsFirst { get; init; } = int.MaxValue;

        public ILedgerStore? Then { get; init; }

        public async ValueTask<string[]> DecideAsync(Decision decision, string database, IReadOnlyList<string> arguments, CancellationToken cancellation)
        {
            if (Interlocked.Increment(ref calls) > FailsFirst) return await Then!.DecideAsync(decision, database, arguments, cancellation);
            await Task.Delay(3 * Second, time, cancellation);
            throw new LedgerException("timeout");
        }

        public IDisposable Listen(string database, Action<string> heard) => new MemoryStream();

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
