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
using LoadTests.LocalServers;
using LoadTests.Mutation;
using LoadTests.Rollouts;
using LoadTests.Servers;
using LoadTests.Simulation;
using LoadTests.Tampering;
using LoadTests.Upgrades;

var root = new RootCommand("Runs real rollouts against the broker, and the servers they need.")
{
    RolloutCommand.Create(),
    DemoCommand.Create(),
    ServersCommand.Create(),
    IdentityCommand.Create(),
    FuzzCommand.Create(),
    BenchCommand.Create(),
    Yardstick.CreateCommand(),
    SimulateCommand.Create(),
    MutateCommand.Create(),
    ChaosCommand.Create(),
    DrillCommand.Create(),
    ConformanceCommand.Create(),
    TamperCommand.Create(),
    CrashCommand.Create(),
    JobsCommand.Create(),
    RecordLedgerCommand.Create(),
};
// Servers get the time to end in good order when Ctrl-C comes; our own messages are meant for people, without a stack trace.
var invocation = new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(20), EnableDefaultExceptionHandler = false };
try
{
    return await root.Parse(args).InvokeAsync(invocation);
}
catch (ServerStartException failure)
{
    await Console.Error.WriteLineAsync(failure.Message);
    return 2;
}
catch (OperationCanceledException)
{
    return 130;
}
