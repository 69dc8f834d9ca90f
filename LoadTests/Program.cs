using System.CommandLine;
using LoadTests;
using LoadTests.FromOutside;
using LoadTests.Servers.LocalServers;

// Servers get the time to end in good order when Ctrl-C comes; our own messages are meant for people, without a stack trace.
var invocation = new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(20), EnableDefaultExceptionHandler = false };
try
{
    return await LoadTestCommands.Create(args.FirstOrDefault()).Parse(args).InvokeAsync(invocation);
}
catch (Exception failure) when (failure is ServerStartException or UnexpectedAnswerException)
{
    await Console.Error.WriteLineAsync(failure.Message);
    return 2;
}
catch (OperationCanceledException)
{
    return 130;
}
