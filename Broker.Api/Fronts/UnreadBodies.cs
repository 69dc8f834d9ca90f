using Microsoft.AspNetCore.Http.Features;

namespace Broker.Api.Fronts;

/// <summary>
/// Reads the rest of a request's body before its answer begins. Kestrel closes a connection with more unread body than it drains, the operating system
/// resets a socket that is closed with unread data, and the client loses whatever it has not yet read of the answer. HTTP/2 ends a
/// request without closing its connection, so it does not need this.
/// </summary>
internal static class UnreadBodies
{
    // A client that sends more, or is slower, may lose its answer; an unwanted body must not keep the broker busy.
    private const int Longest = 1 << 20;
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(1);

    /// <summary>Applies to all requests; it does not affect their answers.</summary>
    public static void UseUnreadBodies(this IApplicationBuilder app) => app.Use(static next => context =>
        context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true } && (HttpProtocol.IsHttp11(context.Request.Protocol) || HttpProtocol.IsHttp10(context.Request.Protocol))
            ? AnswerAsync(context, next) : next(context));

    // An answer begins with the first write, or, if nothing is written, when the pipeline has finished.
    private static async Task AnswerAsync(HttpContext context, RequestDelegate next)
    {
        var body = new UnreadBody(context);
        context.Response.OnStarting(static state => ((UnreadBody)state).ReadAsync(), body);
        await next(context);
        await body.ReadAsync();
    }

    private sealed class UnreadBody(HttpContext context)
    {
        private bool read;

        public async Task ReadAsync()
        {
            var request = context.Request;
            // A client that waits for "100 Continue" has sent no body; the answer tells it what to do.
            if (read || request.Headers.Expect.Count > 0) return;
            read = true;
            try
            {
                if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size) size.MaxRequestBodySize = Longest;
                // Usually the body has already been read, and there is nothing to wait for.
                if (request.BodyReader.TryRead(out var rest))
                {
                    request.BodyReader.AdvanceTo(rest.Buffer.End);
                    if (rest.IsCompleted) return;
                }

                using var deadline = new CancellationTokenSource(Within, context.RequestServices.GetRequiredService<TimeProvider>());
                using var over = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, deadline.Token);
                for (var length = rest.Buffer.Length; length <= Longest;)
                {
                    var part = await request.BodyReader.ReadAsync(over.Token);
                    length += part.Buffer.Length;
                    request.BodyReader.AdvanceTo(part.Buffer.End);
                    if (part.IsCompleted) return;
                }
            }
            catch (Exception e) when (e is BadHttpRequestException or IOException or OperationCanceledException)
            {
                // Too long, too slow, broken or gone: the answer stays the same.
            }
        }
    }
}
