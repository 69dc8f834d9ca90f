using Broker.Api.Authentication;
using Broker.Core.Leases;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Broker.Api.Telemetry;

/// <summary>Metrics for Prometheus at <c>/metrics</c>; metrics and traces by OTLP when <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set.</summary>
public static class TelemetrySetup
{
    // Addresses, methods and statuses of the web server are the most there are.
    private const int OthersSeries = 400;

    /// <summary>Adds it.</summary>
    public static IServiceCollection AddBrokerTelemetry(this IServiceCollection services, IConfiguration configuration)
    {
        var otlp = !string.IsNullOrEmpty(configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]);
        services.AddHostedService<BudgetGauges>().AddHostedService<UpkeepGauges>();
        services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("broker"))
            .WithMetrics(metrics =>
            {
                // Room for so many series is taken by each instrument at once, 2,000 by default: only the broker's own have one for each role and outcome.
                metrics.AddView(instrument => instrument.Meter.Name == BrokerMetrics.Name ? null : new MetricStreamConfiguration { CardinalityLimit = OthersSeries });
                metrics.AddMeter(BrokerMetrics.Name, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "Npgsql", "Polly")
                    .AddHttpClientInstrumentation().AddRuntimeInstrumentation().AddPrometheusExporter();
                if (otlp) metrics.AddOtlpExporter();
            })
            .WithTracing(traces =>
            {
                traces.AddSource(BrokerMetrics.Name).AddHttpClientInstrumentation();
                if (otlp) traces.AddAspNetCoreInstrumentation(options => options.Filter = context => !context.Request.Path.StartsWithSegments("/health")).AddOtlpExporter();
            });
        return services;
    }

    /// <summary>Maps <c>/metrics</c>, for viewers: who scrapes sends a token.</summary>
    public static void MapMetrics(this IEndpointRouteBuilder app) =>
        app.MapPrometheusScrapingEndpoint("/metrics").RequireAuthorization(Policies.Viewer);
}
