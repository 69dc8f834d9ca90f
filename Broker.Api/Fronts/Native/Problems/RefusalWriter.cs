using System.Diagnostics;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Broker.Api.Authentication;
using Broker.Core.Audit;
using Broker.Core.Limits;
using Broker.Core.Model;
using Broker.Core.Operators;

namespace Broker.Api.Fronts.Native.Problems;

/// <summary>Writes refusals as RFC 9457 problems.</summary>
public static class RefusalWriter
{
    /// <summary>The content type of every problem.</summary>
    public const string ContentType = "application/problem+json";

    private const int LongestText = 200;
    private const int LongestDetail = 500;

    // For people, so quotes stay quotes. No browser renders this type as a page.
    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes one.</summary>
    /// <param name="context">The request's.</param>
    /// <param name="refusal">Why not.</param>
    /// <param name="isLogged">Whether to log it, unless the audit only counts it.</param>
    /// <param name="status">A status other than the code's, where HTTP has a more specific one (404, 405, 408, 413).</param>
    public static async Task WriteAsync(HttpContext context, Refusal refusal, int? status = null, bool isLogged = true)
    {
        if (isLogged)
        {
            var named = context.Request.RouteValues.TryGetValue("role", out var role) && role is string { Length: > 0 } text ? text : null;
            Say(context, refusal, named, ShownPath.Of(context.Request));
        }

        var response = context.Response;
        response.StatusCode = status ?? RefusalStatus.Of(refusal.Code).Status;
        response.ContentType = ContentType;
        if (refusal.RetryAfter is { } retry)
            response.Headers.RetryAfter = Math.Ceiling(retry.TotalSeconds).ToString(CultureInfo.InvariantCulture);

        await using (var json = new Utf8JsonWriter(response.BodyWriter, Readable))
            Write(json, refusal, response.StatusCode, context.TraceId());
        await response.BodyWriter.FlushAsync(context.RequestAborted);
    }

    /// <summary>
    /// Logs one line for each refusal, so that the question "why was my pod refused" can be answered by trace, role or name. Refusals that the audit only counts
    /// are no lines: the log has the audit's anchors, and no caller pushes them out (law L15).
    /// </summary>
    /// <param name="context">The request's.</param>
    /// <param name="refusal">Why not.</param>
    /// <param name="role">The requested role; null: none is known.</param>
    /// <param name="path">The request's path, as it may be shown.</param>
    internal static void Say(HttpContext context, Refusal refusal, string? role, string path)
    {
        if (refusal.IsCounted || (refusal.Code == RefusalCode.AuditUnavailable && !UnrecordedLines.Has(context))) return;
        var log = context.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger(typeof(RefusalWriter).FullName!);
        var caller = context.GetProof()?.Caller;
        var who = caller is null ? $"an unproven caller at {AddressName.Of(context.Connection.RemoteIpAddress)}" : $"{caller.Issuer}: {caller.Subject}{(caller.PodUid is { } pod ? $" (pod {pod})" : "")}";
        var code = RefusalStatus.Of(refusal.Code).Code;
        if (RefusalStatus.IsOurs(refusal.Code)) log.CouldNot(code, Short(who), Short(role ?? "-"), context.Request.Method, Short(path), context.TraceId(), Short(refusal.Detail, LongestDetail));
        else log.Refused(code, Short(who), Short(role ?? "-"), context.Request.Method, Short(path), context.TraceId(), Short(refusal.Detail, LongestDetail));
    }

    /// <summary>A text as a line of the log has it, without the tokens that a caller put into it.</summary>
    internal static string Short(string text, int most = LongestText)
    {
        var shown = HiddenTokens.In(text);
        return OneLine(shown.Length > most ? string.Concat(shown.AsSpan(0, most), "…") : shown);
    }

    /// <summary>A text on one line, without anything that steers a terminal: callers, databases and issuers write such texts.</summary>
    internal static string OneLine(string text) => string.Concat(text.Select(static letter => char.IsControl(letter) || letter is '\u2028' or '\u2029' ? ' ' : letter));

    /// <summary>Writes the problem itself.</summary>
    internal static void Write(Utf8JsonWriter json, Refusal refusal, int status, string traceId)
    {
        var (code, _, title) = RefusalStatus.Of(refusal.Code);
        json.WriteStartObject();
        json.WriteString("type", "urn:broker:refusal:" + code);
        json.WriteString("title", title);
        json.WriteNumber("status", status);
        json.WriteString("code", code);
        json.WriteString("detail", refusal.Detail);
        if (refusal.RetryAfter is { } again) json.WriteNumber("retryAfterSeconds", (long)Math.Ceiling(again.TotalSeconds));
        if (refusal.Budget is { } budget)
        {
            json.WriteNumber("free", budget.Free);
            json.WriteNumber("couldAskFor", budget.CouldAskFor);
            json.WriteNumber("capacity", budget.Capacity);
        }

        json.WriteString("traceId", traceId);
        json.WriteEndObject();
    }
}
