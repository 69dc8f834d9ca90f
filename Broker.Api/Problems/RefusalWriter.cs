using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Broker.Core.Words;

namespace Broker.Api.Problems;

/// <summary>Writes refusals as RFC 9457 problems.</summary>
public static class RefusalWriter
{
    /// <summary>The content type of every problem.</summary>
    public const string ContentType = "application/problem+json";

    /// <summary>The trace a request belongs to, as told to callers and written into the audit.</summary>
    public static string TraceOf(HttpContext context) => Activity.Current?.TraceId.ToHexString() ?? context.TraceIdentifier;

    /// <summary>Writes one.</summary>
    /// <param name="context">The request's.</param>
    /// <param name="refusal">Why not.</param>
    /// <param name="status">Another status than the code's, for what HTTP itself has a word for (404, 405, 408, 413).</param>
    public static async Task WriteAsync(HttpContext context, Refusal refusal, int? status = null)
    {
        var (code, usual, title) = RefusalStatus.Of(refusal.Code);
        var response = context.Response;
        response.StatusCode = status ?? usual;
        response.ContentType = ContentType;
        if (refusal.RetryAfter is { } retry)
            response.Headers.RetryAfter = Math.Ceiling(retry.TotalSeconds).ToString(CultureInfo.InvariantCulture);

        await using (var json = new Utf8JsonWriter(response.BodyWriter))
        {
            json.WriteStartObject();
            json.WriteString("type", "urn:broker:refusal:" + code);
            json.WriteString("title", title);
            json.WriteNumber("status", response.StatusCode);
            json.WriteString("code", code);
            json.WriteString("detail", refusal.Detail);
            if (refusal.RetryAfter is { } again) json.WriteNumber("retryAfterSeconds", (long)Math.Ceiling(again.TotalSeconds));
            if (refusal.Budget is { } budget)
            {
                json.WriteNumber("free", budget.Free);
                json.WriteNumber("couldAskFor", budget.CouldAskFor);
                json.WriteNumber("capacity", budget.Capacity);
            }

            json.WriteString("traceId", TraceOf(context));
            json.WriteEndObject();
        }

        await response.BodyWriter.FlushAsync(context.RequestAborted);
    }
}
