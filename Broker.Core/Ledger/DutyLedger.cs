namespace Broker.Core.Ledger;

/// <summary>Work that is due at a time: any replica may take it, and one at a time does it.</summary>
public sealed class DutyLedger(LedgerClient client)
{
    /// <summary>
    /// How long a new ledger grants nothing: if it is not new but has lost everything, the replicas first restore what they remember
    /// (law L8). A ledger of this process alone grants at once.
    /// </summary>
    public static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(1500);

    private const int LongestFailure = 500;

    /// <summary>Takes duties that are due; a duty that is not done in time passes to another replica.</summary>
    /// <param name="database">The database, or <see cref="SharedLedger.Issuers"/>.</param>
    /// <param name="standing">Duties that always exist; added when they are missing, for example after the ledger lost everything.</param>
    /// <param name="most">How many to take at most.</param>
    /// <param name="takenFor">How long they are this replica's.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="epoch">The epoch in which this replica told what it remembers; in another one it takes nothing. Null: it remembers nothing.</param>
    /// <param name="since">The mark up to which this replica has heard what happened to holders; 0: it has heard nothing yet.</param>
    /// <param name="atLeast">
    /// The least that the ledger's time is, as far as this replica knows: a ledger whose time is more than a second behind continues from there
    /// (law L9). Null: it does not know.
    /// </param>
    public async ValueTask<DueAnswer> DueAsync(
        string database, IReadOnlyList<string> standing, int most, TimeSpan takenFor, CancellationToken cancellation, string? epoch = null, long since = 0,
        DateTimeOffset? atLeast = null)
    {
        var (reply, _, known) = await client.TakeMarkedAsync(Decision.Due, database, new(most, takenFor, client.Settling, epoch, since, atLeast, standing), cancellation);
        client.Saw(database, reply.HeardTo);
        return new(known, reply.Now, reply.HeardTo, reply.Gap, reply.Moved, reply.Taken);
    }

    /// <summary>A duty is done, or failed.</summary>
    /// <param name="database">The database, or <see cref="SharedLedger.Issuers"/>.</param>
    /// <param name="duty">The duty.</param>
    /// <param name="next">When it is due again; null: never.</param>
    /// <param name="failure">What failed; null: it is done.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask DoneAsync(string database, TakenDuty duty, TimeSpan? next, string? failure, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.Done, database, new(duty.Name, duty.Token, next, failure is { Length: > LongestFailure } ? failure[..LongestFailure] : failure), cancellation);

    /// <summary>Makes a duty due now.</summary>
    public async ValueTask HurryAsync(string database, string kind, string subject, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.Hurry, database, new(kind, subject), cancellation);

    /// <summary>The duties, the earliest first, at most this many.</summary>
    public async ValueTask<IReadOnlyList<DutyRecord>> DutiesAsync(string database, int most, CancellationToken cancellation) =>
        (await client.TakeAsync(Decision.Duties, database, new(most), cancellation)).Duties;
}

/// <summary>A duty taken by this replica until its token runs out.</summary>
/// <param name="Name"><c>KIND</c> or <c>KIND:SUBJECT</c>.</param>
/// <param name="Token">Proves the taking.</param>
/// <param name="Failures">How often it failed in a row.</param>
public sealed record TakenDuty(string Name, string Token, int Failures);

/// <summary>The duties that are due, and the state of the ledger.</summary>
/// <param name="Epoch">If it differs from the one before, the ledger has lost something since (law L8).</param>
/// <param name="Now">The ledger's time.</param>
/// <param name="HeardTo">The mark up to which <paramref name="Moved"/> is complete.</param>
/// <param name="Gap">Something may have happened that is no longer reported.</param>
/// <param name="Moved">Holders that left, or have another lease.</param>
/// <param name="Taken">The duties, taken.</param>
public sealed record DueAnswer(string Epoch, DateTimeOffset Now, long HeardTo, bool Gap, IReadOnlyList<GoneHolder> Moved, IReadOnlyList<TakenDuty> Taken);

/// <summary>A duty as the ledger has it.</summary>
/// <param name="Name"><c>KIND</c> or <c>KIND:SUBJECT</c>.</param>
/// <param name="DueAt">When it is due next.</param>
/// <param name="Late">For how long it has been due, and no replica has taken it; zero: it is not due yet.</param>
/// <param name="UnderWay">Whether a replica is at it.</param>
/// <param name="Failures">How often it failed in a row.</param>
/// <param name="FailingSince">Since when; null while it does not fail.</param>
/// <param name="Why">What failed last; empty while it does not fail.</param>
public sealed record DutyRecord(string Name, DateTimeOffset DueAt, TimeSpan Late, bool UnderWay, int Failures, DateTimeOffset? FailingSince, string Why);

/// <summary>A replica that takes duties; see <see cref="DutyLedger.DueAsync"/>.</summary>
internal sealed record DueQuestion(int Most, TimeSpan TakenFor, TimeSpan Settling, string? Epoch, long Since, DateTimeOffset? AtLeast, IReadOnlyList<string> Standing);

/// <summary>The ledger's answer to a replica that takes duties; see <see cref="DueAnswer"/>.</summary>
internal sealed record DueReply(DateTimeOffset Now, long HeardTo, bool Gap, IReadOnlyList<GoneHolder> Moved, IReadOnlyList<TakenDuty> Taken);

/// <summary>A duty that is done (until <paramref name="Next"/>; null: it never recurs), or failed.</summary>
internal sealed record DoneQuestion(string Name, string Token, TimeSpan? Next, string? Failure);

/// <summary>The outcome of reporting a duty.</summary>
internal enum DutyDoneAnswer
{
    /// <summary>It is recorded.</summary>
    Ok,

    /// <summary>Its time was up, and another replica has it.</summary>
    Lost,
}

/// <summary>The earliest duties, at most this many.</summary>
internal sealed record DutiesQuestion(int Most);

/// <summary>The duties.</summary>
internal sealed record DutiesReply(IReadOnlyList<DutyRecord> Duties);

/// <summary>A duty that is due now.</summary>
internal sealed record HurryQuestion(string Kind, string Subject);
