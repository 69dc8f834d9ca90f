using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Broker.Core.Audit.Chain;

namespace Broker.Core.Audit.Reading;

/// <summary>One line of a chain as it is in a file, not verified yet.</summary>
internal sealed class ChainLine
{
    private readonly JsonElement root;
    private readonly int hashedLength;

    private ChainLine(byte[] bytes, JsonElement root, int hashedLength, string chain, long seq)
    {
        (Bytes, this.root, this.hashedLength, Chain, Seq) = (bytes, root, hashedLength, chain, seq);
        Hash = Encoding.ASCII.GetString(bytes.AsSpan()[(hashedLength + ChainFormat.BeforeHash.Length)..^ChainFormat.AfterHash.Length]);
        Event = Text("event");
    }

    public byte[] Bytes { get; }

    public string Chain { get; }

    public long Seq { get; }

    /// <summary>The hash that the line states.</summary>
    public string Hash { get; }

    /// <summary>The chain event; null for a record of what happened.</summary>
    public string? Event { get; }

    public string Time => Text("time") ?? "";

    public ChainHead End => new(Chain, Seq, Hash);

    /// <summary>Parses a line; null when it is not a line of a chain.</summary>
    public static ChainLine? Parse(byte[] bytes)
    {
        if (!ChainFormat.TrySplit(bytes, out var hashed, out _)) return null;
        try
        {
            var root = JsonElement.Parse(bytes);
            return root.ValueKind == JsonValueKind.Object
                && root.TryGetProperty("chain", out var chain) && chain.ValueKind == JsonValueKind.String
                && root.TryGetProperty("seq", out var number) && number.ValueKind == JsonValueKind.Number && number.TryGetInt64(out var seq)
                    ? new ChainLine(bytes, root, hashed.Length, chain.GetString()!, seq)
                    : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Text that is not UTF-8 is only detected when it is read.
            return null;
        }
    }

    public string? Text(string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    public bool Has(string name) => root.TryGetProperty(name, out _);

    public bool Flag(string name) => root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    public long? Number(string name) =>
        root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number : null;

    /// <summary>Whether it says that it follows the end of another chain.</summary>
    public bool FollowsChain(ChainHead other) =>
        root.TryGetProperty(ChainFormat.Behind, out var behind) && behind.ValueKind == JsonValueKind.Object
        && behind.TryGetProperty("chain", out var chain) && Is(chain, other.Chain)
        && behind.TryGetProperty("seq", out var seq) && seq.ValueKind == JsonValueKind.Number && seq.TryGetInt64(out var number) && number == other.Seq
        && behind.TryGetProperty(ChainFormat.Hash, out var hash) && Is(hash, other.Hash);

    /// <summary>Whether its hash is correct if it follows a record with this hash.</summary>
    public bool Follows(string previous)
    {
        var bytes = new byte[SHA256.HashSizeInBytes + hashedLength];
        if (!TryDecode(previous, bytes)) return false;
        Bytes.AsSpan(0, hashedLength).CopyTo(bytes.AsSpan(SHA256.HashSizeInBytes));
        return Base64Url.EncodeToString(SHA256.HashData(bytes)) == Hash;
    }

    /// <summary>Whether it is a checkpoint that one of these keys signed as a whole.</summary>
    public bool IsSignedBy(IReadOnlyDictionary<string, CheckpointKey> keys)
    {
        if (Event != ChainFormat.Checkpoint || Text(ChainFormat.Signature) is not { } signature || Text(ChainFormat.Head) is not { } head) return false;
        if (Text(ChainFormat.Key) is not { } id || !keys.TryGetValue(id, out var key)) return false;
        var signed = Bytes.AsSpan().IndexOf(ChainFormat.BeforeSignature);
        if (signed < 0) return false;
        var rest = $",\"signature\":\"{signature}\",\"chain\":\"{Chain}\",\"seq\":{Seq},\"hash\":\"{Hash}\"}}";
        return Bytes.AsSpan(signed).SequenceEqual(Encoding.UTF8.GetBytes(rest))
            && key.Verify(new ChainHead(Chain, Seq - 1, head).Statement(Bytes.AsSpan(0, signed)), signature);
    }

    private static bool Is(JsonElement value, string text) => value.ValueKind == JsonValueKind.String && value.ValueEquals(text);

    private static bool TryDecode(string text, Span<byte> into)
    {
        try
        {
            return Base64Url.TryDecodeFromChars(text, into, out var written) && written == SHA256.HashSizeInBytes;
        }
        catch (FormatException)
        {
            return false;
        }
    }
}
