using System.CommandLine;
using System.Globalization;

namespace LoadTests.FromInside.Crash;

/// <summary><c>loadtests crash</c>: kills a process that works on a ledger's file, again and again, and looks at what is in the file.</summary>
internal static class CrashCommand
{
    public static Command Create()
    {
        var kills = CommandOptions.Number("--kills", "How often", 100, 1, 1_000_000);
        var seed = CommandOptions.Number("--seed", "The seed of the moments", 1, 0, int.MaxValue);
        var within = CommandOptions.Number("--within", "The longest time between two kills, in milliseconds of work", 400, 1, 60_000);
        var atWrites = new Option<bool>("--at-writes") { Description = "Kill it at its first write to the file, then at its second, and so on (with strace), rather than at random moments." };
        var work = new Option<string?>("--work-on") { Description = "Work on this file until killed, and say what was answered.", Hidden = true };
        var command = new Command("crash", "Kill (SIGKILL) a process that claims and releases on a ledger's file at random moments: what was answered is in the file, or the exit code is 1.")
        {
            kills, seed, within, atWrites, work,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            if (parsed.GetValue(work) is { } file)
            {
                await CrashWorker.WorkAsync(file, Console.Out, cancellation);
                return 0;
            }

            var result = await CrashRun.RunAsync(parsed.GetValue(kills), parsed.GetValue(seed), TimeSpan.FromMilliseconds(parsed.GetValue(within)), parsed.GetValue(atWrites), cancellation);
            foreach (var wrong in result.Wrong.Take(20)) Console.Out.WriteLine(wrong);
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{result.Kills} kills ({result.AmidWrite} while the file was being written): {result.Granted:n0} grants and {result.Released:n0} releases were answered, {result.Wrong.Count} are not in the file as they were answered"));
            return result.Wrong.Count == 0 ? 0 : 1;
        });
        return command;
    }
}
