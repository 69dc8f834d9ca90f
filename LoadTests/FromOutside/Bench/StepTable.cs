namespace LoadTests.FromOutside.Bench;

/// <summary>One step of a burst, over all its pods: how often, how long, and from when to when since the first request came.</summary>
internal sealed record StepRow(string Step, int Times, double From, double P50Milliseconds, double P99Milliseconds, double Until);

/// <summary>Where a burst's time goes, from the spans of the brokers that served it.</summary>
internal static class StepTable
{
    /// <summary>The web server's span of a whole request.</summary>
    public const string Request = "POST /api/v1/roles/{role}/credentials";

    public static IReadOnlyList<StepRow> Of(IReadOnlyList<ReceivedSpan> spans)
    {
        var requests = spans.Where(span => span.Name == Request).ToArray();
        var (first, last) = (requests.Min(span => span.Start), requests.Max(span => span.End));
        return
        [
            .. spans.Where(span => span.Start >= first && span.End <= last && (span.Name == Request || span.Name.Split('.')[0] is "request" or "claim" or "claims" or "issue"))
                .GroupBy(span => span.Name)
                .OrderBy(step => step.Min(span => span.Start))
                .Select(step =>
                {
                    var sorted = step.Select(span => (span.End - span.Start) / 1e6).Order().ToArray();
                    return new StepRow(
                        step.Key, sorted.Length, (step.Min(span => span.Start) - first) / 1e6, sorted[sorted.Length / 2], sorted[(int)Math.Ceiling(sorted.Length * 0.99) - 1],
                        (step.Max(span => span.End) - first) / 1e6);
                }),
        ];
    }
}
