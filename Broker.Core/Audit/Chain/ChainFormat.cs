using System.Text.Json;

namespace Broker.Core.Audit.Chain;

/// <summary>
/// How a line of the chain ends: <c>…,"chain":"id","seq":7,"hash":"…"}</c>. The hash is the SHA-256 of the hash before it
/// and the line's own bytes up to the hash, so a reader needs no canonical form: it hashes the bytes it sees.
/// </summary>
internal static class ChainFormat
{
    public static readonly JsonEncodedText Chain = JsonEncodedText.Encode("chain");
    public static readonly JsonEncodedText Seq = JsonEncodedText.Encode("seq");
    public static readonly JsonEncodedText Time = JsonEncodedText.Encode("time");
    public static readonly JsonEncodedText Event = JsonEncodedText.Encode("event");

    /// <summary>A file begins, or continues after a restart; <see cref="After"/> is the hash of the record before.</summary>
    public const string Opened = "opened";

    /// <summary>In <see cref="Opened"/>: a broker started here.</summary>
    public const string Started = "started";

    /// <summary>In <see cref="Opened"/>: an empty file begins here. Only there may the files before it be missing.</summary>
    public const string NewFile = "newFile";

    /// <summary>In <see cref="Opened"/>: the end of another chain in the same file.</summary>
    public const string Behind = "behind";

    /// <summary>In <see cref="Opened"/>: what the broker found wrong with its file at its start.</summary>
    public const string Doubt = "doubt";

    /// <summary>A signature over the chain up to here, including this line.</summary>
    public const string Checkpoint = "checkpoint";

    /// <summary>
    /// A sink that lost records gets the following ones; it lost those from <see cref="LostFrom"/> to <see cref="LostTo"/>. The
    /// hash of the record before them (<see cref="Last"/>) and of the last of them (<see cref="After"/>) bind what the sink has.
    /// </summary>
    public const string Resumed = "resumed";

    public const string Last = "last";

    public const string After = "after";
    public const string Torn = "torn";
    public const string Hash = "hash";
    public const string Head = "head";
    public const string Why = "why";
    public const string Key = "key";
    public const string Signature = "signature";
    public const string Sink = "sink";
    public const string LostFrom = "lostFrom";
    public const string LostTo = "lostTo";

    /// <summary>The broker ended properly: nothing follows.</summary>
    public const string Closed = "closed";

    /// <summary>The most records between two checkpoints.</summary>
    public const int CheckpointEvery = 1000;

    /// <summary>The longest time between a record and its checkpoint.</summary>
    public static readonly TimeSpan CheckpointWithin = TimeSpan.FromSeconds(1);

    public static ReadOnlySpan<byte> BeforeSignature => ",\"signature\":\""u8;

    public static ReadOnlySpan<byte> BeforeHash => ",\"hash\":\""u8;

    public static ReadOnlySpan<byte> AfterHash => "\"}"u8;

    /// <summary>Splits a line into the hashed part and its hash. False when it is not a line of a chain.</summary>
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
