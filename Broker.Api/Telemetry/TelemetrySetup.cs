using System.Diagnostics.Metrics;
using Broker.Api.Authentication;
using Broker.Api.Fronts;
using Broker.Core.Leases;
using Broker.Core.Model;
using Broker.Core.Operators.Indicators;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Broker.Api.Telemetry;

/// <summary>Metrics for Prometheus at <c>/metrics</c>; metrics and traces by OTLP where OpenTelemetry's variables say so (<see cref="OtlpExport"/>).</summary>
public static class TelemetrySetup
{
    // The web server's addresses, methods and statuses make the most series.
    private const int OthersSeries = 400;

    // The default room of an instrument; and for each role twice its outcomes, so that a reload may double the roles.
    private const int Series = 2000, SeriesOfRole = 40;

    private static readonly double[] Seconds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

    /// <summary>Adds it.</summary>
    /// <param name="services">Where to.</param>
    /// <param name="configuration">Of the broker, with OpenTelemetry's variables.</param>
    /// <param name="roles">How many roles there are at the start.</param>
    public static IServiceCollection AddBrokerTelemetry(this IServiceCollection services, IConfiguration configuration, int roles)
    {
        var (metricsByOtlp, tracesByOtlp) = (new OtlpExport(configuration, "METRICS"), new OtlpExport(configuration, "TRACES"));
        var (sendsMetrics, sendsTraces) = (metricsByOtlp.IsWanted, tracesByOtlp.IsWanted);
        OtlpExport.KeepMetrics(configuration);
        services.AddHostedService<BudgetGauges>().AddHostedService<UpkeepGauges>().AddHostedService<IssuerGauges>();
        services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("broker").AddEnvironmentVariableDetector()) // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES go before it
            .WithMetrics(metrics =>
            {
                // Each instrument reserves room for its series up front, by default for 2,000: only the broker's own have one for each role and outcome.
                var ofRoles = new MetricStreamConfiguration { CardinalityLimit = Math.Max(Series, roles * SeriesOfRole) };
                metrics.AddView(instrument => instrument.Meter.Name != BrokerMetrics.Name ? Others(instrument) : BrokerMetrics.ByRoleAndOutcome.Contains(instrument.Name) ? ofRoles : null);
                metrics.AddMeter(BrokerMetrics.Name, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "Npgsql", "Polly")
                    .AddHttpClientInstrumentation().AddRuntimeInstrumentation().AddPrometheusExporter();
                if (sendsMetrics) metrics.AddOtlpExporter(metricsByOtlp.Apply);
            })
            .WithTracing(traces =>
            {
                // Listens only when something is exported: otherwise no spans are created for a claim's steps.
                traces.AddHttpClientInstrumentation(static options => options.EnrichWithHttpRequestMessage = ShownPath.Trace);
                if (sendsTraces) traces.AddSource(Tracing.Name).AddAspNetCoreInstrumentation(options => options.Filter = context => !context.Request.Path.StartsWithSegments("/health")).AddOtlpExporter(tracesByOtlp.Apply);
            });
        services.AddSingleton<LastHour>().AddSingleton<ILastHour>(static provider => provider.GetRequiredService<LastHour>()).AddHostedService(static provider => provider.GetRequiredService<LastHour>());
        services.AddHostedService<InitialMetrics>(); // after its listeners
        return services;
    }

    // A histogram without its own buckets gets millisecond buckets, even if it measures seconds.
    private static MetricStreamConfiguration Others(Instrument instrument) => instrument is Histogram<double> { Unit: "s", Advice: null }
        ? new ExplicitBucketHistogramConfiguration { Boundaries = Seconds, CardinalityLimit = OthersSeries }
        : new MetricStreamConfiguration { CardinalityLimit = OthersSeries };

    /// <summary>Maps <c>/metrics</c>, for viewers: scrapers send a token.</summary>
    public static void MapMetrics(this IEndpointRouteBuilder app) =>
        app.MapPrometheusScrapingEndpoint("/metrics").RequireAuthorization(Policies.Viewer);
}
