using Broker.Core.Budgets;
using Broker.Tests.Ledger;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Budgets;

/// <summary>What a forecast says of a ledger is what then happens on it, with guarantees, and with holders that give connections back.</summary>
public sealed class ForecastComesTrueTests
{
    private const int Situations = 1000;
    private const int AtOnce = 5; // on one ledger, which is copied whole for each rollout

    [Fact]
    public async Task In_a_thousand_situations_as_many_pods_are_served_as_it_said_with_the_pools_it_said_and_when_it_said()
    {
        var (fit, givenBack, missing, later) = (0, 0, 0, 0);
        for (var first = 0; first < Situations; first += AtOnce)
        {
            var clock = new FakeTimeProvider(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
            await using var store = TestedScripts.Open(clock);
            for (var seed = first; seed < first + AtOnce; seed++)
            {
                var world = new BreathingWorld(store, clock, seed);
                await world.LiveAsync();
                await world.StillAsync();
                var random = new Random(seed);
                var role = random.Next(4) == 0 ? "another" : world.Parties[random.Next(world.Parties.Count)].Name;
                var rollout = new PlannedRollout(random.Next(1, 12), random.Next(1, 8), random.Next(0, 4));
                var there = await world.HoldersAsync();
                var guaranteed = world.Parties.ToDictionary(party => party.Name, party => party.Guaranteed, StringComparer.Ordinal);
                var said = Forecast.Of(rollout, role, await world.CapacityAsync(), [.. there.Select(one => one.Holder)], guaranteed);
                var all = rollout.Pods + rollout.Surge;
                var what = $"{seed}: {role}, {rollout}, {said}";

                (await world.RollOutAsync(role, all, rollout.ConnectionsPerPod, waits: false)).ShouldBe(said.PodsAtOnce, what);
                (await world.RollOutAsync(role, all, rollout.ConnectionsPerPod, waits: true)).ShouldBe(said.PodsThatFit, what);
                said.Fits.ShouldBe(said.PodsThatFit == all);
                (said.GivenBack > 0 && said.Fits).ShouldBe(said.Fits && said.PodsAtOnce < all);
                if (said.PoolSizeThatFits > 0) (await world.RollOutAsync(role, all, said.PoolSizeThatFits, waits: true)).ShouldBe(all, what);
                (await world.RollOutAsync(role, all, said.PoolSizeThatFits + 1, waits: true)).ShouldBeLessThan(all, what);
                if (!said.Fits) missing++;
                else if (said.GivenBack > 0) givenBack++;
                else fit++;
                if (said.EnoughFreeIn is not { } wait) continue;

                later++;
                (await world.RollOutAsync(role, all, rollout.ConnectionsPerPod, waits: true, Until(wait))).ShouldBe(all, what);
                (await world.RollOutAsync(role, all, rollout.ConnectionsPerPod, waits: true, Until(wait - TimeSpan.FromTicks(1)))).ShouldBeLessThan(all, what);

                IEnumerable<string> Until(TimeSpan end) => there.Where(one => one.Holder.EndsIn <= end).Select(one => one.Id);
            }
        }

        (fit > 50, givenBack > 50, missing > 50, later > 50).ShouldBe((true, true, true, true), $"the situations are of all kinds: {fit}, {givenBack}, {missing}, {later}");
    }
}
