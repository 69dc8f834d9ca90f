using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using LoadTests.FromInside.Mutation;

namespace Broker.Tests.Ledger;

/// <summary>In-process ledgers for tests, which run a mutant when <c>loadtests mutate</c> names one: to see whether a test notices.</summary>
internal static class TestedScripts
{
    private static readonly Func<Decision, string>? Mutated =
        Environment.GetEnvironmentVariable(TestKiller.MutantVariable) is { Length: > 0 } file ? LedgerScripts.With(Path.GetFileName(file), File.ReadAllText(file)) : null;

    public static InProcessLedgerStore Open(TimeProvider time) => new(publish => new Keyspace(time, publish), Mutated);
}
