using System.Buffers;

namespace Broker.Api;

/// <summary>
/// Buffers an answer's body before it is sent, so that its length is known and it leaves in one piece: without a length it
/// would be sent in chunks, whose end costs another packet and another system call on both sides.
/// </summary>
internal static class JsonBody
{
    [ThreadStatic] private static ArrayBufferWriter<byte>? ofThread;

    /// <summary>Writes a body; the web server sends it when the request ends.</summary>
    public static Task WriteAsync<T>(HttpResponse response, T answer, Action<IBufferWriter<byte>, T> write)
    {
        response.ContentType = "application/json";
        var bytes = ofThread ??= new(2048);
        try
        {
            write(bytes, answer);
            response.ContentLength = bytes.WrittenCount;
            // The headers first: the web server copies a body that comes before them once more. They still leave in one piece.
            var started = response.StartAsync();
            if (!started.IsCompletedSuccessfully) return WriteAfterAsync(started, response, bytes.WrittenSpan.ToArray());
            response.BodyWriter.Write(bytes.WrittenSpan);
            return Task.CompletedTask;
        }
        finally
        {
            // Also clears it: it may have held a password.
            bytes.Clear();
        }
    }

    // The thread's buffer serves other requests meanwhile.
    private static async Task WriteAfterAsync(Task started, HttpResponse response, byte[] body)
    {
        await started;
        response.BodyWriter.Write(body);
        Array.Clear(body);
    }
}
