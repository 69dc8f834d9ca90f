using Microsoft.AspNetCore.Http.Features;

namespace Broker.Api.Fronts;

/// <summary>
/// Reads what is left of a request's body before its answer begins. Kestrel closes a connection whose body is longer than it reads, a
/// socket that is closed with something unread is reset, and the client loses whatever it has not yet read of the answer. HTTP/2 ends a
/// request without its connection, and needs none of this.
/// </summary>
internal static class UnreadBodies
{
    // Who sends more, or is slower, may lose its answer; nobody can hold the broker with a body that nobody wants.
    private const int Longest = 1 << 20;
    private static readonly TimeSpan Within = TimeSpan.FromSeconds(1);

    /// <summary>For all requests; what a request is answered does not depend on it.</summary>
    public static void UseUnreadBodies(this IApplicationBuilder app) => app.Use(static next => context =>
        context.Features.Get<IHttpRequestBodyDetectionFeature>() is { CanHaveBody: true } && (HttpProtocol.IsHttp11(context.Request.Protocol) || HttpProtocol.IsHttp10(context.Request.Protocol))
            ? AnswerAsync(context, next) : next(context));

    // An answer begins with the first thing that is written, or, where nothing is, when all are through with it.
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
            // A client that waits to be told to go on has sent nothing, and is told by the answer.
            if (read || request.Headers.Expect.Count > 0) return;
            read = true;
            try
            {
                if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size) size.MaxRequestBodySize = Longest;
                // Mostly it was read already, and nothing has to be waited for.
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
                // Too long, too slow, broken or gone: the answer is the same.
            }
        }
    }
}
