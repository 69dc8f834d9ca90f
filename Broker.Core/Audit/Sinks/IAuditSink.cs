namespace Broker.Core.Audit.Sinks;

/// <summary>Where audit lines go. One thread at a time; whatever goes wrong is thrown, and tried again with later lines.</summary>
internal interface IAuditSink : IDisposable
{
    /// <summary>For the log and for the note of what it lost.</summary>
    string Name { get; }

    /// <summary>Before each batch. True: what comes begins an empty file, which should say what it follows.</summary>
    bool Begins() => false;

    /// <summary>Takes whole lines, each with its line break.</summary>
    void Append(ReadOnlySpan<byte> lines);

    /// <summary>After each batch: returns when it is as safe as it was configured to be.</summary>
    void Flush() { }
}
