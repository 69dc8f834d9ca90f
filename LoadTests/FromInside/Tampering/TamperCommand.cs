using System.CommandLine;
using System.Globalization;
using Spectre.Console;

namespace LoadTests.FromInside.Tampering;

/// <summary><c>loadtests tamper</c>: a hundred thousand manipulations of signed audits.</summary>
internal static class TamperCommand
{
    public static Command Create()
    {
        var count = CommandOptions.Number("--manipulations", "How many", 100_000, 1, 100_000_000);
        var seed = CommandOptions.Number("--seed", "The seed; the same manipulations every time", 1, 0, int.MaxValue);
        var command = new Command("tamper", "Manipulate signed audits at random: each is found, or on the list of what nobody can know. Exit code 1 otherwise.") { count, seed };
        command.SetAction(async (parsed, cancellation) =>
        {
            var scratch = Directory.CreateTempSubdirectory("broker-tamper-").FullName;
            try
            {
                return Print(await TamperRun.RunAsync(parsed.GetValue(count), parsed.GetValue(seed), 500, scratch, cancellation));
            }
            finally
            {
                Directory.Delete(scratch, recursive: true);
            }
        });
        return command;
    }

    private static int Print(TamperResult result)
    {
        var table = new Table().AddColumns("", "manipulations");
        table.AddRow("found", result.Found.ToString("N0", CultureInfo.InvariantCulture));
        foreach (var (why, number) in result.Unknowable) table.AddRow(Markup.Escape(why), number.ToString("N0", CultureInfo.InvariantCulture));
        table.AddRow("missed", result.Missed.Count.ToString("N0", CultureInfo.InvariantCulture));
        AnsiConsole.Write(table);
        foreach (var missed in result.Missed.Take(20)) AnsiConsole.MarkupLineInterpolated($"[red]{missed}[/]");
        return result.Missed.Count == 0 ? 0 : 1;
    }
}
