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
        await FollowAsync(replica, (time, meters) => new BudgetGauges(replica.Budgets, time, meters), seen => seen.GetValueOrDefault("broker.ledger.up") == 1 && seen.ContainsKey("broker.budget.stale"), seen => seen is { Count: 1 } && seen["broker.ledger.up"] == 0);
    }

    [Fact]
    public async Task Leases_duties_and_leftovers_of_a_ledger_that_does_not_answer_are_gone_too_and_come_back()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        (await world.PassAsync(replica.AskAsync(World.Ask(1), TestContext.Current.CancellationToken), TimeSpan.FromMinutes(1))).Grant.ShouldNotBeNull();
        await FollowAsync(replica, (time, meters) => new UpkeepGauges(replica.Leases, replica.Duties, replica.Leftovers, time, meters), seen => seen.GetValueOrDefault("broker.leases") == 1, seen => seen.Count == 0);
    }

    private static async Task FollowAsync(World.Replica replica, Func<TimeProvider, IMeterFactory, LedgerGauges> make, Func<Dictionary<string, int>, bool> there, Func<Dictionary<string, int>, bool> away)
    {
        await using var services = new ServiceCollection().AddMetrics().BuildServiceProvider();
        var meters = services.GetRequiredService<IMeterFactory>();
        var time = new FakeTimeProvider();
        using var gauges = make(time, meters);
        using var listener = new MeterListener();
        Dictionary<string, int> seen = [];
        listener.InstrumentPublished = (instrument, own) =>
        {
            if (instrument.Meter.Scope == meters) own.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<int>((instrument, value, _, _) => seen[instrument.Name] = value);
        listener.Start();
        await gauges.StartAsync(TestContext.Current.CancellationToken);

        await BecomesAsync(() => there(seen));
        replica.Link.Cut();
        await BecomesAsync(() => away(seen));
        replica.Link.Mend();
        await BecomesAsync(() => there(seen));

        await gauges.StopAsync(TestContext.Current.CancellationToken);

        Task BecomesAsync(Func<bool> condition) => Eventually.StepsAsync(
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
