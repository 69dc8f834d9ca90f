using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Broker.Core.Model;

namespace Broker.Core.Audit;

/// <summary>
/// An audit record as JSON. Written by hand, property by property: that is several times faster than a serializer's
/// reflection, and nothing gets into the audit by being added to a type.
/// </summary>
internal static class AuditLine
{
    /// <summary>The most bytes of a detail or a reason: a caller can send long texts, and a line should stay a line.</summary>
    public const int LongestText = 1024;

    /// <summary>The most bytes of a line, with its chain and its line break: all texts as long as they may be, and <see cref="Fixed"/>.</summary>
    public const int Longest = (2 * (LongestText + Cut)) + LongestSubject + Cut + (7 * (LongestName + Cut)) + (4 * (LongestMark + Cut)) + Fixed;

    private const int LongestSubject = 512;

    // Names that the configuration, a database or a cluster gave, and what a caller sends in their place.
    private const int LongestName = 256;

    // What the broker or the network makes: ids, hashes, addresses.
    private const int LongestMark = 64;

    // The sign of a cut text.
    private const int Cut = 3;

    // The names of all properties, with times, numbers and the words of closed lists.
    private const int Fixed = 800;

    /// <summary>Names and words outside ASCII stay readable; quotes, backslashes and control characters are escaped.</summary>
    public static readonly JsonWriterOptions Options = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };

    private static readonly JsonEncodedText Time = JsonEncodedText.Encode("time");
    private static readonly JsonEncodedText Action = JsonEncodedText.Encode("action");
    private static readonly JsonEncodedText Outcome = JsonEncodedText.Encode("outcome");
    private static readonly JsonEncodedText HttpStatus = JsonEncodedText.Encode("httpStatus");
    private static readonly JsonEncodedText Refusal = JsonEncodedText.Encode("refusal");
    private static readonly JsonEncodedText Detail = JsonEncodedText.Encode("detail");
    private static readonly JsonEncodedText Caller = JsonEncodedText.Encode("caller");
    private static readonly JsonEncodedText Issuer = JsonEncodedText.Encode("issuer");
    private static readonly JsonEncodedText Subject = JsonEncodedText.Encode("subject");
    private static readonly JsonEncodedText PodUid = JsonEncodedText.Encode("podUid");
    private static readonly JsonEncodedText Session = JsonEncodedText.Encode("session");
    private static readonly JsonEncodedText Proof = JsonEncodedText.Encode("proof");
    private static readonly JsonEncodedText Role = JsonEncodedText.Encode("role");
    private static readonly JsonEncodedText Database = JsonEncodedText.Encode("database");
    private static readonly JsonEncodedText LeaseId = JsonEncodedText.Encode("leaseId");
    private static readonly JsonEncodedText HolderId = JsonEncodedText.Encode("holderId");
    private static readonly JsonEncodedText DatabaseUser = JsonEncodedText.Encode("databaseUser");
    private static readonly JsonEncodedText HeldUntil = JsonEncodedText.Encode("heldUntil");
    private static readonly JsonEncodedText Reason = JsonEncodedText.Encode("reason");
    private static readonly JsonEncodedText Connections = JsonEncodedText.Encode("connections");
    private static readonly JsonEncodedText Times = JsonEncodedText.Encode("times");
    private static readonly JsonEncodedText TraceId = JsonEncodedText.Encode("traceId");
    private static readonly JsonEncodedText ClientAddress = JsonEncodedText.Encode("clientAddress");

    /// <summary>Writes one object except its end, which the chain adds. Null values are left out.</summary>
    public static void Write(Utf8JsonWriter json, AuditRecord record)
    {
        // RFC 3339 in UTC, always with seven digits, so that lines sort as text.
        Span<char> time = stackalloc char[28];
        record.Time.UtcDateTime.TryFormat(time, out var length, "O", CultureInfo.InvariantCulture);

        json.WriteStartObject();
        json.WriteString(Time, time[..length]);
        json.WriteString(Action, WireName.Of(record.Action));
        json.WriteString(Outcome, WireName.Of(record.Outcome));
        Number(json, HttpStatus, record.HttpStatus);
        if (record.Refusal is { } refusal) json.WriteString(Refusal, WireName.Of(refusal));
        Asked(json, Detail, record.Detail, LongestText);
        if ((record.CallerIssuer ?? record.CallerSubject ?? record.CallerPodUid ?? record.CallerProof) is not null)
        {
            json.WriteStartObject(Caller);
            Text(json, Issuer, record.CallerIssuer, LongestName);
            Text(json, Subject, record.CallerSubject, LongestSubject);
            Text(json, PodUid, record.CallerPodUid, LongestName);
            Text(json, Session, record.CallerSession, LongestMark);
            Text(json, Proof, record.CallerProof, LongestMark);
            json.WriteEndObject();
        }

        Asked(json, Role, record.Role, LongestName);
        Asked(json, Database, record.Database, LongestName);
        Asked(json, LeaseId, record.LeaseId, LongestName);
        Asked(json, HolderId, record.HolderId, LongestName);
        Text(json, DatabaseUser, record.DatabaseUser, LongestName);
        if (record.HeldUntil is { } until)
        {
            until.UtcDateTime.TryFormat(time, out length, "O", CultureInfo.InvariantCulture);
            json.WriteString(HeldUntil, time[..length]);
        }

        Number(json, Connections, record.Connections);
        Number(json, Times, record.Times);
        Asked(json, Reason, record.Reason, LongestText);
        Text(json, TraceId, record.TraceId, LongestMark);
        Text(json, ClientAddress, record.ClientAddress, LongestMark);
    }

    // What a caller asked for, or about: it may have put a token there.
    private static void Asked(Utf8JsonWriter json, JsonEncodedText name, string? text, int most) => Text(json, name, text is null ? null : HiddenTokens.In(text), most);

    private static void Text(Utf8JsonWriter json, JsonEncodedText name, string? text, int most)
    {
        if (text is not null) json.WriteString(name, AuditText.Within(text, most));
    }

    private static void Number(Utf8JsonWriter json, JsonEncodedText name, int? number)
    {
        if (number is { } value) json.WriteNumber(name, value);
    }
}
