using System.Globalization;
using Spectre.Console;

namespace LoadTests.FromOutside.Bench;

/// <summary>The bench's figures for people.</summary>
internal static class BenchTable
{
    public static void Write(IAnsiConsole console, BenchResult result)
    {
        // A file or a pipe is as wide as it takes.
        if (!console.Profile.Out.IsTerminal) console.Profile.Width = 160;
        console.WriteLine($"{result.Processors} processors, shared by servers and generator; load by {result.Generator}; the broker is {result.Build}.");
        if (result.Targets is { } targets)
        {
            var table = FigureTable.New(console, "", "per second", "to empty", "to auth.", "to agent", "CPU µs", "p50", "p99", "errors");
            foreach (var target in targets)
                table.AddRow(target.Name, Text(target.PerSecond, "#,0"), Text(target.ToEmpty, "0.00"), Text(target.ToAuthenticated, "0.00"), Text(target.ToAgent, "0.00"), Text(target.ProcessorMicroseconds, "0.0"), Milliseconds(target.P50Milliseconds), Milliseconds(target.P99Milliseconds), Text(target.Errors, "0"));
            console.Write(table);
        }

        if (result.VaultAgentSkipped is { } why) console.WriteLine(why);
        foreach (var burst in result.Bursts ?? [])
        {
            var table = FigureTable.New(console, $"{burst.Pods} pods at once, {burst.Replicas} {(burst.Replicas == 1 ? "replica" : "replicas")}, {burst.Rounds} rounds: p99", "to fresh agent", "middle", "least", "most");
            var agent = burst.Rows.FirstOrDefault(row => row.State == Burst.FreshAgent)?.P99Milliseconds;
            foreach (var row in burst.Rows) table.AddRow(row.State, Text(row.P99Milliseconds / agent, "0.00"), Milliseconds(row.P99Milliseconds), Milliseconds(row.Least), Milliseconds(row.Most));
            console.Write(table);
            console.WriteLine($"{burst.Users} database users for {burst.Rounds} bursts without a lease on warm processes; {burst.Errors} errors.");
            foreach (var burstSteps in burst.Steps)
            {
                var steps = FigureTable.New(console, $"{burstSteps.State}: steps (one more round, with spans)", "times", "from", "p50", "p99", "until");
                foreach (var step in burstSteps.Rows) steps.AddRow(step.Step, Text(step.Times, "0"), Milliseconds(step.From), Milliseconds(step.P50Milliseconds), Milliseconds(step.P99Milliseconds), Milliseconds(step.Until));
                console.Write(steps);
            }
        }

        if (result.Fleet is { } fleet) Write(console, fleet);
        if (result.Rollout is { } rollout) WholeRolloutTable.Write(console, rollout);
        foreach (var (rows, beside) in new[] { (result.Fronts, "to native"), (result.Steering, "to one alone"), (result.Fleet?.Claims, "to one alone") })
        {
            if (rows is null) continue;
            var table = FigureTable.New(console, "", "per second", beside, "CPU µs", "p50", "p99", "errors");
            foreach (var row in rows)
                table.AddRow(row.Name, Text(row.PerSecond, "#,0"), Text(row.ToNative, "0.00"), Text(row.ProcessorMicroseconds, "0.0"), Milliseconds(row.P50Milliseconds), Milliseconds(row.P99Milliseconds), Text(row.Errors, "0"));
            console.Write(table);
        }

        if (result.Start is { } start)
        {
            var table = FigureTable.New(console, $"a fresh replica ({start.Starts} starts)", "");
            table.AddRow("ready after", Milliseconds(start.ReadyMilliseconds));
            table.AddRow($"its first {start.Pods} pods at once: p50", Milliseconds(start.BurstP50Milliseconds));
            table.AddRow("p99", Milliseconds(start.BurstP99Milliseconds));
            table.AddRow("slowest of all", Milliseconds(start.BurstMaxMilliseconds));
            table.AddRow("errors", Text(start.Errors, "0"));
            console.Write(table);
        }

        if (result.Holders is { } holders)
        {
            var table = FigureTable.New(console, "holders", "replica", "Redis", "Redis, a holder", "one claim, p50", "claims a second", "to live", "CPU µs", "errors");
            foreach (var row in holders)
                table.AddRow(Text(row.Holders, "#,0"), Text(row.ReplicaMegabytes, "0 MB"), Text(row.RedisMegabytes, "0.0 MB"), Text(row.RedisBytesPerHolder, "0 B"), Milliseconds(row.NewClaimP50Milliseconds), Text(row.AgainPerSecond, "#,0"), Text(row.AgainToLive, "0.00"), Text(row.AgainProcessorMicroseconds, "0.0"), Text(row.Errors, "0"));
            console.Write(table);
        }
    }

    private static void Write(IAnsiConsole console, FleetResult fleet)
    {
        var looks = FigureTable.New(console, $"{fleet.Databases} databases, {fleet.Roles} roles, {Text(fleet.Holders, "#,0")} holders: a look at", "p50", "most", "answer");
        foreach (var look in fleet.Looks) looks.AddRow(look.Path, Milliseconds(look.P50Milliseconds), Milliseconds(look.MostMilliseconds), Text(look.Kilobytes, "#,0 kB"));
        console.Write(looks);
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"The replica has {fleet.ReplicaMegabytes:0} MB, Redis {fleet.RedisMegabytes:0} MB."));
    }

    private static string Milliseconds(double value) => Text(value, "0.00 ms");

    private static string Text(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "–";
}
