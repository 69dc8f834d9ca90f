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
