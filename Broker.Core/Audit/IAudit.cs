namespace Broker.Core.Audit;

/// <summary>What happened, to whom, and why. Every outcome is written here before its answer leaves (law L7).</summary>
public interface IAudit
{
    /// <summary>
    /// Returns when the record is written; many records that come together share one write. Cancellation ends the wait,
    /// not the writing: what happened is recorded even when nobody waits for the answer any more.
    /// </summary>
    /// <exception cref="AuditUnavailableException">The record could not be written: refuse what it would have granted.</exception>
    /// <exception cref="OperationCanceledException">The caller waits no more.</exception>
    ValueTask WriteAsync(AuditRecord record, CancellationToken cancellation);

    /// <summary>Returns when the audit can be written: what its sinks are told at a start has been taken, and no record was made of it.</summary>
    /// <exception cref="AuditUnavailableException">It cannot: the message says what to mend.</exception>
    ValueTask TryAsync(CancellationToken cancellation) => ValueTask.CompletedTask;
}

/// <summary>The audit could not be written. The message says what to mend; it holds nothing of the record.</summary>
public sealed class AuditUnavailableException(string message, Exception? inner = null) : Exception(message, inner);
