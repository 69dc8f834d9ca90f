using System.Diagnostics.Metrics;
using Broker.Api.Telemetry;
using Broker.Core.Leases;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Telemetry;

public sealed class LastHourTests : IAsyncLifetime
{
    private readonly FakeTimeProvider time = new(new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero));
    private readonly ServiceProvider services = new ServiceCollection().AddMetrics().AddSingleton<BrokerMetrics>().BuildServiceProvider();
    private LastHour hour = null!;

    private BrokerMetrics Metrics => services.GetRequiredService<BrokerMetrics>();

    public async ValueTask InitializeAsync()
    {
        hour = new(services.GetRequiredService<IMeterFactory>(), time);
        await hour.StartAsync(CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        hour.Dispose();
        await services.DisposeAsync();
    }

    [Fact]
    public void What_the_instruments_measure_is_added_up()
    {
        Metrics.Claimed("r", BrokerMetrics.Granted, TimeSpan.FromSeconds(1.5));
        Metrics.Claimed("r", BrokerMetrics.Granted, TimeSpan.FromSeconds(100));
        Metrics.Claimed("r", "issuer-unavailable", TimeSpan.FromSeconds(1));
        Metrics.Claimed("r", "audit-unavailable", TimeSpan.FromSeconds(1));
        Metrics.Claimed("r", "budget-exhausted", TimeSpan.FromSeconds(1));
        Metrics.Unproven();

        var counts = hour.Counts;
        (counts.Claims, counts.Failed, counts.Unrecorded, counts.Unproven, counts.Requests).ShouldBe((5, 2, 1, 1, 1));
        counts.GrantedWithin.Sum().ShouldBe(2);
        (counts.GrantedWithin[7], counts.GrantedWithin[^1]).ShouldBe((1, 1));
    }

    /// <summary>A series that first appears with its value shows no increase, so they begin at 0 (<c>broker.tests.yml</c>).</summary>
    [Fact]
    public void Late_claims_are_counted_beside_the_histogram()
    {
        SortedDictionary<string, long> late = [];
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, listening) =>
        {
            if (instrument.Name == "broker.claims.late" && ReferenceEquals(instrument.Meter.Scope, services.GetRequiredService<IMeterFactory>())) listening.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) =>
        {
            foreach (var (name, over) in tags)
                if (name == "broker.over") late[(string)over!] = late.GetValueOrDefault((string)over!) + value;
        });
        listener.Start();

        foreach (var seconds in new[] { 1, 3, 6 }) Metrics.Claimed("r", BrokerMetrics.Granted, TimeSpan.FromSeconds(seconds));
        Metrics.Claimed("r", "budget-exhausted", TimeSpan.FromSeconds(9));

        late.ShouldBe(new SortedDictionary<string, long> { ["2"] = 2, ["5"] = 1 });
    }

    [Fact]
    public void An_hour_later_it_is_forgotten()
    {
        Metrics.Claimed("r", BrokerMetrics.Granted, TimeSpan.FromSeconds(1));
        time.Advance(TimeSpan.FromMinutes(59));
        Metrics.Claimed("r", BrokerMetrics.Granted, TimeSpan.FromSeconds(1));
        hour.Counts.Claims.ShouldBe(2);

        time.Advance(TimeSpan.FromMinutes(1));
        hour.Counts.Claims.ShouldBe(1);
        time.Advance(TimeSpan.FromHours(5));
        hour.Counts.Claims.ShouldBe(0);
        Metrics.Claimed("r", BrokerMetrics.Granted, TimeSpan.FromSeconds(1));
        hour.Counts.Claims.ShouldBe(1);
    }

    [Fact]
    public async Task Another_broker_in_the_same_process_is_not_counted()
    {
        await using var other = new ServiceCollection().AddMetrics().AddSingleton<BrokerMetrics>().BuildServiceProvider();
        other.GetRequiredService<BrokerMetrics>().Claimed("r", BrokerMetrics.Granted, TimeSpan.FromSeconds(1));
        hour.Counts.Claims.ShouldBe(0);
    }
}
