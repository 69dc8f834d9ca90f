using System.CommandLine;
using LoadTests.Bench;
using LoadTests.Chaos;
using LoadTests.Chaos.Drill;
using LoadTests.Conformance;
using LoadTests.Crash;
using LoadTests.Demo;
using LoadTests.Fuzz;
using LoadTests.Identity;
using LoadTests.Jobs;
using LoadTests.Mutation;
using LoadTests.Rollouts;
using LoadTests.Servers;
using LoadTests.Simulation;
using LoadTests.Tampering;
using LoadTests.Upgrades;

namespace LoadTests;

/// <summary>The command line: first what looks at a broker from outside; what looks inside it is not listed in the help.</summary>
internal static class LoadTestCommands
{
    /// <summary>Makes it.</summary>
    public static RootCommand Create()
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
            command.Hidden = true;
            root.Add(command);
        }

        return root;
    }
}
