using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Model;

namespace Broker.Core.Ledger;

/// <summary>The life of a lease, in the order in which it is lived.</summary>
public sealed partial class SharedLedger
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(60);

    /// <summary>Sees to it that a pool has a lease that takes holders, ahead of anybody's asking.</summary>
    /// <param name="database">The database.</param>
    /// <param name="pace">Its pace.</param>
    /// <param name="role">The pool's role.</param>
    /// <param name="pool">The pool.</param>
    /// <param name="insteadOf">A lease that is to be followed by another and takes holders until that works; null: none.</param>
    /// <param name="why">Shown as the reason why that one takes holders no more.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>Null: the pool has one. Else <see cref="ClaimAnswer.Issue"/>, <see cref="ClaimAnswer.Wait"/>, <see cref="ClaimAnswer.Failed"/> or <see cref="ClaimAnswer.Throttled"/>.</returns>
    public async ValueTask<ClaimAnswer?> SucceedAsync(
        string database, PaceSettings pace, RoleTerms role, string pool, string? insteadOf, string why, CancellationToken cancellation)
    {
        var v = await store.DecideAsync(
            Decision.Succeed,
            database,
            [pool, role.Name, Text(role.MaxHolders), Text(role.IdleTtl), Spacing(pace), Tolerance(pace), NewLeaseId(), insteadOf ?? "", why],
            cancellation);
        return v[0] switch
        {
            "ready" => null,
            "issue" => new ClaimAnswer.Issue(v[1], long.Parse(v[2], CultureInfo.InvariantCulture), Milliseconds(v[3])),
            "waiting" => new ClaimAnswer.Wait("", Milliseconds(v[1])),
            "failed" => new ClaimAnswer.Failed(Milliseconds(v[1]), v[2]),
            "throttled" => new ClaimAnswer.Throttled(Milliseconds(v[1])),
            var other => throw Misunderstood("a request for the next lease", other),
        };
    }

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
        string database, string lease, long fence, string issuerId, string username, string sealedLogin, TimeSpan life, DateTimeOffset asked, bool renewable,
        CancellationToken cancellation) =>
        (await store.DecideAsync(
            Decision.Issued,
            database,
            [lease, Text(fence), issuerId, username, sealedLogin, Text(life), Text(asked), Text(renewable)],
            cancellation))[0] == "ok";

    /// <summary>The login worked: the lease takes holders. False: another attempt has taken over.</summary>
    /// <param name="database">The database.</param>
    /// <param name="lease">The lease.</param>
    /// <param name="fence">The attempt's fencing number.</param>
    /// <param name="verifyEvery">How often the login is tried again; zero: never.</param>
    /// <param name="spread">0 to 1, at random: keeps leases that were issued together from rotating together.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async ValueTask<bool> ActivateAsync(
        string database, string lease, long fence, TimeSpan verifyEvery, double spread, CancellationToken cancellation) =>
        (await store.DecideAsync(Decision.Activate, database, [lease, Text(fence), Text(verifyEvery), Text(spread)], cancellation))[0] == "ok";

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

    /// <summary>The issuer gave a lease more time. False: the lease takes holders no more, and its announced end stands.</summary>
    public async ValueTask<bool> RenewedAsync(
        string database, string lease, TimeSpan duration, DateTimeOffset asked, bool renewable, TimeSpan nextRenewal, double spread, CancellationToken cancellation) =>
        (await store.DecideAsync(
            Decision.Renewed, database, [lease, Text(duration), Text(asked), Text(renewable), Text(nextRenewal), Text(spread)], cancellation))[0] == "ok";

    /// <summary>The lease's login was tried and worked. False: the lease is over.</summary>
    public async ValueTask<bool> VerifiedAsync(string database, string lease, CancellationToken cancellation) =>
        (await store.DecideAsync(Decision.Verified, database, [lease], cancellation))[0] == "ok";

    /// <summary>Ends a lease whose end has come, or whom nobody holds any more.</summary>
    public async ValueTask<ExpireAnswer> ExpireAsync(string database, string lease, TimeSpan idle, CancellationToken cancellation)
    {
        var v = await store.DecideAsync(Decision.Expire, database, [lease, Text(idle)], cancellation);
        return v[0] switch
        {
            "moved" => new ExpireAnswer.Ended(Enum.Parse<LeaseState>(v[1]), v[2]),
            "later" => new ExpireAnswer.Later(Milliseconds(v[1])),
            _ => new ExpireAnswer.Gone(),
        };
    }

    /// <summary>Moves a lease, if the move is legal.</summary>
    public async ValueTask<MoveAnswer> MoveAsync(
        string database, string lease, LeaseState to, string why, CancellationToken cancellation, MoveHow how = MoveHow.Plainly) =>
        (await store.DecideAsync(
            Decision.Move,
            database,
            [lease, to.ToString(), why, how switch { MoveHow.IfAbandoned => "overdue", MoveHow.EndSessions => "shut", MoveHow.Broken => "broken", _ => "" }],
            cancellation))[0] switch
        {
            "ok" => MoveAnswer.Moved,
            "no" => MoveAnswer.NotMoved,
            _ => MoveAnswer.Unknown,
        };

    /// <summary>Forgets a lease that is over.</summary>
    public async ValueTask ForgetAsync(string database, string lease, CancellationToken cancellation) =>
        await store.DecideAsync(Decision.Forget, database, [lease], cancellation);

    /// <summary>The leases, oldest first, at most so many.</summary>
    public async ValueTask<IReadOnlyList<LeaseRecord>> LeasesAsync(string database, int most, CancellationToken cancellation) =>
        ReadLeases(database, await store.DecideAsync(Decision.Leases, database, [Text(most)], cancellation));

    /// <summary>One lease; null when the ledger does not know it.</summary>
    public async ValueTask<LeaseRecord?> LeaseAsync(string database, string lease, CancellationToken cancellation) =>
        ReadLeases(database, await store.DecideAsync(Decision.Leases, database, ["1", lease], cancellation)).SingleOrDefault();

    /// <summary>
    /// Puts back what this replica remembers of a lease and its holders after the ledger lost something; what the ledger knows
    /// is left as it is. Answers how many holders were put back.
    /// </summary>
    public async ValueTask<int> RestoreAsync(
        string database, string epoch, RememberedLease? lease, double spread, string why,
        IReadOnlyList<RememberedHolder> holders, CancellationToken cancellation)
    {
        var record = lease?.Record;
        var words = new List<string>(18 + 4 * holders.Count)
        {
            epoch, record?.Id ?? "", record?.Pool ?? "", record?.Role ?? "", record?.Username ?? "", record?.IssuerId ?? "", record?.SealedLogin ?? "",
            Text(lease?.EndsIn ?? TimeSpan.Zero), Text(record?.Life ?? TimeSpan.Zero), Text(record?.Renewable ?? false),
            Text(record?.IssuedAt), Text(record?.MaxHolders ?? 0), Text(record?.IdleTtl ?? TimeSpan.Zero), Text(spread), why,
        };
        foreach (var holder in holders) words.AddRange([holder.Id, Text(holder.Connections), Text(holder.EndsIn), holder.Caller]);
        return Number((await store.DecideAsync(Decision.Restore, database, words, cancellation))[0]);
    }

    private static string Text(DateTimeOffset? time) => Text(time?.ToUnixTimeMilliseconds() ?? 0);

    private static List<LeaseRecord> ReadLeases(string database, string[] v)
    {
        const int fields = 25;
        var found = new List<LeaseRecord>((v.Length - 1) / fields);
        for (var i = 1; i + fields <= v.Length; i += fields)
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
                VerifiedAt = v[i + 8] is "" or "0" ? null : Time(v[i + 8]),
                ExpiresAt = v[i + 9] is "" or "0" ? null : Time(v[i + 9]),
                RenewAt = Time(v[i + 10]),
                Renewable = v[i + 11] == "1",
                Holders = Number(v[i + 12]),
                Connections = Number(v[i + 13]),
                Reason = v[i + 14],
                EmptySince = Time(v[i + 15]),
                Life = v[i + 16].Length == 0 ? TimeSpan.Zero : Milliseconds(v[i + 16]),
                AttemptUntil = v[i + 17] is "" or "0" ? null : Time(v[i + 17]),
                Begun = v[i + 18] == "1",
                IdleTtl = Milliseconds(v[i + 19]),
                CreatedAt = Time(v[i + 20])!.Value,
                Shut = v[i + 21] == "1",
                MaxHolders = Number(v[i + 22]),
                Cap = v[i + 23] is "" or "-1" ? null : Number(v[i + 23]),
                CappedAt = Time(v[i + 24]),
                ReadAt = Time(v[0])!.Value,
            });
        }

        return found;
    }
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

/// <summary>What came of looking whether a lease is over.</summary>
public abstract record ExpireAnswer
{
    /// <summary>It is over.</summary>
    public sealed record Ended(LeaseState State, string Why) : ExpireAnswer;

    /// <summary>Not yet: look again then.</summary>
    public sealed record Later(TimeSpan Wait) : ExpireAnswer;

    /// <summary>There is nothing to end.</summary>
    public sealed record Gone : ExpireAnswer;
}

/// <summary>How a lease is moved.</summary>
public enum MoveHow
{
    /// <summary>Whenever the move is legal.</summary>
    Plainly,

    /// <summary>Only when nobody issues it any more.</summary>
    IfAbandoned,

    /// <summary>And the sessions of its user are to be ended when it is revoked.</summary>
    EndSessions,

    /// <summary>Its login works no more: its holders need not be able to keep both open to move.</summary>
    Broken,
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

/// <summary>A lease as a replica remembers it.</summary>
/// <param name="Record">As it was when its login was opened.</param>
/// <param name="EndsIn">Until its end as last announced.</param>
public sealed record RememberedLease(LeaseRecord Record, TimeSpan EndsIn);

/// <summary>A holder as a replica remembers it.</summary>
/// <param name="Id">The holder.</param>
/// <param name="Connections">What it was granted.</param>
/// <param name="EndsIn">Until its end as last announced.</param>
/// <param name="Caller">Who it is, for people.</param>
public sealed record RememberedHolder(string Id, int Connections, TimeSpan EndsIn, string Caller);
