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

    /// <summary>Worlds whose ledger loses nothing, and worlds whose ledger does.</summary>
    public static TheoryData<long> Seeds { get; } = new(SeedsOf(LosesNothing, Count).Concat(SeedsOf(static seed => !LosesNothing(seed), CountOfLosses)));

    [Theory]
    [MemberData(nameof(Seeds))]
    public void No_law_is_broken(long seed) => Simulation.Run(PlanMaker.Make(seed), keepTrace: false).Broken.ShouldBeNull();

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
    public void No_law_is_broken_again(long seed) => Simulation.Run(PlanMaker.Make(seed), keepTrace: false).Broken.ShouldBeNull();

    [Fact]
    public void Worlds_in_which_nothing_is_issued_would_prove_nothing() =>
        Enumerable.Range(1, 5).Sum(static seed => Simulation.Run(PlanMaker.Make(seed), keepTrace: false).Users).ShouldBeGreaterThan(5);

    private static IEnumerable<long> SeedsOf(Func<long, bool> kind, int count) => Enumerable.Range(1, 1000).Select(static seed => (long)seed).Where(kind).Take(count);

    private static bool LosesNothing(long seed) => PlanMaker.Make(seed).Steps.OfType<FaultStep>()
        .All(fault => fault.Kind is < FaultKind.LedgerReturnsEmpty and not (FaultKind.LedgerIsEmptied or FaultKind.LedgerFailsOver));
}
