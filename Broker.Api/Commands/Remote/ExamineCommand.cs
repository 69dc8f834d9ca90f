using System.CommandLine;
using Broker.Api.Fronts.Native.Holdings;
using Spectre.Console;

namespace Broker.Api.Commands.Remote;

/// <summary><c>broker examine</c>: exit code 1 when it finds a problem.</summary>
internal static class ExamineCommand
{
    public static Command Create(IAnsiConsole console)
    {
        var database = new Argument<string>("database") { Description = "The database." };
        return new RemoteOptions().Showing(
            new("examine", "Examines how well a database suits users that come and go, and prints what a DBA should know, with the SQL that fixes it. Exit code 1 when something is, or will become, a problem.") { database }, console,
            (broker, result, cancellation) => broker.GetAsync($"api/v1/budgets/{Uri.EscapeDataString(result.GetRequiredValue(database))}/findings", cancellation),
            (FindingsShape found) => Write(console, found), static found => found.Unseen is not null || found.Findings.Any(static finding => finding.Kind != "notice"));
    }

    private static void Write(IAnsiConsole console, FindingsShape found)
    {
        var to = console.Profile.Out.Writer;
        foreach (var finding in found.Findings)
        {
            to.WriteLine($"{finding.Kind}: {finding.Title}");
            to.WriteLine($"  {finding.Words}");
            foreach (var line in (finding.Sql ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries)) to.WriteLine($"    {line}");
            to.WriteLine();
        }

        if (found.Unseen is { } why) to.WriteLine($"{found.Database} could not be examined: {why}");
        else if (found.Findings.Count == 0) to.WriteLine($"Nothing found in {found.Database}.");
    }
}
