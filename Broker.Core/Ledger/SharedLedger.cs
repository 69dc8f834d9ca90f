using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Words;

namespace Broker.Core.Ledger;

/// <summary>
/// The shared memory of all replicas: pools, leases, holders, budgets, duties. Each method is one decision, taken atomically
/// in the store and by the store's clock (law L9). All throw <see cref="LedgerException"/> when the store does not answer.
/// </summary>
public sealed class SharedLedger(ILedgerStore store)
{
    /// <summary>Where what belongs to issuers and to no database is kept; no database can have this name.</summary>
    public const string Issuers = "~issuers";

    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(60);

    /// <summary>Makes several claims on one database in one round trip; answers in their order.</summary>
    public async ValueTask<ClaimAnswer[]> ClaimAsync(
        string database, PaceSettings pace, int mostInLine, IReadOnlyList<Claim> claims, CancellationToken cancellation)
    {
        var roles = new List<RoleTerms>(1);
        var words = new List<string>(16 + 10 * claims.Count) { Text(mostInLine), Spacing(pace), Tolerance(pace), "" };
        foreach (var claim in claims)
        {
            if (roles.Contains(claim.Role)) continue;
            roles.Add(claim.Role);
            words.AddRange([Text(claim.Role.Seats), Text(claim.Role.HolderTtl), Text(claim.Role.MaxHolders), Text(claim.Role.IdleTtl), claim.Role.Name]);
        }

        words[3] = Text(roles.Count);
        words.Add(Text(claims.Count));
        foreach (var claim in claims)
        {
            words.Add(claim.Holder);
            words.Add(Text(roles.IndexOf(claim.Role) + 1));
            words.Add(claim.Pool);
            words.Add(Text(claim.Want));
            words.Add(Text(claim.Least));
            words.Add(Text(claim.IssueWait));
            words.Add(Text(claim.LineWait));
            words.Add(NewLeaseId());
            words.Add(KindText(claim.Kind));
            words.Add(claim.Caller);
        }

        var answer = await store.DecideAsync(Decision.Claim, database, words, cancellation);
        var now = long.Parse(answer[0], CultureInfo.InvariantCulture);
        var answers = new ClaimAnswer[claims.Count];
        for (var i = 0; i < answers.Length; i++) answers[i] = ReadClaim(answer.AsSpan(1 + i * 6, 6), now);
        return answers;
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

    /// <summary>Just before the issuer is asked: may it be?</summary>
    public async ValueTask<BeginAnswer> BeginAsync(
        string database, string lease, long fence, string? username, PaceSettings pace, CancellationToken cancellation)
    {
        var answer = await store.DecideAsync(
            Decision.Begin, database, [lease, Text(fence), username ?? "", Spacing(pace), Tolerance(pace), Text(pace.InFlight)], cancellation);
        return answer[0] switch
        {
            "go" => new BeginAnswer.Go(Time(answer[1])!.Value),
            "wait" => new BeginAnswer.NotYet(Milliseconds(answer[1])),
            _ => new BeginAnswer.Overtaken(),
        };
    }

    /// <summary>Says that the attempt is alive. False: another has taken over.</summary>
    public async ValueTask<bool> BeatAsync(string database, string lease, long fence, CancellationToken cancellation) =>
        (await store.DecideAsync(Decision.Beat, database, [lease, Text(fence)], cancellation))[0] == "ok";

    /// <summary>Writes down what the issuer made. False: another attempt has taken over, and what was made must be revoked.</summary>
    public async ValueTask<bool> IssuedAsync(
        string database, string lease, long fence, string issuerId, string username, string sealedLogin, TimeSpan life, TimeSpan elapsed, bool renewable,
        CancellationToken cancellation) =>
        (await store.DecideAsync(
            Decision.Issued,
            database,
            [lease, Text(fence), issuerId, username, sealedLogin, Text(life), Text(elapsed), renewable ? "1" : "0"],
            cancellation))[0] == "ok";

    /// <summary>The login worked: the lease takes holders. False: another attempt has taken over.</summary>
    public async ValueTask<bool> ActivateAsync(string database, string lease, long fence, CancellationToken cancellation) =>
        (await store.DecideAsync(Decision.Activate, database, [lease, Text(fence)], cancellation))[0] == "ok";

    /// <summary>The attempt failed; its pool pauses, the longer the more often in a row.</summary>
    /// <param name="database">The database.</param>
    /// <param name="lease">The lease that was being issued.</param>
    /// <param name="fence">The attempt's fencing number.</param>
    /// <param name="mayExist">Whether a user may exist (<see cref="LeaseState.Unknown"/>) or surely does not (<see cref="LeaseState.Failed"/>).</param>
    /// <param name="why">Told to those who wait and to the DBA.</param>
    /// <param name="floor">The shortest pause.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask FailAsync(
        string database, string lease, long fence, bool mayExist, string why, TimeSpan floor, CancellationToken cancellation) =>
        await store.DecideAsync(
            Decision.Fail,
            database,
            [lease, Text(fence), mayExist ? "Unknown" : "Failed", why, Text(floor), Text(floor > LongestPause ? floor : LongestPause)],
            cancellation);

    /// <summary>Writes a count of the database's connections.</summary>
    public async ValueTask SampleAsync(
        string database, int capacity, int limit, int reserved, int ceiling, int foreign, TimeSpan staleAfter, CancellationToken cancellation) =>
        await store.DecideAsync(
            Decision.Sample, database, [Text(capacity), Text(limit), Text(reserved), Text(ceiling), Text(foreign), Text(staleAfter)], cancellation);

    /// <summary>The budget as it stands.</summary>
    public async ValueTask<BudgetRecord> BudgetAsync(string database, IReadOnlyList<string> roles, CancellationToken cancellation)
    {
        var v = await store.DecideAsync(Decision.Budget, database, roles, cancellation);
        var uses = new List<RoleUse>();
        for (var i = 9; i + 2 < v.Length; i += 3) uses.Add(new(v[i], Number(v[i + 1]), Number(v[i + 2])));
        return new(Time(v[0])!.Value, Time(v[1]), Number(v[2]), Number(v[3]), Number(v[4]), Number(v[5]), Number(v[6]), Number(v[7]), Number(v[8]), uses);
    }

    /// <summary>The leases, oldest first, at most so many.</summary>
    public async ValueTask<IReadOnlyList<LeaseRecord>> LeasesAsync(string database, int most, CancellationToken cancellation) =>
        ReadLeases(database, await store.DecideAsync(Decision.Leases, database, [Text(most)], cancellation));

    /// <summary>One lease; null when the ledger does not know it.</summary>
    public async ValueTask<LeaseRecord?> LeaseAsync(string database, string lease, CancellationToken cancellation) =>
        ReadLeases(database, await store.DecideAsync(Decision.Leases, database, ["1", lease], cancellation)).SingleOrDefault();

    /// <summary>The holders of a lease that end first, among the database's <paramref name="most"/> holders that end first.</summary>
    public async ValueTask<IReadOnlyList<HolderRecord>> HoldersAsync(string database, string lease, int most, CancellationToken cancellation)
    {
        var v = await store.DecideAsync(Decision.Holders, database, [lease, Text(most)], cancellation);
        var found = new List<HolderRecord>(v.Length / 5);
        for (var i = 0; i + 4 < v.Length; i += 5) found.Add(new(v[i], v[i + 4], Number(v[i + 1]), Time(v[i + 2])!.Value, v[i + 3] == "r"));
        return found;
    }

    /// <summary>The issuer gave a lease more time. False: the lease is over.</summary>
    public async ValueTask<bool> RenewedAsync(
        string database, string lease, TimeSpan duration, TimeSpan elapsed, bool renewable, TimeSpan nextRenewal, CancellationToken cancellation) =>
        (await store.DecideAsync(
            Decision.Renewed, database, [lease, Text(duration), Text(elapsed), renewable ? "1" : "0", Text(nextRenewal)], cancellation))[0] == "ok";

    /// <summary>Moves a lease, if the move is legal and the condition holds.</summary>
    public async ValueTask<MoveAnswer> MoveAsync(
        string database, string lease, LeaseState to, string why, MoveCondition condition, CancellationToken cancellation) =>
        (await store.DecideAsync(
            Decision.Move,
            database,
            [lease, to.ToString(), why, condition switch { MoveCondition.Idle => "idle", MoveCondition.Overdue => "overdue", _ => "" }],
            cancellation))[0] switch
        {
            "ok" => MoveAnswer.Moved,
            "no" => MoveAnswer.NotMoved,
            _ => MoveAnswer.Unknown,
        };

    /// <summary>Forgets a lease that is over.</summary>
    public async ValueTask ForgetAsync(string database, string lease, CancellationToken cancellation) =>
        await store.DecideAsync(Decision.Forget, database, [lease], cancellation);

    /// <summary>Takes duties that are due; each passes on to another replica when it is not done in time.</summary>
    /// <param name="database">The database, or <see cref="Issuers"/>.</param>
    /// <param name="standing">Duties that are always there; put in when they are missing, as after the ledger lost everything.</param>
    /// <param name="most">How many to take at most.</param>
    /// <param name="takenFor">How long they are this replica's.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask<IReadOnlyList<TakenDuty>> DueAsync(
        string database, IReadOnlyList<string> standing, int most, TimeSpan takenFor, CancellationToken cancellation)
    {
        var v = await store.DecideAsync(Decision.Due, database, [Text(most), Text(takenFor), .. standing], cancellation);
        var taken = new TakenDuty[v.Length / 2];
        for (var i = 0; i < taken.Length; i++) taken[i] = new(v[2 * i], v[2 * i + 1]);
        return taken;
    }

    /// <summary>A duty is done; null: it never comes again.</summary>
    public async ValueTask DoneAsync(string database, TakenDuty duty, TimeSpan? next, CancellationToken cancellation) =>
        await store.DecideAsync(Decision.Done, database, [duty.Name, duty.Token, next is { } at ? Text(at) : "-1"], cancellation);

    /// <summary>Takes one of the database's places for calls that change users. False: all are taken.</summary>
    public async ValueTask<bool> TakeFlightAsync(string database, string name, PaceSettings pace, TimeSpan atMost, CancellationToken cancellation) =>
        (await store.DecideAsync(Decision.Flight, database, [name, "take", Text(pace.InFlight), Text(atMost)], cancellation))[0] == "ok";

    /// <summary>Gives the place back.</summary>
    public async ValueTask LandAsync(string database, string name, CancellationToken cancellation) =>
        await store.DecideAsync(Decision.Flight, database, [name, "land"], cancellation);

    /// <summary>A text all replicas share; null when there is none, and how long ago it was put there.</summary>
    public async ValueTask<(string Text, TimeSpan Age)?> ReadSharedAsync(string name, CancellationToken cancellation)
    {
        var v = await store.DecideAsync(Decision.Shared, Issuers, [name], cancellation);
        return v.Length == 0 ? null : (v[0], Milliseconds(v[1]));
    }

    /// <summary>Puts a text in the place of another, if that is still there (null: none). False: another is there.</summary>
    public async ValueTask<bool> ReplaceSharedAsync(string name, string? expected, string following, CancellationToken cancellation) =>
        (await store.DecideAsync(Decision.Shared, Issuers, [name, expected ?? "", following], cancellation))[0] == "ok";

    /// <summary>Hears signals about a database; see <see cref="ILedgerStore.Listen"/>.</summary>
    public IDisposable Listen(string database, Action<string> heard) => store.Listen(database, heard);

    private static ClaimAnswer ReadClaim(ReadOnlySpan<string> v, long now) => v[0] switch
    {
        "granted" => new ClaimAnswer.Granted(
            v[1], Number(v[2]), Time(v[3])!.Value, Until(v[3], now), Time(v[4])!.Value, Until(v[4], now), v[5] == "1"),
        "issue" => new ClaimAnswer.Issue(v[1], long.Parse(v[2], CultureInfo.InvariantCulture), Milliseconds(v[3])),
        "wait" => new ClaimAnswer.Wait(v[1], Milliseconds(v[2])),
        "line" => new ClaimAnswer.InLine(Number(v[1]), Number(v[2]), Number(v[3])),
        "short" => new ClaimAnswer.Exhausted(Number(v[1]), Number(v[2]), Number(v[3]), v[4] == "-1" ? null : Milliseconds(v[4])),
        "full" => new ClaimAnswer.LineFull(Number(v[1]), Number(v[2])),
        "throttled" => new ClaimAnswer.Throttled(Milliseconds(v[1])),
        "failed" => new ClaimAnswer.Failed(Milliseconds(v[1]), v[2]),
        "stale" => new ClaimAnswer.Stale(),
        "unknown" => new ClaimAnswer.Unknown(),
        var other => throw new LedgerException($"The ledger answered '{other}' to a claim: another version of the broker may be writing it."),
    };

    private static List<LeaseRecord> ReadLeases(string database, string[] v)
    {
        var found = new List<LeaseRecord>((v.Length - 1) / 21);
        for (var i = 1; i + 20 < v.Length; i += 21)
        {
            found.Add(new()
            {
                Id = v[i],
                Database = database,
                Role = v[i + 1],
                Pool = v[i + 2],
                State = Enum.Parse<LeaseState>(v[i + 3]),
                Username = v[i + 4],
                IssuerId = v[i + 5],
                SealedLogin = v[i + 6],
                IssuedAt = Time(v[i + 7]),
                VerifiedAt = Time(v[i + 8]),
                ExpiresAt = v[i + 9] == "0" ? null : Time(v[i + 9]),
                RenewAt = Time(v[i + 10]),
                Renewable = v[i + 11] == "1",
                Holders = Number(v[i + 12]),
                Connections = Number(v[i + 13]),
                Reason = v[i + 14],
                EmptySince = Time(v[i + 15]),
                Life = v[i + 16].Length == 0 ? TimeSpan.Zero : Milliseconds(v[i + 16]),
                AttemptUntil = v[i + 17] == "0" ? null : Time(v[i + 17]),
                Begun = v[i + 18] == "1",
                IdleTtl = Milliseconds(v[i + 19]),
                CreatedAt = Time(v[i + 20])!.Value,
                ReadAt = Time(v[0])!.Value,
            });
        }

        return found;
    }

    private static string NewLeaseId() => Guid.NewGuid().ToString("N")[..20];

    // Redis' ms between two users, and how far ahead of that pace a burst may run (generic cell rate algorithm).
    private static string Spacing(PaceSettings pace) => Text((long)Math.Ceiling(1000 / pace.UsersPerSecond));

    private static string Tolerance(PaceSettings pace) => Text((long)Math.Ceiling(1000 / pace.UsersPerSecond) * (pace.Burst - 1));

    private static string KindText(ClaimKind kind) => kind switch
    {
        ClaimKind.Claim => "claim",
        ClaimKind.Renew => "renew",
        _ => "stay",
    };

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Text(TimeSpan time) => Text((long)time.TotalMilliseconds);

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static TimeSpan Milliseconds(string text) => TimeSpan.FromMilliseconds(long.Parse(text, CultureInfo.InvariantCulture));

    private static TimeSpan Until(string text, long now) => TimeSpan.FromMilliseconds(long.Parse(text, CultureInfo.InvariantCulture) - now);

    private static DateTimeOffset? Time(string text) =>
        text.Length == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(text, CultureInfo.InvariantCulture));
}

/// <summary>What the ledger says to who is about to ask the issuer.</summary>
public abstract record BeginAnswer
{
    /// <summary>Go ahead.</summary>
    /// <param name="Now">The ledger's time.</param>
    public sealed record Go(DateTimeOffset Now) : BeginAnswer;

    /// <summary>Ask again then: the database's pace, or too many calls in flight.</summary>
    public sealed record NotYet(TimeSpan Wait) : BeginAnswer;

    /// <summary>Another attempt has taken over.</summary>
    public sealed record Overtaken : BeginAnswer;
}

/// <summary>When a lease may be moved.</summary>
public enum MoveCondition
{
    /// <summary>Whenever the move is legal.</summary>
    None,

    /// <summary>Only when it has had no holder for its idle time.</summary>
    Idle,

    /// <summary>Only when its end has come, or its attempt is dead.</summary>
    Overdue,
}

/// <summary>What came of a move.</summary>
public enum MoveAnswer
{
    /// <summary>It moved.</summary>
    Moved,

    /// <summary>The move is not legal from its state, or the condition does not hold.</summary>
    NotMoved,

    /// <summary>No such lease.</summary>
    Unknown,
}
