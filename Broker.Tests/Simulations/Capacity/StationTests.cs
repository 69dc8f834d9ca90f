using LoadTests.FromInside.Capacity;
using Shouldly;
using Xunit;

namespace Broker.Tests.Simulations.Capacity;

/// <summary>The capacity model's queues, held to what queueing theory says of them.</summary>
public sealed class StationTests
{
    private const int Arrivals = 300_000;

    [Theory]
    [InlineData(1, false, 0.7)]
    [InlineData(1, true, 0.7)]
    [InlineData(1, true, 0.85)]
    [InlineData(2, false, 0.7)]
    public void The_mean_wait_is_what_theory_says(int servers, bool constant, double load)
    {
        // Work of a second each. M/D/1: Pollaczek and Khinchine; M/M/1 and M/M/2: Erlang.
        var expected = (servers, constant) switch
        {
            (1, true) => load / (2 * (1 - load)),
            (1, false) => load / (1 - load),
            _ => load * load / (1 - (load * load)),
        };
        var station = Busy(servers, constant, load);
        station.Tally.Waits.Average().ShouldBe(expected, expected * 0.05);
        station.Tally.Utilisation.ShouldBe(load, load * 0.02);
    }

    [Fact]
    public void Work_on_shared_processors_waits_for_one_of_them_and_is_done_no_faster_than_they_can()
    {
        var agenda = new Agenda();
        var machine = new Machine(agenda, 2);
        Station[] parts = [.. Enumerable.Range(0, 5).Select(_ => new Station("part", agenda, 1, beneath: machine))];
        var done = 0;
        foreach (var part in parts) part.Do(0.001, () => done++);
        agenda.Run(() => false);

        done.ShouldBe(5);
        agenda.Now.ShouldBe(0.003, 1e-12);
        machine.Tally.Worked.ShouldBe(0.005, 1e-12);
        parts.Select(static part => Math.Round(part.Tally.Waits[0], 6)).ShouldBe([0, 0, 0.001, 0.001, 0.002]);
    }

    [Fact]
    public void Long_work_on_shared_processors_lets_others_work_meanwhile()
    {
        var agenda = new Agenda();
        var machine = new Machine(agenda, 1);
        var (issue, claim) = (new Station("issue", agenda, 1, beneath: machine), new Station("claim", agenda, 1, beneath: machine));
        double issued = 0, claimed = 0;
        issue.Do(0.05, () => issued = agenda.Now);
        claim.Do(0.001, () => claimed = agenda.Now);
        agenda.Run(() => false);
        issued.ShouldBe(0.051, 1e-9);
        claimed.ShouldBeLessThan(0.005);
    }

    [Fact]
    public void Work_that_finds_a_station_at_rest_wakes_it_and_work_that_waits_or_follows_at_once_does_not()
    {
        var agenda = new Agenda();
        var station = new Station("station", agenda, 1, wake: 10);
        station.Do(1, () => station.Do(1, static () => { })).ShouldBe(11);
        station.Do(1, static () => { }).ShouldBe(1);
        agenda.Run(() => false);
        station.Tally.Worked.ShouldBe(13);
        agenda.In(1, () => station.Do(1, static () => { }).ShouldBe(11));
        agenda.Run(() => false);
        station.Tally.Worked.ShouldBe(24);
    }

    [Fact]
    public void A_queue_grows_where_work_comes_faster_than_it_is_done_and_from_when_it_does()
    {
        var agenda = new Agenda();
        var station = new Station("station", agenda, 1);
        for (var at = 0; at < 10; at++) agenda.In(at * 0.02, () => station.Do(0.01, static () => { }));
        for (var at = 0; at < 100; at++) agenda.In(1 + (at * 0.01), () => station.Do(0.02, static () => { }));
        agenda.Run(() => false);
        station.Tally.GrowsFrom.ShouldNotBeNull().ShouldBe(1, 1e-9);
        station.Tally.LongestQueue.ShouldBeInRange(48, 51);
    }

    private static Station Busy(int servers, bool constant, double load)
    {
        var random = new Random(4711);
        var agenda = new Agenda();
        var station = new Station("station", agenda, servers);
        var left = Arrivals;
        Come();
        agenda.Run(() => false);
        return station;

        void Come()
        {
            station.Do(constant ? 1 : Exponential(1), static () => { });
            if (--left > 0) agenda.In(Exponential(1 / (load * servers)), Come);
        }

        double Exponential(double mean) => -mean * Math.Log(1 - random.NextDouble());
    }
}
