using System.CommandLine;
using System.Globalization;

namespace LoadTests.FromOutside.Jobs;

/// <summary><c>loadtests jobs</c>: jobs that come and are killed without a word, on few connections.</summary>
internal static class JobsCommand
{
    public static Command Create()
    {
        var jobs = CommandOptions.Number("--jobs", "How many jobs, all at once", 300, 1, 10_000);
        var maxConnections = CommandOptions.Number("--max-connections", "The server's max_connections", 50, 10, 10_000);
        var ceilingPercent = CommandOptions.Number("--ceiling-percent", "Percent of the connections that the broker may promise; the rest is for its own and for other connections", 70, 1, 100);
        var replicas = CommandOptions.Number("--replicas", "Broker processes", 2, 1, 64);
        var lasts = CommandOptions.Duration("--lasts", "How long a job works before it is killed, 30s or more; its holder lives for the same time.", TimeSpan.FromMinutes(1));
        var command = new Command("jobs", "Start many short jobs at once that each open a connection and are killed without releasing it. Exit code 0 only if each was served in time and the database refused none.")
        {
            jobs, maxConnections, ceilingPercent, replicas, lasts,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var each = parsed.GetValue(lasts);
            if (each < TimeSpan.FromSeconds(30))
            {
                await Console.Error.WriteLineAsync("--lasts is less than 30s, which is the shortest lifetime of a holder.");
                return 2;
            }

            var result = await JobsRun.RunAsync(parsed.GetValue(jobs), each, parsed.GetValue(maxConnections), parsed.GetValue(ceilingPercent), parsed.GetValue(replicas), TimeProvider.System, cancellation);
            Console.Out.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{result.Jobs} jobs of {each.TotalSeconds:0} s on max_connections = {parsed.GetValue(maxConnections)}, in {result.Took.TotalSeconds:0} s: {result.Served} served, {result.MostOpen} connections open at most, "
                + $"{result.Refused} refused by the database; there was never room for longer than {result.Idle.TotalSeconds:0.0} s while jobs waited; a free connection was usually taken after {result.Usual.TotalSeconds:0.0} s"));
            foreach (var (code, times) in result.Told.OrderByDescending(one => one.Value)) Console.Out.WriteLine($"  {code}: told {times} times, and asked again");
            foreach (var fault in result.Faults) await Console.Error.WriteLineAsync($"Not as expected: {fault}");
            return result.Faults.Count == 0 ? 0 : 1;
        });
        return command;
    }
}
