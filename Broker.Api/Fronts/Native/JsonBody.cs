using System.Buffers;

namespace Broker.Api;

/// <summary>
/// Writes an answer's body whole before it is sent, so that its length is known and it leaves in one piece: without a length it
/// would leave in chunks, whose end is one more packet and one more system call on both sides.
/// </summary>
internal static class JsonBody
{
    [ThreadStatic] private static ArrayBufferWriter<byte>? ofThread;

    /// <summary>Writes one; the web server sends it when the request's way ends.</summary>
    public static void Write<T>(HttpResponse response, T answer, Action<IBufferWriter<byte>, T> write)
    {
        response.ContentType = "application/json";
        var bytes = ofThread ??= new(2048);
        try
        {
            write(bytes, answer);
            response.ContentLength = bytes.WrittenCount;
            response.BodyWriter.Write(bytes.WrittenSpan);
        }
        finally
        {
            // Wipes it too: there may have been a password in it.
            bytes.Clear();
        }
    }
}
