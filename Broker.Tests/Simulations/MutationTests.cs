using Broker.Core.Ledger;
using LoadTests.FromInside.Mutation;
using Shouldly;
using Xunit;

namespace Broker.Tests.Simulations;

/// <summary>Mutants of the ledger's scripts: which are made, and that a fatal one is noticed; <c>loadtests mutate</c> tries them all.</summary>
public sealed class MutationTests
{
    private const int Seeds = 3;

    // Two tests ask.
    private static readonly Lazy<Reach> Reached = new(static () => Reach.Of(Seeds, jobs: 2));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void A_script_has_exactly_these_mutants()
    {
        const string script =
            """
            -- if a < b then return 1 end
            local text = "not 1 < 2" --[[ or
            3 ]]
            if a <= -10 and not f('x') then
              put(a)
              return math.max(a, [[1]])
            end
            return a - 0
            """;
        Mutator.Make("s.lua", script).Select(mutant => mutant.ToString()).ShouldBe(
        [
            "s.lua:4: a <= -10 and not f('x') -> true",
            "s.lua:4: a <= -10 and not f('x') -> false",
            "s.lua:4: <= -> <",
            "s.lua:4: <= -> >",
            "s.lua:4: 10 -> 11",
            "s.lua:4: and -> or",
            "s.lua:4: not -> nothing",
            "s.lua:5: put(a) -> nothing",
            "s.lua:6: return math.max(a, [[1]]) -> nothing",
            "s.lua:6: max -> min",
            "s.lua:8: - -> +",
            "s.lua:8: 0 -> 1",
        ], ignoreOrder: true);
    }

    [Fact]
    public void A_mutant_differs_in_its_one_place() =>
        Mutator.Make("s.lua", "if a then b() end").Select(mutant => mutant.Apply("if a then b() end"))
            .ShouldBe(["if true then b() end", "if false then b() end", "if a then  end"], ignoreOrder: true);

    [Fact]
    public void Every_script_is_read_to_its_end_and_its_mutants_are_Lua()
    {
        LedgerScripts.Files.Count.ShouldBeGreaterThan(20);
        foreach (var file in LedgerScripts.Files)
        {
            var mutants = Mutator.Make(file, Decision.Read(file));
            // In a single call there is nothing to change.
            if (Decision.Read(file).Split('\n').Count(line => line.Length > 0 && !line.StartsWith("--", StringComparison.Ordinal)) > 1) mutants.ShouldNotBeEmpty();
            mutants.ShouldAllBe(mutant => LedgerScripts.Compiles(mutant));
        }
    }

    [Fact]
    public void The_scripts_as_they_are_survive_and_a_ledger_that_grants_twice_what_is_free_does_not()
    {
        var run = new MutationRun(Reached.Value, tests: null);
        var source = Decision.Read("common.lua");
        const string counted = "b.granted = b.granted + by";
        var at = source.IndexOf(counted, StringComparison.Ordinal);
        var line = source.AsSpan(0, at).Count('\n') + 1;

        Try(counted).Fate.ShouldBe(MutantFate.Survived);
        Try("b.granted = b.granted - by").Fate.ShouldBe(MutantFate.KilledBySimulation);
        Try("while true do end b.granted = b.granted + by").By.ShouldContain("it does not end");
        Try("b.granted = = b.granted + by").Fate.ShouldBe(MutantFate.DidNotCompile);

        MutantResult Try(string instead) => run.Try(new("common.lua", line, line, at, counted, instead), Cancellation);
    }

    [Fact]
    public void Only_worlds_that_run_a_line_are_asked_about_it()
    {
        var reach = Reached.Value;
        var named = Mutator.Make("base.lua", Decision.Read("base.lua")).Where(static mutant => mutant.Line == 6).ToArray();
        named.ShouldNotBeEmpty();
        reach.Broken.Count.ShouldBeLessThan(Seeds);
        named.ShouldAllBe(mutant => reach.WorldsOf(mutant).Count() == Seeds - reach.Broken.Count);
        Mutator.Make("sessions.lua", Decision.Read("sessions.lua")).ShouldAllBe(mutant => !reach.WorldsOf(mutant).Any());
    }
}
