using System.Diagnostics.Metrics;
using Broker.Api.Telemetry;
using Broker.Tests.Leases;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Telemetry;

/// <summary>What is shown while nobody knows.</summary>
public sealed class LedgerAwayTests
{
    [Fact]
    public async Task Gauges_of_a_ledger_that_does_not_answer_are_gone_and_one_says_so()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        await using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var meters = services.GetRequiredService<IMeterFactory>();
        var time = new FakeTimeProvider();
        using var gauges = new BudgetGauges(replica.Budgets, time, meters);
        using var listener = new MeterListener();
        Dictionary<string, int> seen = [];
        listener.InstrumentPublished = (instrument, own) =>
        {
            if (instrument.Meter.Scope == meters) own.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<int>((instrument, value, _, _) => seen[instrument.Name] = value);
        listener.Start();
        await gauges.StartAsync(TestContext.Current.CancellationToken);

        await BecomesAsync(() => seen.GetValueOrDefault("broker.ledger.up") == 1 && seen.ContainsKey("broker.budget.stale"));
        replica.Link.Cut();
        await BecomesAsync(() => seen is { Count: 1 } && seen["broker.ledger.up"] == 0);

        await gauges.StopAsync(TestContext.Current.CancellationToken);

        Task BecomesAsync(Func<bool> condition) => Eventually.HoldsAsync(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(5));
                seen.Clear();
                listener.RecordObservableInstruments();
                return Task.FromResult(condition());
            },
            "the gauges follow the ledger",
            TestContext.Current.CancellationToken);
    }
}
