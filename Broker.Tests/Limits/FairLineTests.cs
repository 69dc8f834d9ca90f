using Broker.Core.Limits;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Limits;

public sealed class FairLineTests
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);
    private readonly FakeTimeProvider time = new();

    [Fact]
    public async Task Never_more_than_the_places_are_taken_and_each_place_goes_to_the_next()
    {
        var line = new FairLine(2, 10, Longest, time);
        (await line.EnterAsync(Of("a"))).ShouldBeTrue();
        (await line.EnterAsync(Of("a"))).ShouldBeTrue();
        var third = line.EnterAsync(Of("a")).AsTask();
        third.IsCompleted.ShouldBeFalse();
        line.Leave();
        (await third).ShouldBeTrue();
    }

    [Fact]
    public async Task A_lone_caller_waits_for_one_of_those_that_come_in_hundreds()
    {
        var line = new FairLine(1, 1000, Longest, time);
        await line.EnterAsync(Of("flood"));
        var flood = Enumerable.Range(0, 500).Select(_ => line.EnterAsync(Of("flood")).AsTask()).ToList();
        var alone = line.EnterAsync(Of("alone")).AsTask();
        line.Leave();
        line.Leave();
        (await alone).ShouldBeTrue();
        await Eventually.HoldsAsync(() => Task.FromResult(flood.Count(one => one.IsCompleted) == 1), "one of the flood went before", TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_full_line_makes_room_for_the_few_by_sending_one_of_the_many_away()
    {
        var line = new FairLine(1, 10, Longest, time);
        await line.EnterAsync(Of("flood"));
        var flood = Enumerable.Range(0, 10).Select(_ => line.EnterAsync(Of("flood")).AsTask()).ToList();
        (await line.EnterAsync(Of("flood"))).ShouldBeFalse("it waits ten times itself");

        var few = line.EnterAsync(Of("few")).AsTask();
        few.IsCompleted.ShouldBeFalse();
        (await flood[^1]).ShouldBeFalse("the last of the many gave way");
        line.Leave();
        line.Leave();
        (await few).ShouldBeTrue();
    }

    [Fact]
    public async Task A_line_full_of_made_up_names_from_one_address_has_room_for_another_address()
    {
        var line = new FairLine(1, 1000, Longest, time);
        await line.EnterAsync(Of("first"));
        var flood = Enumerable.Range(0, 1000).Select(one => line.EnterAsync(new("192.0.2.66", $"made-up-{one}")).AsTask()).ToList();

        var good = line.EnterAsync(new("192.0.2.7", "orders")).AsTask();

        good.IsCompleted.ShouldBeFalse("it waits");
        await Eventually.HoldsAsync(() => Task.FromResult(flood.Count(static one => one.IsCompleted) == 1), "one of the many gave way", TestContext.Current.CancellationToken);
        line.Leave();
        line.Leave();
        (await good).ShouldBeTrue("each address has its turn");
    }

    [Fact]
    public async Task Of_one_address_who_comes_alone_has_its_turn_among_the_many()
    {
        var line = new FairLine(1, 100, Longest, time);
        await line.EnterAsync(Of("first"));
        var flood = Enumerable.Range(0, 100).Select(_ => line.EnterAsync(new("192.0.2.66", "flood")).AsTask()).ToList();

        var alone = line.EnterAsync(new("192.0.2.66", "alone")).AsTask();
        line.Leave();
        line.Leave();

        (await alone).ShouldBeTrue();
        await Eventually.HoldsAsync(() => Task.FromResult(flood.Count(static one => one.IsCompleted) == 2), "one gave way, and one went before", TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task L10_Nobody_waits_longer_than_that_and_who_gave_up_takes_no_place()
    {
        var line = new FairLine(1, 10, Longest, time);
        await line.EnterAsync(Of("a"));
        var late = line.EnterAsync(Of("a")).AsTask();
        time.Advance(Longest);
        (await late).ShouldBeFalse();
        line.Leave();
        (await line.EnterAsync(Of("b"))).ShouldBeTrue();
    }

    [Fact]
    public async Task However_many_come_and_go_the_places_stay_as_many()
    {
        var line = new FairLine(3, 50, TimeSpan.FromMinutes(1), TimeProvider.System);
        var (inside, most) = (0, 0);
        await Parallel.ForAsync(0, 2000, new ParallelOptions { MaxDegreeOfParallelism = 40, CancellationToken = TestContext.Current.CancellationToken }, async (i, _) =>
        {
            if (!await line.EnterAsync(Of($"name-{i % 7}"))) return;
            var now = Interlocked.Increment(ref inside);
            InterlockedMax(ref most, now);
            await Task.Yield();
            Interlocked.Decrement(ref inside);
            line.Leave();
        });
        most.ShouldBeLessThanOrEqualTo(3);
        for (var i = 0; i < 3; i++) (await line.EnterAsync(Of("after"))).ShouldBeTrue("every place was given back");
    }

    private static Turn Of(string name) => new(name, "");

    private static void InterlockedMax(ref int most, int now)
    {
        int known;
        while ((known = Volatile.Read(ref most)) < now && Interlocked.CompareExchange(ref most, now, known) != known)
        {
        }
    }
}
