using System.Globalization;
using System.Text;
using System.Text.Json;

namespace LoadTests.FromOutside.Chaos.Drill;

/// <summary>What came of a drill: as JSON for the broker's indicator (<c>Broker:Drill:ReportFile</c>), as a page for people.</summary>
/// <param name="StartedAt">When it began.</param>
/// <param name="EndedAt">When it ended.</param>
/// <param name="Passed">Whether no caller was locked out, and no law broken.</param>
/// <param name="Parts">What was lost, one after the other.</param>
internal sealed record DrillReport(DateTimeOffset StartedAt, DateTimeOffset EndedAt, bool Passed, IReadOnlyList<DrillPart> Parts)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { WriteIndented = true };

    public static DrillReport Of(DateTimeOffset startedAt, DateTimeOffset endedAt, IReadOnlyList<ChaosResult> results)
    {
        DrillPart[] parts = [.. results.Select(DrillPart.Of)];
        return new(startedAt, endedAt, Array.TrueForAll(parts, static part => part.Passed), parts);
    }

    public string ToJson() => JsonSerializer.Serialize(this, Json);

    public string ToMarkdown()
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"# Recovery drill of {EndedAt:yyyy-MM-dd HH:mm} UTC: {(Passed ? "passed" : "FAILED")}\n\n");
        text.Append(CultureInfo.InvariantCulture, $"It took {(EndedAt - StartedAt).TotalMinutes:0.0} minutes. Pods were at work all the time, claiming, renewing, querying and leaving.\n\n");
        text.Append("| lost and brought back | outcome | every replica grants again after | users known again after | queries | grants and renewals | refused meanwhile |\n|---|---|---|---|---|---|---|\n");
        foreach (var part in Parts)
        {
            text.Append(CultureInfo.InvariantCulture,
                $"| {part.What} | {(part.Passed ? "passed" : string.Join("; ", part.Broken))} | {Seconds(part.HealedAfterSeconds)} | {Seconds(part.KnownAfterSeconds)} | {part.Queries:n0} | {part.Granted:n0} | {(part.Refused.Count == 0 ? "nobody" : string.Join(", ", part.Refused.Select(static one => $"{one.Key} {one.Value}")))} |\n");
        }

        return text.ToString();

        static string Seconds(double? value) => value is { } seconds ? string.Create(CultureInfo.InvariantCulture, $"{seconds:0.0} s") : "never";
    }
}

/// <summary>One thing that was lost and brought back.</summary>
/// <param name="Name">Its name.</param>
/// <param name="What">What happened.</param>
/// <param name="Passed">Whether all pods were served again in time, and no law broken.</param>
/// <param name="Broken">What broke.</param>
/// <param name="HealedAfterSeconds">From when it was brought back until every replica had granted something; null: it did not come to that.</param>
/// <param name="KnownAfterSeconds">From the last pod until each database user was one that the ledger knows; null likewise.</param>
/// <param name="Queries">Queries that pods ran.</param>
/// <param name="Granted">Calls of pods that were done as asked.</param>
/// <param name="Refused">Refusals that told pods to come back, by code.</param>
internal sealed record DrillPart(
    string Name, string What, bool Passed, IReadOnlyList<string> Broken, double? HealedAfterSeconds, double? KnownAfterSeconds, int Queries, int Granted, IReadOnlyDictionary<string, int> Refused)
{
    public static DrillPart Of(ChaosResult result) => new(
        result.Fault, result.What, result.Broken.Count == 0, [.. result.Broken.Select(static law => $"{law.Key}: {law.Value}")], result.HealedAfterMilliseconds / 1000,
        result.KnownAfterMilliseconds / 1000, result.Queries, result.Granted, result.Refusals);
}
