using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Microsoft.Extensions.Logging;

namespace Broker.Tests.Security;

/// <summary>Everything that leaves a broker but its good answers: logs at their finest, spans, metrics, and what the ledger is told.</summary>
internal sealed class Heard : ILoggerProvider
{
    private readonly ActivityListener spans;
    private readonly MeterListener metrics = new();

    public Heard()
    {
        spans = new ActivityListener
        {
            // Not HttpClient's: listening there would make every client of this process write its own trace into its requests.
            ShouldListenTo = source => source.Name is BrokerMetrics.Name or "Microsoft.AspNetCore",
            Sample = static (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = Hear,
        };
        ActivitySource.AddActivityListener(spans);
        metrics.InstrumentPublished = (instrument, listener) => listener.EnableMeasurementEvents(instrument);
        metrics.SetMeasurementEventCallback<long>((instrument, _, tags, _) => Hear(instrument, tags));
        metrics.SetMeasurementEventCallback<int>((instrument, _, tags, _) => Hear(instrument, tags));
        metrics.SetMeasurementEventCallback<double>((instrument, _, tags, _) => Hear(instrument, tags));
        metrics.Start();
    }

    public ConcurrentQueue<(string Where, string Text)> All { get; } = new();

    public void Hear(string where, string text) => All.Enqueue((where, text));

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void Dispose()
    {
        spans.Dispose();
        metrics.Dispose();
    }

    private void Hear(Activity span)
    {
        Hear("span", $"{span.DisplayName} {span.StatusDescription} {string.Join(' ', span.TagObjects.Select(tag => $"{tag.Key}={tag.Value}"))} {string.Join(' ', span.Baggage)}");
        foreach (var happened in span.Events) Hear("span event", $"{happened.Name} {string.Join(' ', happened.Tags.Select(tag => $"{tag.Key}={tag.Value}"))}");
    }

    private void Hear(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        foreach (var tag in tags) Hear("metric", $"{instrument.Name} {tag.Key}={tag.Value}");
    }

    private sealed class Logger(Heard heard, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
        {
            heard.Hear("log scope", $"{category} {state}");
            return null;
        }

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var values = state is IEnumerable<KeyValuePair<string, object?>> pairs ? string.Join(' ', pairs.Select(pair => $"{pair.Key}={pair.Value}")) : "";
            heard.Hear("log", $"{category} {formatter(state, exception)} {values} {exception}");
        }
    }
}

/// <summary>A ledger that tells what it is told, on its way to the real one.</summary>
internal sealed class OverheardStore(ILedgerStore inner, Heard heard, Func<string, bool> isCut) : ILedgerStore
{
    public bool IsOfThisProcess => inner.IsOfThisProcess;

    public async ValueTask<string[]> DecideAsync(Decision decision, string database, IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        foreach (var argument in arguments) heard.Hear("ledger " + decision.Name, argument);
        if (isCut(database)) throw new LedgerException("This part of the ledger is away.");
        return await inner.DecideAsync(decision, database, arguments, cancellation);
    }

    public IDisposable Listen(string database, Action<string> heardOf) => inner.Listen(database, heardOf);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
