using System.Collections.Concurrent;
using LoadTests.FromInside.Simulation;
using Shouldly;
using Xunit;

namespace Broker.Tests.Simulations;

/// <summary>A hostile writer puts arbitrary values into the replicas' Redis and gains nothing (law L14); <c>loadtests simulate --hostile</c> runs many more.</summary>
public sealed class HostileWriterTests
{
#if MUTANTS || MUTANTSLEASES
    private const int Count = 2; // once for each mutant
#else
    private const int Count = 15;
#endif

    // What came of a seed's world: two tests ask.
    private static readonly ConcurrentDictionary<long, Lazy<(Broken? Broken, int Users)>> Worlds = new();

    public static TheoryData<long> Seeds { get; } = new(Enumerable.Range(1, Count).Select(static seed => (long)seed));

    // Seeds whose worlds differed from run to run while the replicas' names in the ledger, and sessions', were random.
    [Theory]
    [InlineData(62000020)]
    [InlineData(62000039)]
    public void The_same_seed_gives_the_same_world_to_the_last_step(long seed) =>
        Simulation.Run(PlanMaker.MakeHostile(seed), keepTrace: true).Lines.ShouldBe(Simulation.Run(PlanMaker.MakeHostile(seed), keepTrace: true).Lines);

    [Theory]
    [MemberData(nameof(Seeds))]
    public void L14_Whoever_writes_into_Redis_gets_nothing_by_it(long seed) => WorldOf(seed).Broken.ShouldBeNull();

    [Fact]
    public void L14_A_seal_that_binds_a_text_to_nothing_is_noticed() =>
        Enumerable.Range(1, 20).Select(seed => Simulation.Run(PlanMaker.MakeHostile(seed), keepTrace: false, static world => world.Seal.BindsNothing = true))
            .ShouldContain(result => result.Broken != null && result.Broken.Law == "L14");

    [Fact]
    public void L14_A_ceiling_that_is_sealed_for_no_database_is_noticed() => ShouldBeNoticed("ceiling", static world => world.Seal.BindsNothing = true);

    [Fact]
    public void L14_A_key_ring_whose_codes_others_can_make_is_noticed() => ShouldBeNoticed("sealing key", static world => world.Ledger.ForgesCodes = true);

    // Of all that is wrong then, what is looked for here is found among others' findings.
    private static void ShouldBeNoticed(string what, Action<World> sabotage) =>
        Enumerable.Range(1, 40).Select(seed => Simulation.Run(PlanMaker.MakeHostile(seed), keepTrace: false, sabotage, past: ["login", "session", "token"]))
            .ShouldContain(result => result.Broken != null && result.Broken.Law == "L14" && result.Broken.What.Contains(what, StringComparison.Ordinal));

    [Fact]
    public void Worlds_in_which_nothing_is_issued_any_more_would_prove_nothing() =>
        Enumerable.Range(1, 5).Sum(static seed => WorldOf(seed).Users).ShouldBeGreaterThan(5);

    private static (Broken? Broken, int Users) WorldOf(long seed) => Worlds.GetOrAdd(seed, static it => new(() =>
    {
        var result = Simulation.Run(PlanMaker.MakeHostile(it), keepTrace: false);
        return (result.Broken, result.Users);
    })).Value;
}
