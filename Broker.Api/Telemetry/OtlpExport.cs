using OpenTelemetry.Exporter;

namespace Broker.Api.Telemetry;

/// <summary>
/// Where a signal goes by OTLP, by OpenTelemetry's own variables: those of all signals, those of one (<c>OTEL_EXPORTER_OTLP_TRACES_ENDPOINT</c>),
/// which go before them, <c>OTEL_TRACES_EXPORTER</c> and <c>OTEL_SDK_DISABLED</c>
/// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/). The exporter reads the former itself, and these only where it is told of no
/// others.
/// </summary>
/// <param name="configuration">The variables.</param>
/// <param name="signal"><c>TRACES</c> or <c>METRICS</c>.</param>
internal sealed class OtlpExport(IConfiguration configuration, string signal)
{
    private const string All = "OTEL_EXPORTER_OTLP_";

    private const string Off = "OTEL_SDK_DISABLED";

    /// <summary>
    /// OpenTelemetry's library heeds the switch by itself and has no metrics at all then. <c>/metrics</c>, by which the broker is watched, stays: the library is not told,
    /// once it is decided what is sent.
    /// </summary>
    public static void KeepMetrics(IConfiguration configuration)
    {
        if (IsOff(configuration)) configuration[Off] = "false";
    }

    /// <summary>Whether the signal goes anywhere.</summary>
    public bool IsWanted => !IsOff(configuration) && (Said($"OTEL_{signal}_EXPORTER") is { } exporters
        ? exporters.Split(',', StringSplitOptions.TrimEntries).Contains("otlp", StringComparer.OrdinalIgnoreCase)
        : Said(All + "ENDPOINT") is not null || Own("ENDPOINT") is not null);

    /// <summary>Sets the exporter up.</summary>
    /// <exception cref="InvalidDataException">A variable cannot be understood.</exception>
    public void Apply(OtlpExporterOptions options)
    {
        // Of all signals: what the exporter cannot read it passes over, and sends to this machine.
        _ = Address(All + "ENDPOINT");
        _ = Protocol(All + "PROTOCOL");
        if (Address(Name("ENDPOINT")) is { } address) options.Endpoint = address;
        if (Protocol(Name("PROTOCOL")) is { } protocol) options.Protocol = protocol;
        if (Own("HEADERS") is { } headers) options.Headers = headers;
        if (Own("TIMEOUT") is { } timeout)
        {
            options.TimeoutMilliseconds = int.TryParse(timeout, out var milliseconds) && milliseconds > 0
                ? milliseconds
                : throw new InvalidDataException($"{Name("TIMEOUT")} is '{timeout}'; write milliseconds, 1 or more.");
        }
    }

    private static bool IsOff(IConfiguration configuration) => string.Equals(configuration[Off]?.Trim(), "true", StringComparison.OrdinalIgnoreCase);

    private Uri? Address(string name) => Said(name) is not { } text ? null
        : Uri.TryCreate(text, UriKind.Absolute, out var address) && address.Scheme is "http" or "https" ? address
        : throw new InvalidDataException($"{name} is '{text}'; write an http or https address, such as http://collector:4317.");

    private OtlpExportProtocol? Protocol(string name) => Said(name)?.ToLowerInvariant() switch
    {
        null => null,
        "grpc" => OtlpExportProtocol.Grpc,
        "http/protobuf" => OtlpExportProtocol.HttpProtobuf,
        var other => throw new InvalidDataException($"{name} is '{other}'; write grpc or http/protobuf."),
    };

    private string? Own(string what) => Said(Name(what));

    private string Name(string what) => $"{All}{signal}_{what}";

    private string? Said(string name) => configuration[name]?.Trim() is { Length: > 0 } text ? text : null;
}
