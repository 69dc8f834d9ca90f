using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using Google.Protobuf;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace LoadTests.FromOutside.Bench;

/// <summary>One span.</summary>
/// <param name="Name">The step's name.</param>
/// <param name="Start">When it began, nanoseconds since 1970.</param>
/// <param name="End">When it ended.</param>
internal readonly record struct ReceivedSpan(string Name, long Start, long End);

/// <summary>
/// Takes the spans that brokers send by OTLP over HTTP, and keeps their names and times. The fields' numbers are those of opentelemetry-proto,
/// <c>collector/trace/v1/trace_service.proto</c> and <c>trace/v1/trace.proto</c>.
/// </summary>
internal sealed class TraceReceiver : IAsyncDisposable
{
    private readonly WebApplication server;
    private readonly ConcurrentQueue<ReceivedSpan> spans = new();

    private TraceReceiver(WebApplication server) => this.server = server;

    /// <summary>What has come so far of what began after a moment.</summary>
    public IReadOnlyList<ReceivedSpan> SpansSince(DateTimeOffset moment) => [.. spans.Where(span => span.Start >= moment.ToUnixTimeMilliseconds() * 1_000_000)];

    /// <summary>The environment that has a broker send its spans here, soon and all of them.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; private set; } = null!;

    public static async Task<TraceReceiver> StartAsync(CancellationToken cancellation)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var receiver = new TraceReceiver(builder.Build());
        receiver.server.MapPost("/v1/traces", receiver.TakeAsync);
        receiver.server.MapPost("/v1/metrics", () => Results.Ok());
        await receiver.server.StartAsync(cancellation);
        var address = receiver.server.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        receiver.Environment = new Dictionary<string, string>
        {
            ["OTEL_EXPORTER_OTLP_ENDPOINT"] = address,
            ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
            ["OTEL_BSP_SCHEDULE_DELAY"] = "500",
            ["OTEL_BSP_MAX_QUEUE_SIZE"] = "100000",
        };
        return receiver;
    }

    public ValueTask DisposeAsync() => server.DisposeAsync();

    private async Task TakeAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        // ExportTraceServiceRequest.resource_spans, ResourceSpans.scope_spans, ScopeSpans.spans
        foreach (var resource in Parts(ByteString.CopyFrom(body.ToArray()), 1))
            foreach (var scope in Parts(resource, 2))
                foreach (var span in Parts(scope, 2)) spans.Enqueue(Read(span));
        context.Response.StatusCode = StatusCodes.Status200OK;
    }

    // Span.name, start_time_unix_nano, end_time_unix_nano
    private static ReceivedSpan Read(ByteString span) =>
        new(Parts(span, 5).First().ToStringUtf8(), Time(span, 7), Time(span, 8));

    private static long Time(ByteString span, int field) => BinaryPrimitives.ReadInt64LittleEndian(Parts(span, field).First().Span);

    // The values of one field: texts and messages, and numbers of eight bytes.
    private static IEnumerable<ByteString> Parts(ByteString message, int field)
    {
        var input = message.CreateCodedInput();
        while (input.ReadTag() is var tag and not 0)
        {
            if (WireFormat.GetTagFieldNumber(tag) != field)
            {
                input.SkipLastField();
                continue;
            }

            yield return WireFormat.GetTagWireType(tag) == WireFormat.WireType.Fixed64 ? ByteString.CopyFrom(BitConverter.GetBytes(input.ReadFixed64())) : input.ReadBytes();
        }
    }
}
