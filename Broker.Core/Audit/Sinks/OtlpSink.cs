using System.Buffers;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Broker.Core.Catalog;

namespace Broker.Core.Audit.Sinks;

/// <summary>
/// OTLP logs over HTTP, in the protocol's JSON encoding. Not the OpenTelemetry exporter, which accepts records without ever
/// saying whether a collector has them: here an answer other than success, or a record the collector rejects, is a failure.
/// </summary>
internal sealed class OtlpSink : IAuditSink
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(2);

    private readonly Uri address;
    private readonly HttpClient client;
    private readonly TimeProvider time;
    private readonly ArrayBufferWriter<byte> buffer = new(64 * 1024);

    public OtlpSink(OtlpSettings settings, TimeProvider time)
    {
        address = new Uri($"{settings.Endpoint.AbsoluteUri.TrimEnd('/')}/v1/logs");
        this.time = time;
        client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, ConnectTimeout = Deadline }) { Timeout = Deadline };
    }

    /// <inheritdoc/>
    public string Name => "otlp";

    /// <inheritdoc/>
    public void Append(ReadOnlySpan<byte> lines)
    {
        buffer.ResetWrittenCount();
        Write(lines);
        using var request = new HttpRequestMessage(HttpMethod.Post, address) { Content = new ReadOnlyMemoryContent(buffer.WrittenMemory) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var response = client.Send(request);
        response.EnsureSuccessStatusCode();
        using var body = new StreamReader(response.Content.ReadAsStream());
        if (Rejected(body.ReadToEnd()) is > 0 and var rejected) throw new IOException($"the collector rejected {rejected} records");
    }

    public void Dispose() => client.Dispose();

    private void Write(ReadOnlySpan<byte> lines)
    {
        var seen = (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;
        using var json = new Utf8JsonWriter(buffer, AuditLine.Options);
        json.WriteStartObject();
        json.WriteStartArray("resourceLogs");
        json.WriteStartObject();
        json.WriteStartObject("resource");
        json.WriteStartArray("attributes");
        Attribute(json, "service.name", "broker");
        Attribute(json, "host.name", Environment.MachineName);
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteStartArray("scopeLogs");
        json.WriteStartObject();
        json.WriteStartObject("scope");
        json.WriteString("name", "broker.audit");
        json.WriteEndObject();
        json.WriteStartArray("logRecords");
        while (lines.IndexOf((byte)'\n') is var end and >= 0)
        {
            json.WriteStartObject();
            json.WriteString("observedTimeUnixNano", seen.ToString(CultureInfo.InvariantCulture));
            json.WriteNumber("severityNumber", 9);
            json.WriteStartObject("body");
            json.WriteString("stringValue", lines[..end]);
            json.WriteEndObject();
            json.WriteEndObject();
            lines = lines[(end + 1)..];
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Attribute(Utf8JsonWriter json, string key, string value)
    {
        json.WriteStartObject();
        json.WriteString("key", key);
        json.WriteStartObject("value");
        json.WriteString("stringValue", value);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static long Rejected(string body)
    {
        try
        {
            using var json = JsonDocument.Parse(body);
            return json.RootElement.TryGetProperty("partialSuccess", out var partial) && partial.TryGetProperty("rejectedLogRecords", out var count)
                && long.TryParse(count.ToString(), CultureInfo.InvariantCulture, out var rejected) ? rejected : 0;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // An empty or unreadable body with a success status counts as accepted.
            return 0;
        }
    }
}
