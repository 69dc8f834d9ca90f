using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Broker.Core.Audit.Chain;

/// <summary>
/// Writes records as lines of a hash chain, with a signed checkpoint now and then. What is composed stays in
/// <see cref="Lines"/> until it is taken. One thread at a time.
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

    /// <summary>Records since the last checkpoint.</summary>
    public int Uncovered { get; private set; }

    /// <summary>What was composed and not yet taken: whole lines.</summary>
    public ReadOnlySpan<byte> Lines => buffer.WrittenSpan;

    /// <summary>Whether the chain has begun.</summary>
    public bool HasBegun => json is not null;

    public ChainHead Head => new(id, Seq, Base64Url.EncodeToString(hash));

    /// <summary>Goes on behind a record.</summary>
    public void Begin(ChainHead head)
    {
        json ??= new Utf8JsonWriter(buffer, AuditLine.Options);
        (id, Seq) = (head.Chain, head.Seq);
        chain = JsonEncodedText.Encode(head.Chain);
        Base64Url.DecodeFromChars(head.Hash, hash);
    }

    /// <summary>Forgets the lines composed; they stay in the chain.</summary>
    public void Taken() => buffer.ResetWrittenCount();

    public void Append(AuditRecord record)
    {
        var start = Start();
        AuditLine.Write(json!, record);
        End(start);
        Uncovered++;
    }

    /// <summary>A file begins here, or goes on after a restart.</summary>
    public void AppendOpened(DateTimeOffset now, bool torn) => Append(now, ChainFormat.Opened, writer =>
    {
        writer.WriteString(ChainFormat.After, Head.Hash);
        if (torn) writer.WriteBoolean(ChainFormat.Torn, true);
    });

    /// <summary>A sink takes records again after it lost some.</summary>
    public void AppendResumed(DateTimeOffset now, string sink, long from, ChainHead to) => Append(now, ChainFormat.Resumed, writer =>
    {
        writer.WriteString(ChainFormat.Sink, sink);
        writer.WriteNumber(ChainFormat.LostFrom, from);
        writer.WriteNumber(ChainFormat.LostTo, to.Seq);
        writer.WriteString(ChainFormat.After, to.Hash);
    });

    /// <summary>Vouches for everything so far.</summary>
    public void AppendCheckpoint(DateTimeOffset now, string why)
    {
        var head = Head;
        Append(now, ChainFormat.Checkpoint, writer =>
        {
            writer.WriteString(ChainFormat.Why, why);
            writer.WriteString(ChainFormat.Head, head.Hash);
            if (key is null) return;
            writer.WriteString(ChainFormat.Key, key.Id);
            writer.WriteString(ChainFormat.Signature, key.Sign(head, TimeText(now)));
        });
        Uncovered = 0;
    }

    public void Dispose()
    {
        json?.Dispose();
        hasher.Dispose();
        key?.Dispose();
    }

    // RFC 3339 in UTC, always with seven digits, so that lines sort as text.
    private static string TimeText(DateTimeOffset now) => now.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

    private void Append(DateTimeOffset now, string what, Action<Utf8JsonWriter> rest)
    {
        var start = Start();
        json!.WriteStartObject();
        json.WriteString(ChainFormat.Time, TimeText(now));
        json.WriteString(ChainFormat.Event, what);
        rest(json);
        End(start);
    }

    private int Start()
    {
        json!.Reset();
        return buffer.WrittenCount;
    }

    private void End(int start)
    {
        Seq++;
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
