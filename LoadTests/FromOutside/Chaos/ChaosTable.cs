using System.Globalization;
using Spectre.Console;

namespace LoadTests.FromOutside.Chaos;

/// <summary>Misfortunes × laws.</summary>
internal static class ChaosTable
{
    public static void Write(IAnsiConsole console, IReadOnlyList<ChaosResult> results)
    {
        var table = new Table().Border(console.Profile.Out.IsTerminal ? TableBorder.Rounded : TableBorder.Markdown).AddColumn("fault").AddColumn("Redis");
        foreach (var law in Verdict.Laws) table.AddColumn(new TableColumn(law).Centered().NoWrap());
        foreach (var figure in new[] { "users", "connections", "granted", "refused", "unanswered", "slowest", "healed", "known" })
            table.AddColumn(new TableColumn(figure).RightAligned().NoWrap());
        foreach (var result in results) table.AddRow([.. Row(result).Select(Markup.Escape)]);
        // A table that is cut to fit says nothing.
        console.Profile.Width = Math.Max(console.Profile.Width, 200);
        console.Write(table);
    }

    private static IEnumerable<string> Row(ChaosResult result)
    {
        yield return result.Fault;
        yield return result.Redis;
        foreach (var law in Verdict.Laws) yield return !result.LookedAt.Contains(law) ? "–" : result.Broken.ContainsKey(law) ? "BROKEN" : "kept";
        yield return $"{result.UsersMade} of {result.UsersPermitted}";
        yield return $"{result.MostConnections} of {result.Ceiling}";
        yield return Text(result.Granted);
        yield return result.Refusals.Count == 0 ? "0" : string.Join('\n', result.Refusals.Select(code => $"{code.Key} {code.Value}"));
        yield return Text(result.Unanswered);
        yield return Seconds(result.SlowestMilliseconds);
        yield return Seconds(result.HealedAfterMilliseconds);
        yield return Seconds(result.KnownAfterMilliseconds);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Seconds(double? milliseconds) => milliseconds is { } some ? (some / 1000).ToString("0.0 s", CultureInfo.InvariantCulture) : "never";
}
