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

    public string? Text(string name) => Text(root, name);

    public bool Has(string name) => Find(root, name) is not null;

    public bool Flag(string name) => Find(root, name) is { ValueKind: JsonValueKind.True };

    public long? Number(string name) => Number(root, name);

    /// <summary>Whether it says that it follows the end of another chain.</summary>
    public bool FollowsChain(ChainHead other) =>
        Find(root, ChainFormat.Behind) is { ValueKind: JsonValueKind.Object } behind
        && Text(behind, "chain") == other.Chain && Number(behind, "seq") == other.Seq && Text(behind, ChainFormat.Hash) == other.Hash;

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

    private static string? Text(JsonElement at, string name)
    {
        try
        {
            return Find(at, name) is { ValueKind: JsonValueKind.String } value ? value.GetString() : null;
        }
        catch (InvalidOperationException)
        {
            return null; // half a letter, or bytes that are none: whoever can write the file can write them
        }
    }

    private static long? Number(JsonElement at, string name) =>
        Find(at, name) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt64(out var number) ? number : null;

    private static JsonElement? Find(JsonElement at, string name)
    {
        try
        {
            return at.TryGetProperty(name, out var value) ? value : null;
        }
        catch (InvalidOperationException)
        {
            return null; // another name on the way holds half a letter
        }
    }

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
