using Broker.Core.Catalog;

namespace Broker.Core.Ledger;

/// <summary>Claims on a database's connections and on the leases of its pools.</summary>
public sealed class ClaimLedger(LedgerClient client, Func<string> newLeaseId, SeenMarks seen)
{
    /// <summary>Makes several claims on one database in one round trip; answers in their order.</summary>
    public async ValueTask<IReadOnlyList<ClaimAnswer>> ClaimAsync(
        string database, PaceSettings pace, int mostInLine, IReadOnlyList<Claim> claims, CancellationToken cancellation)
    {
        var known = seen.Of(database);
        var (roles, asks) = Grouped(claims);
        var (reply, mark, _) = await client.TakeMarkedAsync(
            Decision.Claim, database, new(known, mostInLine, pace.Spacing(), pace.Tolerance(), newLeaseId(), roles, asks), cancellation);
        mark = Math.Max(mark, reply.Mark);
        seen.Saw(database, mark);
        client.Saw(database, mark);
        foreach (var verdict in reply.Verdicts)
            if (verdict is ClaimAnswer.Granted granted) (granted.Now, granted.Mark) = (reply.Now, mark);
        // A replica that has heard of nothing yet cannot know of any release.
        return known == 0 && mark > 0 && reply.Verdicts.Any(verdict => verdict is ClaimAnswer.Late)
            ? await LateAgainAsync(database, pace, mostInLine, claims, reply.Verdicts, cancellation)
            : reply.Verdicts;
    }

    // Only the late ones: another claim of the batch may have been told to issue, and is told so once.
    private async ValueTask<IReadOnlyList<ClaimAnswer>> LateAgainAsync(
        string database, PaceSettings pace, int mostInLine, IReadOnlyList<Claim> claims, IReadOnlyList<ClaimAnswer> verdicts, CancellationToken cancellation)
    {
        int[] late = [.. Enumerable.Range(0, claims.Count).Where(nth => verdicts[nth] is ClaimAnswer.Late)];
        var merged = verdicts.ToArray();
        try
        {
            var again = await ClaimAsync(database, pace, mostInLine, [.. late.Select(nth => claims[nth])], cancellation);
            for (var i = 0; i < late.Length; i++) merged[late[i]] = again[i];
        }
        catch (LedgerException)
        {
            // They stay late, and their callers ask again.
        }

        return merged;
    }

    /// <summary>A waiter gives up: its place in line and its reservation become free; it keeps what it holds.</summary>
    public async ValueTask AbandonAsync(string database, string holder, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.Abandon, database, new(holder), cancellation);

    // A rollout's claims differ only in their holders: the common part is sent once for all consecutive claims that share it.
    private static (List<RoleTerms> Roles, List<ClaimAsk> Asks) Grouped(IReadOnlyList<Claim> claims)
    {
        List<RoleTerms> roles = [];
        List<ClaimAsk> asks = [];
        for (var first = 0; first < claims.Count;)
        {
            var ask = claims[first];
            if (!roles.Contains(ask.Role)) roles.Add(ask.Role);
            var next = first + 1;
            while (next < claims.Count && claims[next].AsksLike(ask)) next++;
            var (holders, callers) = (new string[next - first], new string[next - first]);
            for (var i = first; i < next; i++) (holders[i - first], callers[i - first]) = (claims[i].Holder, HolderText.Of(claims[i]));
            asks.Add(new(roles.IndexOf(ask.Role) + 1, ask.Pool, ask.Want, ask.Least, ask.IssueWait, ask.LineWait, ask.Kind, ask.Party, ask.Breathes, ask.Lasts, ask.Allotment, holders, callers));
            first = next;
        }

        return (roles, asks);
    }
}

/// <summary>A batch of claims.</summary>
/// <param name="Seen">The highest mark that this replica had seen when it was sent.</param>
/// <param name="MostInLine">How many may wait in line.</param>
/// <param name="Spacing">The time between two users.</param>
/// <param name="Tolerance">How far ahead of the pace a burst may run.</param>
/// <param name="NewLeases">The beginning of the ids of new leases.</param>
/// <param name="Roles">The claims' roles.</param>
/// <param name="Asks">The claims; those that differ only in their holders are together.</param>
internal sealed record ClaimQuestion(
    long Seen, int MostInLine, TimeSpan Spacing, TimeSpan Tolerance, string NewLeases, IReadOnlyList<RoleTerms> Roles, IReadOnlyList<ClaimAsk> Asks);

/// <summary>What several claims ask for; <paramref name="Role"/> is the role's place in the question, from 1.</summary>
internal sealed record ClaimAsk(
    int Role, string Pool, int Want, int Least, TimeSpan IssueWait, TimeSpan LineWait, ClaimKind Kind, string Party, bool Breathes, bool Lasts, long? Allotment,
    IReadOnlyList<string> Holders, IReadOnlyList<string> Callers);

/// <summary>The time, the mark of the records that were read, and a verdict for each claim.</summary>
internal sealed record ClaimReply(DateTimeOffset Now, long Mark, IReadOnlyList<ClaimAnswer> Verdicts);

/// <summary>A waiter that gives up.</summary>
internal sealed record AbandonQuestion(string Holder);

/// <summary>What a waiter had.</summary>
internal enum AbandonAnswer
{
    /// <summary>Connections were reserved for it, and are free again.</summary>
    Freed,

    /// <summary>At most a place in line.</summary>
    Nothing,
}
