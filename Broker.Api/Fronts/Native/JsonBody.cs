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
            // Also clears it: it may have held a password.
            bytes.Clear();
        }
    }
}
