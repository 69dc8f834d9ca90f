using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Broker.Core.Audit.Chain;

/// <summary>
/// Writes records as lines of a hash chain, with a signed checkpoint now and then. Composed lines stay in
/// <see cref="Lines"/> until they are taken. Not thread-safe.
/// </summary>
internal sealed class AuditChain(CheckpointKey? key) : IDisposable
{
    private readonly ArrayBufferWriter<byte> buffer = new(16 * 1024);
    private readonly IncrementalHash hasher = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly byte[] hash = new byte[SHA256.HashSizeInBytes];
    private readonly byte[] hashText = new byte[ChainHead.HashLength];
    private Utf8JsonWriter? json;
    private JsonEncodedText chain;
    private string id = "";

    /// <summary>The number of the last record composed.</summary>
    public long Seq { get; private set; }

    /// <summary>Lines since the last checkpoint.</summary>
    public int Uncovered { get; private set; }

    /// <summary>The lines that were composed and not yet taken.</summary>
    public ReadOnlySpan<byte> Lines => buffer.WrittenSpan;

    /// <summary>Whether the chain has begun.</summary>
    public bool HasBegun => json is not null;

    public ChainHead Head => new(id, Seq, Base64Url.EncodeToString(hash));

    /// <summary>Continues the chain after a record.</summary>
    public void Begin(ChainHead head)
    {
        json ??= new Utf8JsonWriter(buffer, AuditLine.Options);
        (id, Seq) = (head.Chain, head.Seq);
        chain = JsonEncodedText.Encode(head.Chain);
        Base64Url.DecodeFromChars(head.Hash, hash);
    }

    /// <summary>Clears the composed lines; they remain part of the chain.</summary>
    public void Taken() => buffer.ResetWrittenCount();

    public void Append(AuditRecord record)
    {
        var start = Start();
        AuditLine.Write(json!, record);
        End(start);
    }

    /// <summary>Notes that a file begins here, or continues after a restart.</summary>
    public void AppendOpened(DateTimeOffset now, Opening opening)
    {
        var start = Start();
        Begin(now, ChainFormat.Opened);
        json!.WriteString(ChainFormat.After, Head.Hash);
        if (opening.Started) json.WriteBoolean(ChainFormat.Started, true);
        if (opening.NewFile) json.WriteBoolean(ChainFormat.NewFile, true);
        if (opening.Torn) json.WriteBoolean(ChainFormat.Torn, true);
        if (opening.Doubt is { } doubt) json.WriteString(ChainFormat.Doubt, doubt);
        if (opening.Behind is { } behind)
        {
            json.WriteStartObject(ChainFormat.Behind);
            json.WriteString(ChainFormat.Chain, behind.Chain);
            json.WriteNumber(ChainFormat.Seq, behind.Seq);
            json.WriteString(ChainFormat.Hash, behind.Hash);
            json.WriteEndObject();
        }

        End(start);
    }

    /// <summary>Notes that a sink that lost records gets the following ones.</summary>
    public void AppendResumed(DateTimeOffset now, string sink, ChainHead last, ChainHead to)
    {
        var start = Start();
        Begin(now, ChainFormat.Resumed);
        json!.WriteString(ChainFormat.Sink, sink);
        json.WriteNumber(ChainFormat.LostFrom, last.Seq + 1);
        json.WriteNumber(ChainFormat.LostTo, to.Seq);
        json.WriteString(ChainFormat.Last, last.Hash);
        json.WriteString(ChainFormat.After, to.Hash);
        End(start);
    }

    /// <summary>Adds a checkpoint, which vouches for everything before it and for itself.</summary>
    public void AppendCheckpoint(DateTimeOffset now, string why)
    {
        var head = Head;
        var start = Start();
        Begin(now, ChainFormat.Checkpoint);
        json!.WriteString(ChainFormat.Why, why);
        json.WriteString(ChainFormat.Head, head.Hash);
        if (key is not null)
        {
            json.WriteString(ChainFormat.Key, key.Id);
            json.Flush();
            json.WriteString(ChainFormat.Signature, key.Sign(head.Statement(buffer.WrittenSpan[start..])));
        }

        End(start);
        Uncovered = 0;
    }

    public void Dispose()
    {
        json?.Dispose();
        hasher.Dispose();
        key?.Dispose();
    }

    private void Begin(DateTimeOffset now, string what)
    {
        json!.WriteStartObject();
        // RFC 3339 in UTC, always with seven digits, so that lines sort as text.
        json.WriteString(ChainFormat.Time, now.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
        json.WriteString(ChainFormat.Event, what);
    }

    private int Start()
    {
        json!.Reset();
        return buffer.WrittenCount;
    }

    private void End(int start)
    {
        Seq++;
        Uncovered++;
        json!.WriteString(ChainFormat.Chain, chain);
        json.WriteNumber(ChainFormat.Seq, Seq);
        json.Flush();
        hasher.AppendData(hash);
        hasher.AppendData(buffer.WrittenSpan[start..]);
        hasher.GetHashAndReset(hash);
        Base64Url.EncodeToUtf8(hash, hashText);
        buffer.Write(ChainFormat.BeforeHash);
        buffer.Write(hashText);
        buffer.Write(ChainFormat.AfterHash);
        buffer.Write("\n"u8);
    }
}
