using System.Collections.Concurrent;
using System.Globalization;
using Broker.Core.Catalog;

namespace Broker.Core.Ledger;

/// <summary>
/// The shared memory of all replicas: claims and holders (this file), leases, duties, budgets. Each method is one decision,
/// taken atomically in the store and by the store's clock (law L9). All throw <see cref="LedgerException"/> when the store does
/// not answer.
/// </summary>
public sealed partial class SharedLedger(ILedgerStore store)
{
    /// <summary>Where what belongs to issuers and to no database is kept; no database can have this name.</summary>
    public const string Issuers = "~issuers";

    /// <summary>
    /// The version of the records this program writes. Two versions of the broker may work on one ledger while one replaces
    /// the other as long as this number stays; one that finds a higher number keeps its hands off: every decision fails. It stands in
    /// <c>common.lua</c> too.
    /// </summary>
    public const int Schema = 1;

    /// <summary>How long a holder that moves may have the connections of both leases open.</summary>
    public static readonly TimeSpan Overlap = TimeSpan.FromSeconds(60);

    // The highest sequence number seen of each database: a ledger that answers a lower one has lost its last writes (law L8).
    private readonly ConcurrentDictionary<string, long> seen = new(StringComparer.Ordinal);

    /// <summary>Makes several claims on one database in one round trip; answers in their order.</summary>
    public async ValueTask<ClaimAnswer[]> ClaimAsync(
        string database, PaceSettings pace, int mostInLine, IReadOnlyList<Claim> claims, CancellationToken cancellation)
    {
        var answer = await store.DecideAsync(
            Decision.Claim,
            database,
            [Text(seen.GetValueOrDefault(database)), Text(mostInLine), Spacing(pace), Tolerance(pace), NewLeaseId(), .. WordsOf(claims)],
            cancellation);
        var now = long.Parse(answer[0], CultureInfo.InvariantCulture);
        Saw(database, long.Parse(answer[1], CultureInfo.InvariantCulture));
        var answers = new ClaimAnswer[claims.Count];
        for (var i = 0; i < answers.Length; i++) answers[i] = ReadClaim(answer[2 + i].Split('|'), now);
        return answers;
    }

    // A rollout's claims are alike but for whose they are: what one asks for is said once for all behind it that ask the same.
    private static List<string> WordsOf(IReadOnlyList<Claim> claims)
    {
        List<RoleTerms> roles = [];
        List<string> terms = [], words = [];
        var asks = 0;
        for (var first = 0; first < claims.Count; asks++)
        {
            var ask = claims[first];
            if (!roles.Contains(ask.Role))
            {
                roles.Add(ask.Role);
                terms.AddRange([Text(ask.Role.Seats), Text(ask.Role.HolderTtl), Text(ask.Role.MaxHolders), Text(ask.Role.IdleTtl), ask.Role.Name]);
            }

            var next = first + 1;
            while (next < claims.Count && claims[next].AsksLike(ask)) next++;
            words.AddRange([
                Text(roles.IndexOf(ask.Role) + 1), ask.Pool, Text(ask.Want), Text(ask.Least), Text(ask.IssueWait), Text(ask.LineWait), KindText(ask.Kind),
                Text(next - first)]);
            for (; first < next; first++) words.AddRange([claims[first].Holder, claims[first].Caller]);
        }

        return [Text(roles.Count), .. terms, Text(asks), .. words];
    }

    /// <summary>A holder leaves; its connections come free at once.</summary>
    /// <returns>What it had; null when there is no such holder.</returns>
    public async ValueTask<(string Lease, int Connections)?> ReleaseAsync(string database, string holder, CancellationToken cancellation)
    {
        var answer = await store.DecideAsync(Decision.Release, database, [holder, "all"], cancellation);
        return answer.Length == 0 ? null : (answer[0], Number(answer[1]));
    }

    /// <summary>A waiter gives up: its place in line and what was reserved for it come free; what it holds it keeps.</summary>
    public async ValueTask AbandonAsync(string database, string holder, CancellationToken cancellation) =>
        await store.DecideAsync(Decision.Release, database, [holder, "reserved"], cancellation);

    /// <summary>The holders of a lease that end first, among the database's <paramref name="most"/> holders that end first.</summary>
    public async ValueTask<IReadOnlyList<HolderRecord>> HoldersAsync(string database, string lease, int most, CancellationToken cancellation)
    {
        var v = await store.DecideAsync(Decision.Holders, database, [lease, Text(most)], cancellation);
        var found = new List<HolderRecord>(v.Length / 5);
        for (var i = 0; i + 4 < v.Length; i += 5) found.Add(new(v[i], v[i + 4], Number(v[i + 1]), Time(v[i + 2])!.Value, v[i + 3] == "r"));
        return found;
    }

    /// <summary>Hears signals about a database; see <see cref="ILedgerStore.Listen"/>.</summary>
    public IDisposable Listen(string database, Action<string> heard) => store.Listen(database, heard);

    private void Saw(string database, long sequence)
    {
        if (sequence > seen.GetValueOrDefault(database))
            seen.AddOrUpdate(database, sequence, (_, known) => Math.Max(known, sequence));
    }

    private static ClaimAnswer ReadClaim(string[] v, long now) => v[0] switch
    {
        "granted" => new ClaimAnswer.Granted(
            v[1], Number(v[2]), Time(v[3])!.Value, Until(v[3], now), Time(v[4])!.Value, Until(v[4], now), Time(v[5])!.Value, v[6].Length == 0 ? null : Milliseconds(v[6]), v[7] == "1",
            v[8].Length == 0 ? null : Number(v[8])),
        "issue" => new ClaimAnswer.Issue(v[1], long.Parse(v[2], CultureInfo.InvariantCulture), Milliseconds(v[3])),
        "wait" => new ClaimAnswer.Wait(v[1], Milliseconds(v[2])),
        "line" => new ClaimAnswer.InLine(Number(v[1]), Number(v[2]), Number(v[3])),
        "short" => new ClaimAnswer.Exhausted(Number(v[1]), Number(v[2]), Number(v[3]), v[4] == "-1" ? null : Milliseconds(v[4])),
        "full" => new ClaimAnswer.LineFull(Number(v[1]), Number(v[2])),
        "throttled" => new ClaimAnswer.Throttled(Milliseconds(v[1])),
        "failed" => new ClaimAnswer.Failed(Milliseconds(v[1]), string.Join('|', v[2..])),
        "stale" => new ClaimAnswer.Stale(),
        "unknown" => new ClaimAnswer.Unknown(),
        var other => throw Misunderstood("a claim", other),
    };

    private static string KindText(ClaimKind kind) => kind switch
    {
        ClaimKind.Claim => "claim",
        ClaimKind.Renew => "renew",
        _ => "stay",
    };
}
