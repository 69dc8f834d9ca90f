using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LoadTests.FromOutside.Chaos;

/// <summary>A call of a pod's and what came of it. Times are timestamps of the clock.</summary>
/// <param name="Replica">The replica that was asked.</param>
/// <param name="Trace">The trace id it was sent with, by which the audit knows it.</param>
/// <param name="Wait">How long the caller was ready to wait.</param>
/// <param name="IsClaim">Whether it asked for a role's credentials.</param>
/// <param name="IsRelease">Whether it gave back what the pod held.</param>
/// <param name="Asked">When it was sent.</param>
/// <param name="Answered">When it was answered, or found to be without an answer.</param>
/// <param name="Outcome">As the audit calls it: <c>granted</c>, or the refusal's code; null: there was no answer.</param>
/// <param name="Detail">What else the broker said, or why there was no answer.</param>
internal sealed record Call(Uri Replica, string Trace, TimeSpan Wait, bool IsClaim, bool IsRelease, long Asked, long Answered, string? Outcome, string? Detail);

/// <summary>Sees every call on its way: gives it a trace id, and notes who was asked, what came of it, and how long it took.</summary>
internal sealed class Witness(TimeSpan standardWait, TimeProvider time) : DelegatingHandler
{
    /// <summary>The outcome of what was done as asked.</summary>
    public const string Granted = "granted";

    private readonly ConcurrentQueue<Call> calls = new();

    /// <summary>All calls that are over.</summary>
    public IReadOnlyCollection<Call> Calls => calls;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var trace = RandomNumberGenerator.GetHexString(32, lowercase: true);
        request.Headers.Add("traceparent", $"00-{trace}-{RandomNumberGenerator.GetHexString(16, lowercase: true)}-00");
        var call = new Call(request.RequestUri!, trace, WaitOf(request), request.RequestUri!.AbsolutePath.EndsWith("/credentials", StringComparison.Ordinal), request.Method == HttpMethod.Delete, time.GetTimestamp(), 0, null, null);
        try
        {
            var answer = await base.SendAsync(request, cancellationToken);
            await answer.Content.LoadIntoBufferAsync(cancellationToken);
            var (outcome, detail) = IsDone(answer) ? (Granted, null) : Read(await answer.Content.ReadAsStringAsync(cancellationToken), answer);
            calls.Enqueue(call with { Answered = time.GetTimestamp(), Outcome = outcome, Detail = detail });
            return answer;
        }
        catch (Exception failure) when (failure is HttpRequestException or OperationCanceledException)
        {
            calls.Enqueue(call with { Answered = time.GetTimestamp(), Detail = (failure.InnerException ?? failure).Message });
            throw;
        }
    }

    // A release is answered 204; an empty 200 is what a server sends that was not told what to answer, and no success.
    private static bool IsDone(HttpResponseMessage answer) =>
        answer.StatusCode == HttpStatusCode.NoContent || (answer.IsSuccessStatusCode && answer.Content.Headers.ContentLength != 0);

    private static (string Outcome, string? Detail) Read(string body, HttpResponseMessage answer)
    {
        try
        {
            if (JsonNode.Parse(body)?["code"]?.GetValue<string>() is { } code) return (code, JsonNode.Parse(body)?["detail"]?.GetValue<string>());
        }
        catch (JsonException)
        {
            // No refusal of the broker's.
        }

        return ($"http-{(int)answer.StatusCode}", body);
    }

    private TimeSpan WaitOf(HttpRequestMessage request) =>
        request.Headers.TryGetValues("Prefer", out var values) && values.First().Split('=') is ["wait", var seconds]
            ? TimeSpan.FromSeconds(int.Parse(seconds, System.Globalization.CultureInfo.InvariantCulture))
            : standardWait;
}
