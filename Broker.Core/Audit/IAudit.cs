namespace Broker.Core.Audit;

/// <summary>The record of what happened, to whom, and why. Every outcome is written here before its answer leaves (law L7).</summary>
public interface IAudit
{
    /// <summary>
    /// Returns when the record is written; records that arrive together share one write. Cancellation ends the wait,
    /// not the write: what happened is recorded even when nobody waits for the answer any more.
    /// </summary>
    /// <returns>True: it is written by itself. False: it is one of so many of its caller that it is counted, and written as a part of a sum.</returns>
    /// <exception cref="TooManyRefusedException">It is an order of a caller that has been refused too often within this minute: carry nothing out.</exception>
    /// <exception cref="AuditUnavailableException">The record could not be written: refuse what it would have granted.</exception>
    /// <exception cref="OperationCanceledException">The caller no longer waits.</exception>
    ValueTask<bool> WriteAsync(AuditRecord record, CancellationToken cancellation);

    /// <summary>Returns when the audit can be written: its sinks have accepted the lines that begin a start. Adds no record.</summary>
    /// <exception cref="AuditUnavailableException">It cannot be written: the message says what to fix.</exception>
    ValueTask TryAsync(CancellationToken cancellation) => ValueTask.CompletedTask;

    /// <summary>Where it is written, as of the last batch. A record counts as written when one of these accepts it, so that only this tells that another does not.</summary>
    IReadOnlyList<AuditSink> Sinks => [];
}

/// <summary>One of the places where the audit is written.</summary>
/// <param name="Name">A file's path, <c>stdout</c>, <c>syslog</c> or <c>otlp</c>.</param>
/// <param name="IsUp">Whether it accepts records.</param>
public sealed record AuditSink(string Name, bool IsUp);

/// <summary>The audit could not be written. The message says what to fix, and contains nothing of the record.</summary>
public class AuditUnavailableException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A caller has been refused so often within this minute that its orders are no longer written one by one (law L15).</summary>
public sealed class TooManyRefusedException() : AuditUnavailableException("The caller has been refused too often within this minute.");
