using System.Globalization;
using LoadTests.FromInside.Capacity;
using Spectre.Console;

namespace LoadTests.FromOutside.Bench;

/// <summary>The capacity model held against real rollouts, for people.</summary>
internal static class WholeRolloutTable
{
    public static void Write(IAnsiConsole console, WholeRolloutResult result)
    {
        var times = FigureTable.New(console, "service time", "µs", "how");
        foreach (var (name, time) in result.Times.All()) times.AddRow(name, Text($"{time.Microseconds:#,0.0}"), time.From);
        console.Write(times);

        var slot = FigureTable.New(console, "one database's slot: claims in a decision", "new holders a second", "Redis µs each", "one thread carries", "asking again a second", "Redis µs each", "one thread carries");
        foreach (var row in result.HotSlot)
            slot.AddRow(
                Text($"{row.Batch}"), Text($"{row.NewPerSecond:#,0}"), Text($"{row.NewMicroseconds:0.0}"), Text($"{1e6 / row.NewMicroseconds:#,0}"), Text($"{row.AgainPerSecond:#,0}"), Text($"{row.AgainMicroseconds:0.0}"),
                Text($"{1e6 / row.AgainMicroseconds:#,0}"));
        console.Write(slot);

        foreach (var run in result.Runs)
        {
            var table = FigureTable.New(console, Text($"{run.Pods:#,0} pods of {run.Databases} databases within {run.WithinSeconds:0} s, {run.Replicas} replicas"), "the model", "seen", "seen to the model");
            foreach (var figure in run.Figures) table.AddRow(figure.Name, Text($"{figure.Model:#,0.00}"), Text($"{figure.Seen:#,0.00}"), figure.Model > 0 ? Text($"{figure.SeenToModel:0.00}") : "–");
            console.Write(table);
            console.WriteLine(Text($"{run.Errors} pods were not granted anything. The model: {run.Model}"));
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
