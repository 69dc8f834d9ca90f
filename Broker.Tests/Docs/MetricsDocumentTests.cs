using System.Diagnostics.Metrics;
using Broker.Core.Leases;
using Broker.Tests.Deployment;
using Broker.Tests.Security;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs;

/// <summary>docs/metrics.md has every instrument of the broker as it is, and no other.</summary>
public sealed class MetricsDocumentTests
{
    // After a change: take the rows that the failing test shows.
    private const string Table = "|---|---|---|\n";

    [Fact]
    public async Task The_table_is_what_the_code_has()
    {
        SortedDictionary<string, string> rows = new(StringComparer.Ordinal);
        foreach (var instrument in await InstrumentsAsync())
        {
            var (kind, name) = KindOf(instrument);
            rows[name] = $"| `{name}` | {kind} | {instrument.Description} |";
        }

        string[] found = [.. rows.Values];
        var document = Repository.Read("docs/metrics.md").ReplaceLineEndings("\n");
        document[(document.IndexOf(Table, StringComparison.Ordinal) + Table.Length)..].TrimEnd().ShouldBe(string.Join('\n', found));
        found.Length.ShouldBeGreaterThan(20);
    }

    /// <summary>
    /// What a collector or Prometheus makes of a gauge with the unit 1: a share, whose name ends in <c>_ratio</c>, and which no alert asks for
    /// (https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/pkg/translator/prometheus#metric-name).
    /// </summary>
    [Fact]
    public async Task By_OTLP_names_are_the_same()
    {
        foreach (var instrument in await InstrumentsAsync())
            (instrument.Unit is null or "s" || (instrument.Unit.StartsWith('{') && instrument.Unit.EndsWith('}'))).ShouldBeTrue($"{instrument.Name} has the unit '{instrument.Unit}'");
    }

    private static async Task<IReadOnlyList<Instrument>> InstrumentsAsync()
    {
        List<Instrument> instruments = [];
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, _) =>
        {
            if (instrument.Meter.Name != BrokerMetrics.Name) return;
            lock (instruments) instruments.Add(instrument);
        };
        listener.Start();
        await using var world = new BrokerWorld();
        await world.ReplicaAsync();

        lock (instruments) return [.. instruments];
    }

    // As the exporter writes names: dots become underscores, a unit that is a measure is appended, counters end in _total.
    private static (string Kind, string Name) KindOf(Instrument instrument)
    {
        var name = instrument.Name.Replace('.', '_') + (instrument.Unit == "s" ? "_seconds" : "");
        return instrument switch
        {
            _ when instrument.GetType().Name.StartsWith("Counter", StringComparison.Ordinal) => ("counter", name + "_total"),
            _ when instrument.GetType().Name.StartsWith("Histogram", StringComparison.Ordinal) => ("histogram", name),
            _ => ("gauge", name),
        };
    }
}
