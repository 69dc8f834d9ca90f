using System.Collections.Concurrent;
using Broker.Core.Ledger;
using LoadTests.FromInside.Mutation;
using LoadTests.FromInside.Simulation;
using Shouldly;
using Xunit;

namespace Broker.Tests.Simulations;

/// <summary>The laws in simulated worlds full of failures; <c>loadtests simulate</c> runs many more of them.</summary>
public sealed class SeedTests
{
#if MUTANTS || MUTANTSLEASES
    private const int Count = 12; // once for each mutant
    private const int CountOfLosses = 4;
#else
    private const int Count = 30;
    private const int CountOfLosses = 20;
#endif

    // What came of a seed's world: two tests ask.
    private static readonly ConcurrentDictionary<long, Lazy<(Broken? Broken, int Users)>> Worlds = new();

    /// <summary>Worlds whose ledger loses nothing, and worlds whose ledger does.</summary>
    public static TheoryData<long> Seeds { get; } = new(SeedsOf(LosesNothing, Count).Concat(SeedsOf(static seed => !LosesNothing(seed), CountOfLosses)));

    [Theory]
    [MemberData(nameof(Seeds))]
    public void No_law_is_broken(long seed) => WorldOf(seed).Broken.ShouldBeNull();

    // Each broke a law once, by a fault of the product.
    [Theory]
    [InlineData(62001128)]
    [InlineData(62001137)]
    [InlineData(62001986)]
    [InlineData(62001978)]
    [InlineData(62005699)]
    [InlineData(60006809)]
    [InlineData(60008738)]
    [InlineData(60005607)]
    [InlineData(62002061)]
    [InlineData(62003379)]
    [InlineData(60002207)]
    [InlineData(60008137)]
    [InlineData(60001752)]
    [InlineData(60002339)]
    [InlineData(62004608)]
    [InlineData(62000478)]
    [InlineData(62002607)]
    [InlineData(60006810)]
    [InlineData(60002850)]
    [InlineData(62005232)]
    [InlineData(64021998)]
    [InlineData(64021543)]
    [InlineData(64022163)]
    [InlineData(64020622)]
    [InlineData(64030802)]
    [InlineData(64031421)]
    [InlineData(64031834)]
    [InlineData(64032618)]
    [InlineData(66001016)]
    public void No_law_is_broken_again(long seed) => Simulation.Run(PlanMaker.Make(seed), keepTrace: false).Broken.ShouldBeNull();

#if !MUTANTS && !MUTANTSLEASES
    [Theory]
    [InlineData(66000000)]
    [InlineData(66000004)]
    [InlineData(66000007)]
    [InlineData(66000011)]
    [InlineData(66000012)]
    public void L2_No_law_is_broken_where_a_server_has_two_databases(long seed)
    {
        var plan = PlanMaker.MakeShared(seed);

        plan.Scene.Roles.Select(static role => role.Database).Distinct().Count().ShouldBe(plan.IsHostile ? 1 : 2);
        Simulation.Run(plan, keepTrace: false).Broken.ShouldBeNull();
    }

    [Fact]
    public void L2_Databases_of_a_server_that_do_not_count_one_another_are_noticed()
    {
        const string Counts = "s.others = s.others + num(granted) + num(ended)";
        var common = Decision.Read("common.lua");
        common.ShouldContain(Counts);
        var scripts = LedgerScripts.With("common.lua", common.Replace(Counts, "s.others = 0", StringComparison.Ordinal));

        var broken = Enumerable.Range(1, 60).Select(seed => Simulation.Run(PlanMaker.MakeShared(seed), keepTrace: false, scripts: scripts).Broken).First(static one => one is not null);
        broken!.Law.ShouldBe("L2");
        broken.What.ShouldContain("server");
    }
#endif

    [Fact]
    public void Seeds_from_before_a_server_had_two_databases_are_the_worlds_that_they_were() =>
        Enumerable.Range(0, 200).ShouldAllBe(static back => PlanMaker.Make(SharedServer.FirstSeed - 1 - back).Scene.Beside == null);

    [Fact]
    public void Worlds_in_which_nothing_is_issued_would_prove_nothing() =>
        Enumerable.Range(1, 5).Sum(static seed => WorldOf(seed).Users).ShouldBeGreaterThan(5);

    private static (Broken? Broken, int Users) WorldOf(long seed) => Worlds.GetOrAdd(seed, static it => new(() =>
    {
        var result = Simulation.Run(PlanMaker.Make(it), keepTrace: false);
        return (result.Broken, result.Users);
    })).Value;

    private static IEnumerable<long> SeedsOf(Func<long, bool> kind, int count) => Enumerable.Range(1, 1000).Select(static seed => (long)seed).Where(kind).Take(count);

    private static bool LosesNothing(long seed) => PlanMaker.Make(seed).Steps.OfType<FaultStep>()
        .All(fault => fault.Kind is < FaultKind.LedgerReturnsEmpty and not (FaultKind.LedgerIsEmptied or FaultKind.LedgerFailsOver));
}
