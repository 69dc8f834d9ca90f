using Broker.Core.Ledger;
using LoadTests.FromInside.Mutation;
using LoadTests.FromInside.Simulation;
using Shouldly;
using Xunit;

namespace Broker.Tests.Simulations;

/// <summary>Claims of holders that ask again are answered by <c>repeated.lua</c>, before the rest of the decision.</summary>
public class RepeatedClaimsTests
{
    private const string File = "repeated.lua";
    private const string Guard = "if heard <= ";

    [Fact]
    public void A_batch_of_repeated_claims_is_answered_as_the_rest_of_the_decision_would_answer_it()
    {
        var longWay = Instead("if false and heard <= ");
        var taken = LedgerScripts.With(File, Decision.Read(File).Replace("then return answer{", "then error('taken') return answer{", StringComparison.Ordinal));
        var asking = new List<int>();

        foreach (var seed in (int[])[1, 3, 6, 9])
        {
            var plan = PlanMaker.Make(seed);
            var fingerprint = Simulation.Run(plan, keepTrace: false).Fingerprint;
            Simulation.Run(plan, keepTrace: false, scripts: longWay).Fingerprint.ShouldBe(fingerprint, $"seed {seed}");
            if (IsTaken(plan, fingerprint)) asking.Add(seed);
        }

        asking.Count.ShouldBeGreaterThan(1, "worlds in which nobody asks again prove nothing");

        bool IsTaken(Plan plan, string fingerprint)
        {
            try
            {
                return Simulation.Run(plan, keepTrace: false, scripts: taken).Fingerprint != fingerprint;
            }
            catch (Exception e) when (e.Message.Contains("taken", StringComparison.Ordinal))
            {
                return true;
            }
        }
    }

    private static Func<Decision, string> Instead(string guard)
    {
        var text = Decision.Read(File);
        text.ShouldContain(Guard);
        return LedgerScripts.With(File, text.Replace(Guard, guard, StringComparison.Ordinal));
    }
}
