using System.Runtime.CompilerServices;

namespace Broker.Core.Ledger;

/// <summary>The holders of connections.</summary>
public sealed class HolderLedger(LedgerClient client, SeenMarks seen)
{
    private const int AtOnce = 500;

    // So few at once also because replicas hear of all that one decision did to holders in one round.
    private const int PodsAtOnce = 1000;

    /// <summary>A holder leaves; its connections become free at once.</summary>
    /// <param name="database">The database.</param>
    /// <param name="holder">The holder.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="till">The ledger's time until when somebody waits for it; carried out later it changes nothing. Null: no limit.</param>
    /// <returns>
    /// What it had, null when there is no such holder; and the mark at which it left, which the ledger reports even for a holder that it does not
    /// know.
    /// </returns>
    public async ValueTask<(ReleasedHolder? Had, long Mark)> ReleaseAsync(string database, string holder, CancellationToken cancellation, DateTimeOffset? till = null)
    {
        var (answer, mark, _) = await client.TakeMarkedAsync(Decision.Release, database, new(holder, till), cancellation);
        seen.Saw(database, mark);
        if (answer is ReleaseAnswer.Late) throw new LedgerException("The ledger came to the release too late: its holder may have come again meanwhile.");
        return (answer is ReleaseAnswer.Released released ? new(released.Lease, released.Connections, released.EndsIn) : null, mark);
    }

    /// <summary>
    /// Pods are gone: their holders end, and their open connections count until the database is counted again (law L2).
    /// </summary>
    /// <param name="database">The database.</param>
    /// <param name="owners">The pods, by their <see cref="Identity.Caller.OwnerHash"/>.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>The holders that ended, some at a time, and the mark at which they did.</returns>
    public async IAsyncEnumerable<(IReadOnlyList<EndedHolder> Ended, long Mark)> PodsGoneAsync(
        string database, IReadOnlyList<string> owners, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var (endsFrom, skip) = (DateTimeOffset.UnixEpoch, 0);
        while (true)
        {
            var (answer, mark, _) = await client.TakeMarkedAsync(Decision.PodsGone, database, new(owners, endsFrom, skip, PodsAtOnce), cancellation);
            if (answer.Ended.Count > 0) yield return (answer.Ended, mark);
            if (answer.Looked < PodsAtOnce) yield break;
            (endsFrom, skip) = (answer.EndsFrom, answer.Skip);
        }
    }

    /// <summary>
    /// The holders of a lease, or of all leases (null), that end first, among the database's <paramref name="most"/> holders that end first.
    /// </summary>
    /// <remarks>They are read a few at a time, so that no read holds up the ledger for long; a holder that renews meanwhile is returned once.</remarks>
    public async ValueTask<IReadOnlyList<HolderRecord>> HoldersAsync(string database, string? lease, int most, CancellationToken cancellation)
    {
        var found = new Dictionary<string, HolderRecord>(StringComparer.Ordinal);
        var (endsFrom, skip, left) = (DateTimeOffset.UnixEpoch, 0, most);
        while (left > 0)
        {
            // Holders of other leases are read too: the start of the next read depends on all of them.
            var asked = Math.Min(AtOnce, left);
            var reply = await client.TakeAsync(Decision.Holders, database, new(endsFrom, skip, asked), cancellation);
            foreach (var entry in reply.Holders)
            {
                if (lease is null || entry.Lease == lease) found[entry.Id] = RecordOf(entry);
            }

            if (reply.Looked < asked || reply.Holders.Count == 0) break;
            left -= asked;
            var last = reply.Holders[^1].EndsAt;
            var atLast = reply.Holders.Count(entry => entry.EndsAt == last);
            skip = last == endsFrom ? skip + reply.Looked : atLast;
            endsFrom = last;
        }

        return [.. found.Values];
    }

    private static HolderRecord RecordOf(HolderEntry entry)
    {
        var (caller, node, team, since) = HolderText.Read(entry.Caller);
        return new(entry.Id, caller, entry.Connections, entry.EndsAt, entry.Waiting) { Lease = entry.Lease, Node = node, Team = team, Since = since, Party = entry.Party, DownTo = entry.DownTo, Least = entry.Least };
    }
}

/// <summary>A holder as the ledger has it.</summary>
/// <param name="Id">The holder's id.</param>
/// <param name="Caller">Its name, for people.</param>
/// <param name="Connections">Connections granted.</param>
/// <param name="EndsAt">Its end.</param>
/// <param name="Waiting">It has connections reserved and waits for its login.</param>
public sealed record HolderRecord(string Id, string Caller, int Connections, DateTimeOffset EndsAt, bool Waiting)
{
    /// <summary>Its lease; empty while it only waits for one.</summary>
    public string Lease { get; init; } = "";

    /// <summary>Its role, with which its id begins.</summary>
    public string Role => Id.Split('.', 2)[0];

    /// <summary>The node its pod runs on; null: not known.</summary>
    public string? Node { get; init; }

    /// <summary>The team it is counted with; null: none.</summary>
    public string? Team { get; init; }

    /// <summary>Its party, which shares the database fairly with others: its role, or a team that has terms of its own.</summary>
    public string Party { get; init; } = "";

    /// <summary>The size that it is asked to go down to and has not confirmed; its connections when nothing is asked of it.</summary>
    public int DownTo { get; init; } = Connections;

    /// <summary>The least to which it goes down when others need connections; its connections when it does not follow sizes.</summary>
    public int Least { get; init; } = Connections;

    /// <summary>Since when it has been a holder; null: the ledger lost that.</summary>
    public DateTimeOffset? Since { get; init; }
}

/// <summary>A holder as it is on the wire.</summary>
internal sealed record HolderEntry(string Id, string Lease, string Caller, int Connections, DateTimeOffset EndsAt, bool Waiting, string Party, int DownTo, int Least);

/// <summary>A holder that ended with its pod.</summary>
/// <param name="Holder">The holder's id.</param>
/// <param name="Lease">Its lease; empty while it only waited for one.</param>
/// <param name="Connections">Connections granted to it.</param>
public sealed record EndedHolder(string Holder, string Lease, int Connections);

/// <summary>The pods that are gone; the end from which to look, how many that have it to skip, and how many to look at.</summary>
internal sealed record PodsGoneQuestion(IReadOnlyList<string> Owners, DateTimeOffset EndsFrom, int Skip, int Most);

/// <summary>The holders that ended with them, how many were looked at, and where to continue.</summary>
internal sealed record PodsGoneReply(IReadOnlyList<EndedHolder> Ended, int Looked, DateTimeOffset EndsFrom, int Skip);

/// <summary>What a holder had when it left.</summary>
/// <param name="Lease">The lease; empty while it only waited for one.</param>
/// <param name="Connections">Its connections.</param>
/// <param name="EndsIn">Until the end it would have had.</param>
public sealed record ReleasedHolder(string Lease, int Connections, TimeSpan EndsIn);

/// <summary>The holder that leaves.</summary>
internal sealed record ReleaseQuestion(string Holder, DateTimeOffset? Till);

/// <summary>The outcome of leaving.</summary>
internal abstract record ReleaseAnswer
{
    /// <summary>It had this; the lease's name is empty while it only waited for one.</summary>
    public sealed record Released(string Lease, int Connections, TimeSpan EndsIn) : ReleaseAnswer;

    /// <summary>There is no such holder.</summary>
    public sealed record Nothing : ReleaseAnswer;

    /// <summary>Nobody waits for it any more: nothing was done.</summary>
    public sealed record Late : ReleaseAnswer;
}

/// <summary>The end from which to read, how many holders with that end to skip, and how many to read.</summary>
internal sealed record HoldersQuestion(DateTimeOffset EndsFrom, int Skip, int Most);

/// <summary>How many were read, and the holders found.</summary>
internal sealed record HoldersReply(int Looked, IReadOnlyList<HolderEntry> Holders);
