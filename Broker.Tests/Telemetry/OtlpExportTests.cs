using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text;
using Broker.Api.Telemetry;
using Broker.Core.Leases;
using Broker.Core.Model;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Shouldly;
using Xunit;

namespace Broker.Tests.Telemetry;

/// <summary>OpenTelemetry's own variables are heeded: where each signal goes, how, with what, under which name, and whether at all.</summary>
public sealed class OtlpExportTests : IAsyncLifetime
{
    private readonly ConcurrentQueue<(string Path, string? Header)> received = new();
    private WebApplication collector = null!;
    private string address = "";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        collector = builder.Build();
        collector.Run(async context =>
        {
            await context.Request.Body.CopyToAsync(Stream.Null, Cancellation);
            received.Enqueue((context.Request.Path, context.Request.Headers["x-key"]));
            context.Response.ContentType = "application/x-protobuf";
        });
        await collector.StartAsync(Cancellation);
        address = collector.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
    }

    public async ValueTask DisposeAsync() => await collector.DisposeAsync();

    [Theory]
    [InlineData("/v1/traces,/v1/metrics", "OTEL_EXPORTER_OTLP_ENDPOINT=HERE")]
    [InlineData("/v1/traces,/v1/metrics", "OTEL_EXPORTER_OTLP_ENDPOINT=HERE/")]
    [InlineData("/base/v1/traces,/base/v1/metrics", "OTEL_EXPORTER_OTLP_ENDPOINT=HERE/base")]
    [InlineData("/my/traces", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=HERE/my/traces")]
    [InlineData("/my/metrics", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=HERE/my/metrics")]
    [InlineData("/my/traces,/v1/metrics", "OTEL_EXPORTER_OTLP_ENDPOINT=HERE", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=HERE/my/traces")]
    [InlineData("/v1/metrics", "OTEL_EXPORTER_OTLP_ENDPOINT=HERE", "OTEL_TRACES_EXPORTER=none")]
    [InlineData("/v1/traces", "OTEL_EXPORTER_OTLP_ENDPOINT=HERE", "OTEL_METRICS_EXPORTER=prometheus")]
    [InlineData("/v1/traces,/v1/metrics", "OTEL_EXPORTER_OTLP_ENDPOINT=HERE", "OTEL_METRICS_EXPORTER=prometheus, otlp", "OTEL_TRACES_EXPORTER=otlp")]
    [InlineData("", "OTEL_EXPORTER_OTLP_ENDPOINT=HERE", "OTEL_SDK_DISABLED=true")]
    [InlineData("", "OTEL_EXPORTER_OTLP_ENDPOINT= ")]
    [InlineData("")]
    public async Task Each_signal_goes_where_its_variables_say(string paths, params string[] variables)
    {
        await RunAsync([.. variables, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"]);

        received.Select(one => one.Path).Distinct().ShouldBe(paths.Split(',', StringSplitOptions.RemoveEmptyEntries), ignoreOrder: true);
    }

    [Theory]
    [InlineData("OTEL_SDK_DISABLED=true")]
    [InlineData("OTEL_SDK_DISABLED=TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT=HERE")]
    [InlineData("OTEL_METRICS_EXPORTER=none")]
    public async Task What_is_scraped_stays_when_nothing_is_sent(params string[] variables)
    {
        await using var services = Services(variables);
        services.GetRequiredService<MeterProvider>();
        using var meter = new Meter(BrokerMetrics.Name);
        meter.CreateCounter<int>("broker.scraped").Add(1);
        using var body = new MemoryStream();
        var context = new DefaultHttpContext { RequestServices = services, Request = { Method = "GET", Path = "/metrics" }, Response = { Body = body } };

        await new ApplicationBuilder(services).UseOpenTelemetryPrometheusScrapingEndpoint().Build()(context);

        context.Response.StatusCode.ShouldBe(StatusCodes.Status200OK);
        Encoding.UTF8.GetString(body.ToArray()).ShouldContain("\nbroker_scraped_total");
    }

    [Fact]
    public async Task Headers_and_protocols_of_one_signal_go_before_those_of_all()
    {
        await RunAsync(
            "OTEL_EXPORTER_OTLP_ENDPOINT=HERE", "OTEL_EXPORTER_OTLP_HEADERS=x-key=all", "OTEL_EXPORTER_OTLP_TRACES_HEADERS=x-key=traces",
            "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/protobuf", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=5000");

        received.Distinct().ShouldBe([("/v1/traces", "traces"), ("/v1/metrics", "all")], ignoreOrder: true);
    }

    [Theory]
    [InlineData("broker")]
    [InlineData("my-broker", "OTEL_SERVICE_NAME=my-broker")]
    [InlineData("other", "OTEL_RESOURCE_ATTRIBUTES=service.name=other,deployment.environment=test")]
    public void The_services_name_is_the_variables_where_they_say_one(string name, params string[] variables)
    {
        using var services = Services(variables);

        var attributes = services.GetRequiredService<TracerProvider>().GetResource().Attributes.ToDictionary(one => one.Key, one => one.Value);

        attributes["service.name"].ShouldBe(name);
        attributes.ContainsKey("deployment.environment").ShouldBe(variables.Any(variable => variable.Contains("deployment", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317")]
    [InlineData("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=nowhere")]
    [InlineData("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=ftp://collector")]
    [InlineData("OTEL_EXPORTER_OTLP_PROTOCOL=http/json", "OTEL_EXPORTER_OTLP_ENDPOINT=HERE")]
    [InlineData("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=tcp", "OTEL_EXPORTER_OTLP_ENDPOINT=HERE")]
    [InlineData("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=soon", "OTEL_EXPORTER_OTLP_ENDPOINT=HERE")]
    public void What_cannot_be_understood_is_named(string mistake, params string[] variables)
    {
        using var services = Services([mistake, .. variables]);

        var fault = Should.Throw<InvalidDataException>(() => (services.GetRequiredService<TracerProvider>(), services.GetRequiredService<MeterProvider>()));

        fault.Message.ShouldStartWith($"{mistake.Split('=')[0]} is '");
    }

    [Theory]
    [InlineData("/v1/auth/token/lookup/hvs.a-token-in-an-address", "/v1/auth/token/lookup/…")]
    [InlineData("/v1/auth/token/lookup-accessor/an-accessor-of-somebody", "/v1/auth/token/lookup-accessor/…")]
    [InlineData("/v1/secret/data/app/hvs.a-token-in-an-address", "/v1/secret/data/app/…")]
    [InlineData("/v1/secret/data/app", "/v1/secret/data/app")]
    public async Task L6_The_trace_of_what_the_broker_asks_another_server_shows_no_token_from_an_address(string path, string shown)
    {
        var spans = new Kept();
        await using var services = Services([], traces => traces.AddProcessor(spans));
        services.GetRequiredService<TracerProvider>();
        using var client = new HttpClient();

        (await client.GetAsync(new Uri(address + path + "?for=this-test"), Cancellation)).EnsureSuccessStatusCode();

        // Other tests' requests are heard too.
        var span = spans.All.Single(one => one.GetTagItem("server.port") is int port && address.EndsWith($":{port}", StringComparison.Ordinal));
        ((string)span.GetTagItem("url.full")!).ShouldStartWith(address + shown + "?");
        var said = $"{span.DisplayName} {string.Join(' ', span.TagObjects.Select(static tag => $"{tag.Key}={tag.Value}"))}";
        said.ShouldNotContain("a-token-in-an-address");
        said.ShouldNotContain("an-accessor-of-somebody");
    }

    private sealed class Kept : BaseProcessor<Activity>
    {
        public ConcurrentQueue<Activity> All { get; } = new();

        public override void OnEnd(Activity data) => All.Enqueue(data);
    }

    private async Task RunAsync(params string[] variables)
    {
        await using var services = Services(variables);
        var (traces, metrics) = (services.GetRequiredService<TracerProvider>(), services.GetRequiredService<MeterProvider>());
        using (Tracing.Start("claim"))
        {
            // A span, if anybody listens.
        }

        traces.ForceFlush().ShouldBeTrue();
        metrics.ForceFlush(); // what is scraped by Prometheus cannot be, and makes it false
    }

    private ServiceProvider Services(IEnumerable<string> variables, Action<TracerProviderBuilder>? also = null)
    {
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(
            variables.Select(variable => variable.Split('=', 2)).Select(pair => KeyValuePair.Create(pair[0], (string?)pair[1].Replace("HERE", address, StringComparison.Ordinal)))).Build();
        return new ServiceCollection().AddLogging().AddSingleton<IConfiguration>(configuration).AddBrokerTelemetry(configuration, roles: 1).ConfigureOpenTelemetryTracerProvider(also ?? (static _ => { })).BuildServiceProvider();
    }
}
