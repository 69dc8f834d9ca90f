using System.Globalization;
using Spectre.Console;

namespace LoadTests.FromOutside.Rollouts;

/// <summary>One table of one or more runs, a column each.</summary>
internal static class ResultTable
{
    public static void Write(IAnsiConsole console, string title, params (string Heading, RolloutResult Result)[] runs)
    {
        var table = FigureTable.New(console, "", [.. runs.Select(run => Markup.Escape(run.Heading))]).Title(Markup.Escape(title));
        foreach (var (name, value) in Rows)
        {
            var values = runs.Select(run => value(run.Result)).ToList();
            if (values.Exists(text => text is not null))
                table.AddRow([Markup.Escape(name), .. values.Select(text => Markup.Escape(text ?? "–"))]);
        }

        console.Write(table);
    }

    private static readonly IReadOnlyList<(string Name, Func<RolloutResult, string?> Value)> Rows =
    [
        ("database users created", result => Number(result.UsersCreated)),
        ("pods at work", result => $"{result.PodsAtWork} of {result.Pods}"),
        ("connections opened", result => Number(result.ConnectionsOpened)),
        ("connections refused by the database", result => Number(result.ConnectionsRefused)),
        ("most connections at once", result => result.MostConnectionsAtOnce is { } most ? $"{most} of {result.DatabaseLimit}" : null),
        ("refused by the broker", result => result.Refusals.Count == 0 ? result.Via == Via.Broker ? "0" : null : string.Join('\n', result.Refusals.Select(refusal => $"{refusal.Key} {refusal.Value}"))),
        ("told to come back after", result => result.ShortestRetryAfterSeconds is { } shortest ? Range(shortest, result.LongestRetryAfterSeconds!.Value) : null),
        ("came back in vain", result => result.CameBackInVain > 0 ? Number(result.CameBackInVain) : null),
        ("most returns of one pod", result => result.MostReturns > 0 ? Number(result.MostReturns) : null),
        ("the last pod's first query after", result => Milliseconds(result.LastFirstQueryMilliseconds)),
        ("credentials, p50", result => Milliseconds(result.CredentialsP50Milliseconds)),
        ("credentials, p99", result => Milliseconds(result.CredentialsP99Milliseconds)),
    ];

    private static string? Number(int? value) => value?.ToString(CultureInfo.InvariantCulture);

    private static string? Milliseconds(double? value) => value?.ToString("0 ms", CultureInfo.InvariantCulture);

    private static string Range(double shortest, double longest) => shortest == longest
        ? shortest.ToString("0.# s", CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"{shortest:0.#}–{longest:0.#} s");
}
