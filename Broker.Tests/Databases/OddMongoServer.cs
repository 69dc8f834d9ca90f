using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using MongoDB.Bson;

namespace Broker.Tests.Databases;

/// <summary>
/// Speaks just enough of MongoDB's protocol for a driver to run commands, and answers what it is told to: what servers that only speak
/// the protocol write, byte for byte. https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
/// </summary>
internal sealed class OddMongoServer : IAsyncDisposable
{
    private const int Reply = 1;
    private const int Query = 2004;
    private const int Message = 2013;

    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource over = new();
    private readonly Func<BsonDocument, BsonDocument?> answer;
    private readonly Task accepting;

    /// <param name="answer">The reply to a command, whose first element has its name; null: the server does not know it.</param>
    public OddMongoServer(Func<BsonDocument, BsonDocument?> answer)
    {
        this.answer = answer;
        listener.Start();
        accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    public async ValueTask DisposeAsync()
    {
        await over.CancelAsync();
        listener.Stop();
        await accepting;
        over.Dispose();
    }

    private async Task AcceptAsync()
    {
        var talks = new List<Task>();
        try
        {
            while (true) talks.Add(TalkAsync(await listener.AcceptTcpClientAsync(over.Token)));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            await Task.WhenAll(talks);
        }
    }

    private async Task TalkAsync(TcpClient client)
    {
        using var _ = client;
        try
        {
            var stream = client.GetStream();
            var head = new byte[16];
            while (true)
            {
                await stream.ReadExactlyAsync(head, over.Token);
                var body = new byte[BinaryPrimitives.ReadInt32LittleEndian(head) - head.Length];
                await stream.ReadExactlyAsync(body, over.Token);
                await stream.WriteAsync(Answer(BinaryPrimitives.ReadInt32LittleEndian(head.AsSpan(4)), BinaryPrimitives.ReadInt32LittleEndian(head.AsSpan(12)), body), over.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or SocketException)
        {
            // The driver, or the test, is done.
        }
    }

    private byte[] Answer(int request, int kind, byte[] body)
    {
        // A query: flags, the collection's name, two numbers, the command. A message: flags, the kind of its section, the command.
        var from = kind == Query ? Array.IndexOf(body, (byte)0, 4) + 1 + 8 : 5;
        var length = BinaryPrimitives.ReadInt32LittleEndian(body.AsSpan(from));
        var command = MongoDB.Bson.Serialization.BsonSerializer.Deserialize<BsonDocument>(body[from..(from + length)]);
        var name = command.GetElement(0).Name;
        var reply = (name is "hello" or "isMaster" or "ismaster" ? Hello() : answer(command) ?? Unknown(name)).ToBson();
        var written = new MemoryStream();
        using var to = new BinaryWriter(written);
        byte[] before = kind == Query ? [.. new byte[16], 1, 0, 0, 0] : [0, 0, 0, 0, 0];
        to.Write(16 + before.Length + reply.Length);
        to.Write(request + 1);
        to.Write(request);
        to.Write(kind == Query ? Reply : Message);
        to.Write(before);
        to.Write(reply);
        return written.ToArray();
    }

    private static BsonDocument Hello() => new()
    {
        { "ismaster", true }, { "isWritablePrimary", true }, { "helloOk", true }, { "maxBsonObjectSize", 16 << 20 }, { "maxMessageSizeBytes", 48 << 20 },
        { "maxWriteBatchSize", 100_000 }, { "localTime", DateTime.UnixEpoch }, { "minWireVersion", 0 }, { "maxWireVersion", 21 }, { "readOnly", false }, { "ok", 1.0 },
    };

    private static BsonDocument Unknown(string command) => new() { { "ok", 0.0 }, { "errmsg", $"no such command: '{command}'" }, { "code", 59 }, { "codeName", "CommandNotFound" } };
}
