using System.CommandLine;
using LoadTests.FromInside.Crash;
using LoadTests.FromInside.Mutation;
using LoadTests.FromInside.Simulation;
using LoadTests.FromInside.Tampering;
using LoadTests.FromInside.Upgrades;
using LoadTests.FromOutside.Bench;
using LoadTests.FromOutside.Chaos;
using LoadTests.FromOutside.Chaos.Drill;
using LoadTests.FromOutside.Conformance;
using LoadTests.FromOutside.Demo;
using LoadTests.FromOutside.Fuzz;
using LoadTests.FromOutside.Jobs;
using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers;
using LoadTests.Servers.Identity;

namespace LoadTests;

/// <summary>The command line: first what looks at a broker from outside; what looks inside it is not listed in the help.</summary>
internal static class LoadTestCommands
{
    /// <summary>Makes it.</summary>
    /// <param name="asked">The command that is asked for, whose own help is printed though the list leaves it out; or null.</param>
    public static RootCommand Create(string? asked = null)
    {
        var root = new RootCommand(
            "Load tests of a broker: real pods, real connections, real failures. Where no address of a running broker is given, one is started on loopback with the servers it needs. "
            + "Not listed here, because they look inside: simulate, mutate, tamper, crash (docs/simulation.md), record-ledger, and the parts that tests and demo start: servers, identity, yardstick.")
        {
            RolloutCommand.Create(),
            JobsCommand.Create(),
            BenchCommand.Create(),
            ChaosCommand.Create(),
            DrillCommand.Create(),
            FuzzCommand.Create(),
            ConformanceCommand.Create(),
            DemoCommand.Create(),
        };
        foreach (var command in new[] { SimulateCommand.Create(), MutateCommand.Create(), TamperCommand.Create(), CrashCommand.Create(), ServersCommand.Create(), IdentityCommand.Create(), Yardstick.CreateCommand(), RecordLedgerCommand.Create() })
        {
            command.Hidden = command.Name != asked;
            root.Add(command);
        }

        return root;
    }
}
