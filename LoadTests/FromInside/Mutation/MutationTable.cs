using System.Globalization;
using System.Text.Json;
using Spectre.Console;

namespace LoadTests.FromInside.Mutation;

/// <summary>What came of a run: a script a row, then who survived.</summary>
internal static class MutationTable
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    public static void Write(IAnsiConsole console, IReadOnlyList<MutantResult> results)
    {
        var table = new Table().Border(console.Profile.Out.IsTerminal ? TableBorder.Rounded : TableBorder.Markdown).AddColumn("script");
        foreach (var figure in new[] { "mutants", "killed by simulation", "killed by tests", "survived", "of these not reached", "did not compile", "score" })
            table.AddColumn(new TableColumn(figure).RightAligned());
        foreach (var script in results.GroupBy(result => result.Mutant.File).OrderBy(script => script.Key, StringComparer.Ordinal)) table.AddRow(Row(script.Key, [.. script]));
        table.AddRow(Row("all", results));
        console.Profile.Width = Math.Max(console.Profile.Width, 120);
        console.Write(table);
        foreach (var result in results.Where(Survives)) console.Profile.Out.Writer.WriteLine($"{result.Mutant}{(result.Fate == MutantFate.NotReached ? " (no world runs it)" : "")}");
    }

    public static string ToJson(IReadOnlyList<MutantResult> results) => JsonSerializer.Serialize(results, Indented);

    private static string[] Row(string name, IReadOnlyList<MutantResult> results)
    {
        int Count(params MutantFate[] fates) => results.Count(result => fates.Contains(result.Fate));
        var killed = Count(MutantFate.KilledBySimulation, MutantFate.KilledByTests);
        var survived = results.Count(Survives);
        return
        [
            name, Text(results.Count), Text(Count(MutantFate.KilledBySimulation)), Text(Count(MutantFate.KilledByTests)), Text(survived), Text(Count(MutantFate.NotReached)),
            Text(Count(MutantFate.DidNotCompile)), killed + survived == 0 ? "–" : string.Create(CultureInfo.InvariantCulture, $"{100.0 * killed / (killed + survived):0} %"),
        ];
    }

    private static bool Survives(MutantResult result) => result.Fate is MutantFate.Survived or MutantFate.NotReached;

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
