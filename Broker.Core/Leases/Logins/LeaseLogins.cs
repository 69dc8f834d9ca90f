using System.Collections.Concurrent;
using BitFaster.Caching.Lru;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases.Logins;

/// <summary>
/// A cache of the decrypted logins of leases: a claim on a cached lease needs no decryption and no read
/// from the ledger. A lease's login never changes, but its database's address may. A login is forgotten after its lease's end,
/// and when the cache is full, the least recently used one.
/// </summary>
internal sealed class LeaseLogins(
    SharedLedger ledger, LoginSealer sealer, SealCheck seal, DatabaseEngines engines, TimeProvider time, ILogger<LeaseLogins> log)
{
    private const int Most = 10_000;

    private readonly FastConcurrentLru<string, OpenedLease> opened = new(Environment.ProcessorCount, Most, StringComparer.Ordinal);

    /// <summary>How many logins it has in the clear.</summary>
    public int Count => opened.Count;

    /// <summary>A lease as it was when this replica opened its login; null when it never did.</summary>
    public LeaseRecord? Find(string lease) => opened.TryGet(lease, out var known) ? known.Record : null;

    /// <summary>A role's lease with its sealed user, for callers that give it to nobody; otherwise like the other method.</summary>
    public async ValueTask<LeaseRecord?> SealedAsync(Database database, string role, string lease, CancellationToken cancellation)
    {
        if (opened.TryGet(lease, out var known) && known.Record.Role == role && known.Record.Database == database.Name) return known.Record;
        return (await OfAsync(database, new Role { Name = role, Database = database.Name, Issuer = "" }, lease, cancellation))?.Record;
    }

    /// <summary>The login of a role's lease; null when the ledger does not know the lease any more.</summary>
    /// <exception cref="UnreadableLoginException">The ledger's login was not sealed for this lease of this role.</exception>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<OpenedLease?> OfAsync(Database database, Role role, string lease, CancellationToken cancellation)
    {
        // A cached login, too, is given only to the role for which it was sealed: the ledger may name any lease.
        if (opened.TryGet(lease, out var known) && known.Record.Role == role.Name && known.Record.Database == database.Name)
        {
            if (known.Database == database && known.Role.Pods == role.Pods) return known;
            var moved = new OpenedLease(known.Record, known.Login, database, role, engines[database.Engine], known.EndsAt);
            opened.AddOrUpdate(lease, moved);
            return moved;
        }

        var record = await ledger.Leases.LeaseAsync(database.Name, lease, cancellation);
        if (record is null || record.SealedLogin.Length == 0) return null;
        var login = sealer.TryOpen(record, role.Name) ?? throw new UnreadableLoginException(lease);
        record = record with { Role = role.Name, Pool = login.Pool, Username = login.Login.Username, IssuerId = login.IssuerId };
        ForgetEnded();
        var made = new OpenedLease(record, login.Login, database, role, engines[database.Engine], At(record.ExpiresAt is { } end ? end - record.ReadAt : TimeSpan.Zero));
        return opened.GetOrAdd(lease, _ => made);
    }

    /// <summary>Notes how long a lease still has, by the ledger's answer now: its login is kept that long.</summary>
    public void Keep(OpenedLease lease, TimeSpan endsIn) => lease.EndsAt = At(endsIn);

    // A new lease is rare, so scanning all of them is acceptable.
    private void ForgetEnded()
    {
        var now = time.GetTimestamp();
        foreach (var (lease, login) in opened)
        {
            if (login.EndsAt < now) opened.TryRemove(lease);
        }
    }

    private long At(TimeSpan endsIn) => time.GetTimestamp() + (long)(endsIn.TotalSeconds * time.TimestampFrequency);

    /// <summary>
    /// Retires a lease whose login cannot be decrypted, so that the next claim gets another lease. A replica that cannot decrypt
    /// the others' logins must not do this.
    /// </summary>
    /// <exception cref="LedgerException">The ledger does not answer, or this replica has other keys.</exception>
    public async Task SetAsideAsync(string database, UnreadableLoginException unreadable, CancellationToken cancellation)
    {
        if (!await seal.PassesAsync(cancellation)) throw unreadable;
        await ledger.Leases.MoveAsync(database, unreadable.Lease, LeaseState.Retiring, "its login cannot be decrypted", cancellation, MoveHow.Broken);
        log.LoginUnreadable(unreadable.Lease, database);
    }
}

/// <summary>A lease with its login in the clear, in this replica's memory only.</summary>
internal sealed class OpenedLease(LeaseRecord record, Login login, Database database, Role role, IDatabaseEngine engine, long endsAt)
{
    private readonly ConcurrentDictionary<int, GrantedCredentials> byConnections = new();
    private long endsAt = endsAt;
    private readonly Database seen = database.SeenBy(role);

    public LeaseRecord Record => record;

    public Login Login => login;

    public Database Database => database;

    /// <summary>The role, whose pods may have other settings for the database.</summary>
    public Role Role => role;

    /// <summary>The lease's end as it was last told, as this replica's <see cref="TimeProvider.GetTimestamp"/> counts.</summary>
    public long EndsAt
    {
        get => Volatile.Read(ref endsAt);
        set => Volatile.Write(ref endsAt, value);
    }

    public DateTimeOffset IssuedAt { get; } = record.IssuedAt ?? record.CreatedAt;

    public GrantedCredentials For(int connections) => byConnections.GetOrAdd(
        connections, count => new(login, seen.DatabaseName, engine.Describe(seen, login, count, HolderSlot.Mark)));
}
