using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Broker.Core.Issuing.Vault;

/// <summary>Vault's answer, whole.</summary>
/// <param name="Request">The request.</param>
/// <param name="Status">The HTTP status.</param>
/// <param name="Body">The body, unchanged.</param>
/// <param name="RetryAfter">When the answer says to try again; null: it does not say.</param>
/// <param name="Location">Where a redirect that was not followed points; null: nowhere.</param>
internal sealed record VaultReply(VaultRequest Request, int Status, byte[] Body, TimeSpan? RetryAfter, Uri? Location)
{
    /// <summary>The longest retry time that is passed on, whatever a proxy says.</summary>
    private static readonly TimeSpan LongestRetryAfter = TimeSpan.FromMinutes(5);

    /// <summary>Whether a standby redirected the request, and this is another server's answer.</summary>
    public bool IsRedirected { get; private init; }

    /// <summary>The body as Vault's envelope; null when it is not one.</summary>
    public VaultEnvelope? Envelope { get; } = Read(Body, VaultJson.Default.VaultEnvelope);

    /// <summary>The envelope's data; null when it has none of that shape.</summary>
    public T? Data<T>(JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return Envelope?.Data is { ValueKind: JsonValueKind.Object } data ? data.Deserialize(type) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The whole body in a form other than an envelope; null when it does not have it.</summary>
    public T? Whole<T>(JsonTypeInfo<T> type)
        where T : class => Read(Body, type);

    /// <summary>Reads an HTTP answer.</summary>
    public static async Task<VaultReply> FromAsync(VaultRequest request, HttpResponseMessage answer, TimeProvider time, CancellationToken cancellation) =>
        new(
            request,
            (int)answer.StatusCode,
            await answer.Content.ReadAsByteArrayAsync(cancellation),
            RetryAfterOf(answer, time),
            answer.Headers.Location)
        {
            IsRedirected = StandbyRedirectHandler.IsRedirected(answer),
        };

    /// <summary>The <c>Retry-After</c> of an answer, as a time from now.</summary>
    public static TimeSpan? RetryAfterOf(HttpResponseMessage answer, TimeProvider time)
    {
        var header = answer.Headers.RetryAfter;
        return (header?.Delta ?? header?.Date - time.GetUtcNow()) is not { } wait ? null
            : wait < TimeSpan.Zero ? TimeSpan.Zero
            : wait > LongestRetryAfter ? LongestRetryAfter
            : wait;
    }

    /// <summary>Invalid JSON is answered as null and not with the exception, which could quote a secret.</summary>
    private static T? Read<T>(byte[] body, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return body.Length == 0 ? null : JsonSerializer.Deserialize(body, type);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
