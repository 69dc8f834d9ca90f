using OpenTelemetry.Exporter;

namespace Broker.Api.Telemetry;

/// <summary>
/// Where a signal is exported by OTLP, according to OpenTelemetry's own variables: those for all signals, those for one (<c>OTEL_EXPORTER_OTLP_TRACES_ENDPOINT</c>),
/// which take precedence, <c>OTEL_TRACES_EXPORTER</c> and <c>OTEL_SDK_DISABLED</c>
/// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/). The exporter itself reads the variables for all signals, and these only when it is given no
/// other settings.
/// </summary>
/// <param name="configuration">The variables.</param>
/// <param name="signal"><c>TRACES</c> or <c>METRICS</c>.</param>
internal sealed class OtlpExport(IConfiguration configuration, string signal)
{
    private const string All = "OTEL_EXPORTER_OTLP_";

    private const string Off = "OTEL_SDK_DISABLED";

    /// <summary>
    /// OpenTelemetry's library obeys the switch itself and then has no metrics at all. <c>/metrics</c>, by which the broker is monitored, must stay: the switch is hidden from the library
    /// once it is decided what is exported.
    /// </summary>
    public static void KeepMetrics(IConfiguration configuration)
    {
        if (IsOff(configuration)) configuration[Off] = "false";
    }

    /// <summary>Whether the signal is exported.</summary>
    public bool IsWanted => !IsOff(configuration) && (Said($"OTEL_{signal}_EXPORTER") is { } exporters
        ? exporters.Split(',', StringSplitOptions.TrimEntries).Contains("otlp", StringComparer.OrdinalIgnoreCase)
        : Said(All + "ENDPOINT") is not null || Own("ENDPOINT") is not null);

    /// <summary>Configures the exporter.</summary>
    /// <exception cref="InvalidDataException">A variable cannot be understood.</exception>
    public void Apply(OtlpExporterOptions options)
    {
        // The variables for all signals: the exporter ignores values that it cannot read, and exports to this machine.
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
