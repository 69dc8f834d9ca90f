namespace Broker.Core.Audit.Sinks;

/// <summary>Where audit lines go. Not thread-safe; throws whatever goes wrong, and is tried again with later lines.</summary>
internal interface IAuditSink : IDisposable
{
    /// <summary>The name, for the log and for notes about losses.</summary>
    string Name { get; }

    /// <summary>Called before each batch. True when the batch begins an empty file, which should say what it follows.</summary>
    bool Begins() => false;

    /// <summary>Writes whole lines, each with its line break.</summary>
    void Append(ReadOnlySpan<byte> lines);

    /// <summary>Called after each batch; returns when it is stored as durably as configured.</summary>
    void Flush() { }
}
