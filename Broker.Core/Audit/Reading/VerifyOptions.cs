namespace Broker.Core.Audit.Reading;

/// <summary>What an audit is verified against.</summary>
public sealed record VerifyOptions
{
    /// <summary>The EC keys of the checkpoints in PEM, public or private; none: signatures are not verified.</summary>
    public IReadOnlyCollection<string> KeysPem { get; init; } = [];

    /// <summary>Files that also contain checkpoints: the broker's log, or another sink's copy.</summary>
    public IReadOnlyCollection<string> Anchors { get; init; } = [];

    /// <summary>The sink that wrote the files (<c>-</c>, <c>syslog</c>, <c>otlp</c>); null: the audit's own file.</summary>
    public string? Sink { get; init; }

    /// <summary>Whether the last checkpoint must be beside the last file (default true); only the audit's own file has one.</summary>
    public bool WantsHead { get; init; } = true;

    /// <summary>The clock that decides what has waited too long for its checkpoint.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
