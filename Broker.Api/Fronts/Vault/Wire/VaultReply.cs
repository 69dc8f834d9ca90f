using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Broker.Api.Fronts.Vault.Wire;

/// <summary>
/// An answer: Vault's envelope, in which every key is written, null or not (OpenBao sdk/logical/translate_response.go); or
/// another body; or none at all.
/// </summary>
internal sealed class VaultReply
{
    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The request succeeded without data.</summary>
    public static VaultReply NoContent { get; } = new() { Status = 204 };

    public int Status { get; init; } = 200;

    public string LeaseId { get; init; } = "";

    public bool Renewable { get; init; }

    public TimeSpan LeaseDuration { get; init; }

    public Action<Utf8JsonWriter>? Data { get; init; }

    public Action<Utf8JsonWriter>? Auth { get; init; }

    public Action<Utf8JsonWriter>? WrapInfo { get; init; }

    public IReadOnlyList<string> Warnings { get; set; } = [];

    /// <summary>Whether the data are also in the envelope itself, as for some old paths of <c>sys</c>.</summary>
    public bool DataOnTopToo { get; init; }

    /// <summary>A body without an envelope.</summary>
    public Action<Utf8JsonWriter>? Whole { get; init; }

    /// <summary>A body that was already written.</summary>
    public byte[]? Ready { get; init; }

    /// <summary>Additional headers.</summary>
    public IReadOnlyList<(string Name, string Value)> Headers { get; init; } = [];

    /// <summary>The accessor of the token in <see cref="Auth"/>.</summary>
    public string? Accessor { get; init; }

    /// <summary>Whether there is an envelope that can be wrapped, and has not been.</summary>
    public bool IsEnvelope => Status == 200 && Whole is null && Ready is null && WrapInfo is null;

    /// <summary>The body; empty: none.</summary>
    public ReadOnlyMemory<byte> Body()
    {
        if (Status is 204 or 205 or 304) return default; // HTTP forbids one with these statuses, which a health check may ask for
        if (Ready is not null) return Ready;
        var bytes = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(bytes, Readable))
        {
            json.WriteStartObject();
            if (Whole is not null) Whole(json);
            else WriteEnvelope(json);
            json.WriteEndObject();
        }

        bytes.Write("\n"u8);
        return bytes.WrittenMemory;
    }

    private void WriteEnvelope(Utf8JsonWriter json)
    {
        json.WriteString("request_id", WrapInfo is null ? Guid.NewGuid().ToString() : "");
        json.WriteString("lease_id", LeaseId);
        json.WriteBoolean("renewable", Renewable);
        json.WriteNumber("lease_duration", (long)LeaseDuration.TotalSeconds);
        Write(json, "data", Data);
        Write(json, "wrap_info", WrapInfo);
        json.WritePropertyName("warnings");
        if (Warnings.Count == 0) json.WriteNullValue();
        else JsonSerializer.Serialize(json, Warnings);
        Write(json, "auth", Auth);
        if (DataOnTopToo) Data?.Invoke(json);
    }

    private static void Write(Utf8JsonWriter json, string name, Action<Utf8JsonWriter>? content)
    {
        json.WritePropertyName(name);
        if (content is null)
        {
            json.WriteNullValue();
            return;
        }

        json.WriteStartObject();
        content(json);
        json.WriteEndObject();
    }
}
