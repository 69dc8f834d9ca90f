using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http.Features;

namespace Broker.Api.Fronts.Admission;

/// <summary>
/// What an API server asks to be reviewed. Anybody can send one: it is read under a deadline, and long ones have few places. One that did not
/// come in time, or found no place, is answered with its <c>uid</c>, without which the API server would not take the answer.
/// </summary>
/// <param name="Uid">The review's id, which its answer bears.</param>
/// <param name="IsWhole">Whether it was read; what has no place, or is late, is not.</param>
/// <param name="Workload">The workload; null: it needs no connections.</param>
/// <param name="Before">The workload as it was; null: there was none.</param>
internal sealed record AdmissionReview(string Uid, bool IsWhole, Workload? Workload, Workload? Before)
{
    private const int Longest = 4 * 1024 * 1024; // an object has at most 1.5 MB, and the old object may come with it
    private const int Short = 64 * 1024;
    private const int MostLong = 16;

    private static readonly TimeSpan Within = TimeSpan.FromSeconds(1);
    private static readonly SemaphoreSlim LongOnes = new(MostLong);

    /// <summary>Reads one; otherwise the status of what is none.</summary>
    public static async Task<(AdmissionReview? Review, int Mistake)> ReadAsync(HttpContext context, TimeProvider time)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size) size.MaxRequestBodySize = Longest;
        using var deadline = new CancellationTokenSource(Within, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, context.RequestAborted);
        var body = new ArrayBufferWriter<byte>();
        var (isWhole, hasPlace) = (false, false);
        try
        {
            while (true)
            {
                var read = await context.Request.BodyReader.ReadAsync(either.Token);
                foreach (var part in read.Buffer) body.Write(part.Span);
                context.Request.BodyReader.AdvanceTo(read.Buffer.End);
                if (isWhole = read.IsCompleted) break;
                if (body.WrittenCount > Short && !hasPlace && !(hasPlace = LongOnes.Wait(0, CancellationToken.None))) break;
            }

            return isWhole ? Parse(body.WrittenMemory) : Unread(body.WrittenSpan);
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            return Unread(body.WrittenSpan);
        }
        catch (BadHttpRequestException e)
        {
            return (null, e.StatusCode);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return (null, StatusCodes.Status400BadRequest); // the latter: text that is none, as half a surrogate
        }
        finally
        {
            if (hasPlace) LongOnes.Release();
        }
    }

    private static (AdmissionReview?, int) Parse(ReadOnlyMemory<byte> body)
    {
        using var json = JsonDocument.Parse(body);
        var review = json.RootElement;
        if (review.ValueKind != JsonValueKind.Object || !review.TryGetProperty("request", out var request) || request.ValueKind != JsonValueKind.Object
            || Text(request, "uid") is not { } uid) return (null, StatusCodes.Status400BadRequest);
        if (Text(request, "operation") == "DELETE" || !request.TryGetProperty("object", out var thing)) return (new(uid, true, null, null), 0);
        var space = Text(request, "namespace") ?? "";
        return (new(uid, true, Workload.Read(thing, space), request.TryGetProperty("oldObject", out var old) ? Workload.Read(old, space) : null), 0);
    }

    // API servers write the uid before everything else in the request.
    private static (AdmissionReview?, int) Unread(ReadOnlySpan<byte> begun)
    {
        var json = new Utf8JsonReader(begun, isFinalBlock: false, state: default);
        try
        {
            var isRequest = false;
            while (json.Read())
            {
                if (json.TokenType != JsonTokenType.PropertyName) continue;
                if (json.CurrentDepth == 1) isRequest = json.ValueTextEquals("request"u8);
                if (!isRequest || json.CurrentDepth != 2 || !json.ValueTextEquals("uid"u8)) continue;
                if (json.Read() && json.TokenType == JsonTokenType.String) return (new(json.GetString()!, false, null, null), 0);
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return (null, StatusCodes.Status400BadRequest);
        }

        return (null, StatusCodes.Status408RequestTimeout);
    }

    private static string? Text(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out var found) && found.ValueKind == JsonValueKind.String ? found.GetString() : null;
}
