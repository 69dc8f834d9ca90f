namespace Broker.Core.Ledger;

/// <summary>
/// Where decisions run: in Redis, shared by all replicas, or in the process itself for one replica. A decision is atomic: no other
/// decision on the same database sees a part of it.
/// </summary>
public interface ILedgerStore : IAsyncDisposable
{
    /// <summary>
    /// Whether it ends with this process and no other has seen it (default false): an empty store is then new, and no replica can remember
    /// anything of it (law L8).
    /// </summary>
    bool IsOfThisProcess => false;

    /// <summary>A name for a client that is about to take decisions here (default: a random one); no other client has the same.</summary>
    string NewVoice() => Guid.NewGuid().ToString("N")[..12];

    /// <summary>Runs one decision on one database's keys.</summary>
    /// <param name="decision">Which.</param>
    /// <param name="database">The database's name in the catalog; for a database on another's server <c>SERVER/DATABASE</c> (<see cref="LedgerKeys"/>).</param>
    /// <param name="arguments">The question, as <see cref="Decision{TAsked, TAnswer}"/> writes it.</param>
    /// <param name="cancellation">Ends the wait; the decision may have been made anyway.</param>
    /// <returns>The script's answer, as texts.</returns>
    /// <exception cref="LedgerException">The store did not answer. The decision may have been made.</exception>
    ValueTask<string[]> DecideAsync(Decision decision, string database, IReadOnlyList<string> arguments, CancellationToken cancellation);

    /// <summary>
    /// Whether everything that decisions do is permitted where these databases' records are, and what is written stays (default: it is, and it does).
    /// </summary>
    /// <param name="databases">As <see cref="DecideAsync"/> takes them; those of earlier calls are checked as well.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>Why no decision may be taken, in words (null: nothing prevents it), and what else its operator should know (null: nothing).</returns>
    /// <exception cref="LedgerException">The store did not answer.</exception>
    ValueTask<(string? WhyNot, string? Note)> LookAsync(IReadOnlyList<string> databases, CancellationToken cancellation) =>
        ValueTask.FromResult<(string? WhyNot, string? Note)>((null, null));

    /// <summary>
    /// Hears what decisions signal about a database: <c>line</c> (a waiter in line was served), <c>pool:NAME</c> (a lease of the
    /// pool changed its state), <c>sampled</c>, <c>landed</c> (a call that changed users is over). A signal can be lost: waiters ask again after a second at the latest.
    /// </summary>
    /// <returns>Dispose it to stop listening.</returns>
    IDisposable Listen(string database, Action<string> heard);
}

/// <summary>The ledger did not answer. Refused as <c>ledger-unavailable</c>.</summary>
public class LedgerException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The ledger answers, but does not permit this broker what a decision does: its rights must be checked again.</summary>
public sealed class ForbiddenDecisionException(string message, Exception? inner = null) : LedgerException(message, inner);

/// <summary>The ledger's records contradict each other: it decides nothing, and the message says what to do.</summary>
public sealed class BrokenBooksException(string message, Exception? inner = null) : LedgerException(message, inner)
{
    /// <summary>The beginning of the scripts' message about it.</summary>
    internal const string Sign = "BROKEN BOOKS: ";
}

/// <summary>A decision's script failed: it met records that it does not know, those of a newer version among them.</summary>
/// <param name="message">What it said.</param>
public sealed class ScriptFailedException(string message) : LedgerException(message);
