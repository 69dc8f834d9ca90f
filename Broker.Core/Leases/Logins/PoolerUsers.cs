using System.Collections.Concurrent;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases.Logins;

/// <summary>
/// Keeps the list of users of each pooler that reads one (<see cref="PoolerSettings.UserList"/>), on every replica: it contains the logins of
/// living leases, and users that are gone from the server are taken out. A ledger that forgot its leases takes nobody out. The issuing replica waits until the pooler
/// lets its user in, so that no pod is told of a user that the pooler does not know.
/// </summary>
internal sealed class PoolerUsers(SharedLedger ledger, ICatalog catalog, LoginSealer sealer, DatabaseEngines engines, TimeProvider time, ILogger<PoolerUsers> log) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan TryAgain = TimeSpan.FromSeconds(15);

    // By lease: its verifier, which never changes, or why there was none.
    private readonly ConcurrentDictionary<(string Database, string Lease), string> verifiers = new();
    private readonly ConcurrentDictionary<(string Database, string Lease), (long At, DatabaseException Why)> refused = new();
    private readonly ConcurrentDictionary<string, long> lookedForGone = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, bool> unread = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, string> said = new(StringComparer.Ordinal);

    /// <summary>Puts a new lease's login into the pooler's list, and waits until the pooler lets it in. Returns at once if the pooler has no list.</summary>
    /// <param name="database">The database.</param>
    /// <param name="lease">The lease, which the ledger has.</param>
    /// <param name="login">Its login.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="DatabaseException">It cannot be written, or the pooler does not let it in.</exception>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async Task LetInAsync(Database database, string lease, Login login, CancellationToken cancellation)
    {
        if (database.Pooler?.UserList is null) return;
        var key = (database.Name, lease);
        refused.TryRemove(key, out _);
        await KeepAsync(database, cancellation);
        if (!verifiers.ContainsKey(key) && refused.TryGetValue(key, out var known)) throw known.Why;
        await engines[database.Engine].WaitForPoolerAsync(database, login, cancellation);
    }

    /// <summary>Writes a pooler's list, if anything in it is new, and makes the pooler read it.</summary>
    /// <exception cref="DatabaseException">It cannot be written, or no process of the pooler answers.</exception>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async Task KeepAsync(Database database, CancellationToken cancellation)
    {
        if (database.Pooler?.UserList is not { } path) return;
        var written = await new UserListFile(path, time).ChangeAsync(there => FollowingAsync(database, there, cancellation), cancellation);
        if (written)
        {
            unread[database.Name] = true;
            log.UserListWritten(database.Name, path);
        }

        // A process that is away now may come back with the former list.
        if (unread.ContainsKey(database.Name) && await engines[database.Engine].ReloadPoolerAsync(database, cancellation)) unread.TryRemove(database.Name, out _);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            foreach (var database in catalog.Current.Databases.Values) await TryToKeepAsync(database, stoppingToken);
        }
    }

    // A problem is logged once, and once when it is gone.
    private async Task TryToKeepAsync(Database database, CancellationToken cancellation)
    {
        try
        {
            await KeepAsync(database, cancellation);
            if (said.TryRemove(database.Name, out _)) log.UserListKept(database.Name);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            if (said.GetValueOrDefault(database.Name) == exception.Message) return;
            said[database.Name] = exception.Message;
            log.UserListNotKept(database.Name, exception.Message);
        }
    }

    private async Task<IReadOnlyDictionary<string, string>> FollowingAsync(Database database, IReadOnlyDictionary<string, string> there, CancellationToken cancellation)
    {
        var live = (await ledger.Leases.LiveAsync(database.Name, cancellation))
            .Where(lease => lease.State is LeaseState.Issuing or LeaseState.Active or LeaseState.Retiring && lease.SealedLogin.Length > 0).OrderBy(lease => lease.CreatedAt).ToArray();
        var users = new Dictionary<string, string>(there, StringComparer.Ordinal);
        var needed = new HashSet<string>(StringComparer.Ordinal);

        // The two users of a static role come back in later leases, with other passwords.
        foreach (var lease in live)
        {
            if (sealer.TryOpen(lease, lease.Role) is not { } sealedLogin) continue;
            needed.Add(sealedLogin.Login.Username);
            if (await VerifierAsync(database, (database.Name, lease.Id), sealedLogin.Login, cancellation) is { } verifier) users[sealedLogin.Login.Username] = verifier;
        }

        foreach (var gone in await GoneAsync(database, [.. users.Keys.Where(user => !needed.Contains(user))], cancellation)) users.Remove(gone);
        Forget(database.Name, live);
        return users;
    }

    private async Task<string?> VerifierAsync(Database database, (string Database, string Lease) lease, Login login, CancellationToken cancellation)
    {
        if (verifiers.TryGetValue(lease, out var known)) return known;
        var again = refused.TryGetValue(lease, out var before);
        if (again && time.GetElapsedTime(before.At) < TryAgain) return null;
        try
        {
            var verifier = await engines[database.Engine].VerifierAsync(database, login, cancellation);
            refused.TryRemove(lease, out _);
            return verifiers[lease] = verifier;
        }
        catch (DatabaseException exception)
        {
            // The others' users are kept all the same; this login's own duty notices that it does not work.
            refused[lease] = (time.GetTimestamp(), exception);
            if (!again) log.NotInUserList(lease.Lease, database.Name, login.Username, exception.Message);
            return null;
        }
    }

    // Users on the server may still belong to somebody: a ledger that lost its leases gets them back.
    private async Task<IReadOnlyList<string>> GoneAsync(Database database, IReadOnlyList<string> unknown, CancellationToken cancellation)
    {
        if (unknown.Count == 0 || (lookedForGone.TryGetValue(database.Name, out var at) && time.GetElapsedTime(at) < TryAgain)) return [];
        var gone = new List<string>();
        try
        {
            foreach (var user in unknown)
            {
                if (!(await engines[database.Engine].FindUsersAsync(database, user, cancellation)).Any(found => found.Username == user)) gone.Add(user);
            }
        }
        catch (DatabaseException)
        {
            // They are looked up again; nobody logs in to the server as a user that is gone.
        }

        lookedForGone[database.Name] = time.GetTimestamp();
        return gone;
    }

    private void Forget(string database, IReadOnlyList<LeaseRecord> live)
    {
        var ids = live.Select(lease => lease.Id).ToHashSet(StringComparer.Ordinal);
        foreach (var over in verifiers.Keys.Concat(refused.Keys).Where(key => key.Database == database && !ids.Contains(key.Lease)))
        {
            verifiers.TryRemove(over, out _);
            refused.TryRemove(over, out _);
        }
    }
}
