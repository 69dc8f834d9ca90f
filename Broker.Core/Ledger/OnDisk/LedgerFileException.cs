namespace Broker.Core.Ledger.OnDisk;

/// <summary>What is wrong with the ledger's file; nothing is decided meanwhile.</summary>
public enum FileFault
{
    /// <summary>Another broker works on it.</summary>
    InUse,

    /// <summary>It is not as it was written.</summary>
    Damaged,

    /// <summary>It cannot be opened, read or written.</summary>
    Unusable,
}

/// <summary>The ledger's file cannot be worked on; the message says why, and what to do.</summary>
public sealed class LedgerFileException(FileFault fault, string message, Exception? inner = null) : LedgerException(message, inner)
{
    /// <summary>What is wrong with it.</summary>
    public FileFault Fault { get; } = fault;
}
