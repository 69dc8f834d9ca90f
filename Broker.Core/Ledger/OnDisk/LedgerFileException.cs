namespace Broker.Core.Ledger.OnDisk;

/// <summary>What is wrong with the ledger's file. Nothing is decided meanwhile.</summary>
public enum FileFault
{
    /// <summary>Another broker uses it.</summary>
    InUse,

    /// <summary>It is not as it was written.</summary>
    Damaged,

    /// <summary>It cannot be opened, read or written.</summary>
    Unusable,
}

/// <summary>The ledger's file cannot be used; the message says why, and what to do.</summary>
public sealed class LedgerFileException(FileFault fault, string message, Exception? inner = null) : LedgerException(message, inner)
{
    /// <summary>What is wrong with it.</summary>
    public FileFault Fault { get; } = fault;
}
