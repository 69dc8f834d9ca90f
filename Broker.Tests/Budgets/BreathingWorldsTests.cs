using System.Globalization;
using Broker.Core.Ledger;
using Broker.Tests.Ledger;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Budgets;

/// <summary>
/// Random worlds of roles that come, grow, go down and leave on one database: never more than may be promised, nobody below what it
/// cannot do without or what is guaranteed to it, and fair when nothing happens any more.
/// </summary>
public sealed class BreathingWorldsTests
{
    private const int AtOnce = 250; // on one ledger

    // A thousand with every run of the tests; ten thousand, or as many as one likes, when asked (docs/budgets.md).
    private static readonly int Worlds = int.TryParse(Environment.GetEnvironmentVariable("BROKER_WORLDS"), CultureInfo.InvariantCulture, out var asked) ? asked : 1_000;

    [Fact]
    public async Task L2_Random_worlds_are_never_over_never_starved_and_fair_at_rest()
    {
        for (var first = 0; first < Worlds; first += AtOnce)
        {
            var clock = new FakeTimeProvider(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
            await using var store = TestedScripts.Open(clock);
            for (var seed = first; seed < first + AtOnce; seed++)
            {
                var world = new BreathingWorld(store, clock, seed);
                await world.LiveAsync();
                await world.RestAsync();
                world.ShouldBeFair();
            }
        }
    }

    [Fact]
    public async Task A_small_team_has_its_guarantee_at_once_and_its_fair_part_as_soon_as_the_greedy_one_goes_down()
    {
        var clock = new FakeTimeProvider(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
        await using var store = TestedScripts.Open(clock);
        var world = new BreathingWorld(store, clock, capacity: 60, [new("greedy", 1, 0, 0), new("small", 1, 10, 0)]);
        await world.BeginAsync();
        for (var pod = 0; pod < 5; pod++) await world.ComeAsync("greedy", 1, 50, follows: true);
        await world.StillAsync();
        await world.RestAsync();
        world.Held("greedy").ShouldBe(50, "what is guaranteed to others is kept");

        (await world.ComeAsync("small", 5, 5, follows: true)).ShouldBe(5);
        (await world.ComeAsync("small", 5, 5, follows: true)).ShouldBe(5);
        (await world.ComeAsync("small", 10, 10, follows: true)).ShouldBe(0, "it has its guarantee, and more has to be given back first");
        await world.ConfirmAllAsync();
        (await world.ComeAsync("small", 10, 10, follows: true)).ShouldBe(10, "without a moment's waiting");
        world.Held("greedy").ShouldBe(40);
    }
}
