using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Shouldly;
using Xunit;

namespace Broker.Tests.Endpoints;

/// <summary>What a broker writes of claims where nobody configures its log or its metrics.</summary>
public sealed partial class AsShippedTests(RunningBroker broker)
{
    [Fact]
    public async Task The_log_has_no_line_for_a_claim_and_one_for_a_refusal_and_none_of_the_framework()
    {
        var (granted, refused) = (Guid.NewGuid().ToString("N"), Guid.NewGuid().ToString("N"));
        using var pod = await broker.PodAsync();
        pod.DefaultRequestHeaders.Add("traceparent", $"00-{granted}-b7ad6b7169203331-01");
        await pod.GrantAsync();
        pod.DefaultRequestHeaders.Remove("traceparent");
        pod.DefaultRequestHeaders.Add("traceparent", $"00-{refused}-b7ad6b7169203331-01");
        await (await pod.ClaimAsync(role: RunningBroker.ForbiddenRole)).ShouldRefuseAsync(HttpStatusCode.Forbidden, "not-allowed");

        var lines = (await broker.LogAsync()).Split('\n');
        lines.ShouldNotContain(line => line.Contains(granted, StringComparison.Ordinal));
        var line = lines.Where(line => line.Contains(refused, StringComparison.Ordinal)).ShouldHaveSingleItem();
        line.ShouldContain("Refused (not-allowed): local: system:serviceaccount:orders:orders-api (pod ");
        line.ShouldContain($"role {RunningBroker.ForbiddenRole}, POST /api/v1/roles/{RunningBroker.ForbiddenRole}/credentials");
        // What went wrong is told, and other tests make things go wrong.
        lines.ShouldNotContain(other => Chatter().IsMatch(other));
        lines.ShouldContain(other => other.StartsWith("info: Broker.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Every_histogram_of_seconds_has_buckets_of_seconds()
    {
        using var pod = await broker.PodAsync();
        await pod.GrantAsync();
        using var viewer = await broker.ViewerAsync();
        var text = await viewer.GetStringAsync(new Uri("/metrics", UriKind.Relative), TestContext.Current.CancellationToken);
        var histograms = text.Split('\n').Where(line => line.Contains("_seconds_bucket{", StringComparison.Ordinal)).ToLookup(line => line[..line.IndexOf("_bucket{", StringComparison.Ordinal)], Bound);
        histograms.Select(histogram => histogram.Key).ShouldContain("broker_claim_duration_seconds");
        histograms.Select(histogram => histogram.Key).ShouldContain("http_server_request_duration_seconds");
        foreach (var histogram in histograms)
        {
            var bounds = histogram.Where(double.IsFinite).Distinct().ToList();
            bounds.ShouldContain(bound => bound <= 0.1, $"{histogram.Key} tells what is quick");
            bounds.ShouldContain(bound => bound >= 1 && bound <= 5, $"an alert on seconds of {histogram.Key} can be written");
            bounds.ShouldAllBe(bound => bound <= 3600);
        }
    }

    [GeneratedRegex(@"^(info|dbug|trce): (Microsoft\.(?!Hosting\.Lifetime)|System\.|Npgsql)")]
    private static partial Regex Chatter();

    private static double Bound(string line)
    {
        var from = line.LastIndexOf("le=\"", StringComparison.Ordinal) + 4;
        return line[from..line.IndexOf('"', from)] is var text && text == "+Inf" ? double.PositiveInfinity : double.Parse(text, CultureInfo.InvariantCulture);
    }
}
