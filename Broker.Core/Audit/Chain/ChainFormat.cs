using System.Text.Json;

namespace Broker.Core.Audit.Chain;

/// <summary>
/// How a line of the chain ends: <c>…,"chain":"id","seq":7,"hash":"…"}</c>. The hash is the SHA-256 of the hash before it
/// and the line's own bytes up to it, so a reader needs no canonical form: it hashes what it sees.
/// </summary>
internal static class ChainFormat
{
    public static readonly JsonEncodedText Chain = JsonEncodedText.Encode("chain");
    public static readonly JsonEncodedText Seq = JsonEncodedText.Encode("seq");
    public static readonly JsonEncodedText Time = JsonEncodedText.Encode("time");
    public static readonly JsonEncodedText Event = JsonEncodedText.Encode("event");

    /// <summary>A file begins, or goes on after a restart; <see cref="After"/> is the hash it follows.</summary>
    public const string Opened = "opened";

    /// <summary>The chain up to here, signed.</summary>
    public const string Checkpoint = "checkpoint";

    /// <summary>A sink takes records again after it lost some, which are named.</summary>
    public const string Resumed = "resumed";

    public const string After = "after";
    public const string Torn = "torn";
    public const string Head = "head";
    public const string Why = "why";
    public const string Key = "key";
    public const string Signature = "signature";
    public const string Sink = "sink";
    public const string LostFrom = "lostFrom";
    public const string LostTo = "lostTo";

    /// <summary>The broker ended in good order: nothing follows.</summary>
    public const string Closed = "closed";

    /// <summary>At most so many records stand between two checkpoints.</summary>
    public const int CheckpointEvery = 1000;

    /// <summary>And at most so long after a record.</summary>
    public static readonly TimeSpan CheckpointWithin = TimeSpan.FromSeconds(1);

    public static ReadOnlySpan<byte> BeforeHash => ",\"hash\":\""u8;

    public static ReadOnlySpan<byte> AfterHash => "\"}"u8;

    /// <summary>Splits a line into what was hashed and its hash. False: it is no line of a chain.</summary>
    public static bool TrySplit(ReadOnlySpan<byte> line, out ReadOnlySpan<byte> hashed, out ReadOnlySpan<byte> hash)
    {
        hashed = hash = default;
        var tail = BeforeHash.Length + ChainHead.HashLength + AfterHash.Length;
        if (line.Length <= tail || !line.EndsWith(AfterHash) || !line[^tail..].StartsWith(BeforeHash)) return false;
        hashed = line[..^tail];
        hash = line[^(ChainHead.HashLength + AfterHash.Length)..^AfterHash.Length];
        return true;
    }
}
