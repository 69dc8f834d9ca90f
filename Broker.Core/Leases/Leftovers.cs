using System.Collections.Concurrent;
using System.Text.Json;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Issuing.BuiltIn;
using Broker.Core.Issuing.Vault;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Leases;

/// <summary>A user in a database that looks like the broker's and that no lease knows.</summary>
/// <param name="Database">The database.</param>
/// <param name="Username">The user.</param>
/// <param name="Role">The role it looks like.</param>
/// <param name="FirstSeenAt">When it was first found.</param>
/// <param name="CreatedAt">When it was created; null when that is not known.</param>
/// <param name="ValidUntil">When its password stops working; null when the engine does not say.</param>
/// <param name="OpenConnections">Its connections when it was last seen.</param>
/// <param name="OwnedObjects">How many objects it owns; null when the engine does not say.</param>
/// <param name="Owned">What they are, the first of them by name; null when it owns none.</param>
/// <param name="Problem">Why it could not be dropped, and what to do; null when nobody tried.</param>
public sealed record Leftover(
    string Database, string Username, string Role, DateTimeOffset FirstSeenAt, DateTimeOffset? CreatedAt, DateTimeOffset? ValidUntil, int OpenConnections,
    int? OwnedObjects, string? Owned, string? Problem);

/// <summary>Finds leftovers, and drops them (law L5).</summary>
internal sealed class Leftovers(SharedLedger ledger, DatabaseEngines engines, ILogger<Leftovers> log)
{
    // A built-in user that has been unable to log in for this long and has no session is useless.
    private static readonly TimeSpan DeadFor = TimeSpan.FromHours(1);

    // The other brokers' marks that were last logged, by database.
    private readonly ConcurrentDictionary<string, string> told = new(StringComparer.Ordinal);

    /// <summary>
    /// Finds them and writes them into the ledger. Answers the users with another broker's mark, which that broker may be giving
    /// out: they are not leftovers.
    /// </summary>
    /// <exception cref="DatabaseException">The database did not answer.</exception>
    /// <exception cref="LedgerException">The ledger did not answer, or does not know all leases yet.</exception>
    public async Task<IReadOnlyDictionary<string, string>> LookAsync(CatalogSnapshot catalog, Database database, CancellationToken cancellation)
    {
        var engine = engines[database.Engine];
        var roles = catalog.Roles.Values.Where(role => role.Database == database.Name).ToArray();

        // Users first, leases second, so that users created in between are already known.
        // A user can be found under two prefixes, and can look like several roles': Vault cuts their names short.
        var found = new Dictionary<string, (DatabaseUser User, Role[] Roles)>(StringComparer.Ordinal);
        foreach (var prefix in roles.Select(role => PrefixOf(role, engine)).Distinct(StringComparer.Ordinal))
        {
            foreach (var user in await engine.FindUsersAsync(database, prefix, cancellation))
            {
                var alike = Array.FindAll(roles, role => IsOf(user.Username, role, engine));
                if (alike.Length > 0) found[user.Username] = (user, alike);
            }
        }

        var leases = await ledger.Leases.AllAsync(database.Name, cancellation);
        var known = leases.Where(lease => lease.State is not (LeaseState.Revoked or LeaseState.Failed)).Select(lease => lease.Username).ToHashSet(StringComparer.Ordinal);

        // A Vault that is being asked chooses the name itself: until it has answered, its user would look like a leftover.
        var asking = leases.Where(lease => lease.State == LeaseState.Issuing && lease.Username.Length == 0).Select(lease => lease.Role)
            .Intersect(roles.Where(role => role.VaultPath is not null).Select(role => role.Name), StringComparer.Ordinal).ToHashSet(StringComparer.Ordinal);
        var unsure = false;
        var own = await ledger.Marks.OwnAsync(cancellation);
        var others = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var left = new List<(string, string)>();
        foreach (var (user, alike) in found.Values.Where(of => !known.Contains(of.User.Username)))
        {
            if (alike.Any(role => asking.Contains(role.Name)))
            {
                unsure = true;
                continue;
            }

            var role = alike[0];
            string? problem = null;
            if (leases.Count > 0 && IsDead(user, role, leases[0].ReadAt))
            {
                try
                {
                    await engine.DropUserAsync(database, user.Username, [], role.OwnerRole, cancellation);
                    log.LeftoverDropped(user.Username, database.Name, "it could no longer log in, and had no session");
                    continue;
                }
                catch (DatabaseException e) when (e.Failure is DatabaseFailure.StatementRefused or DatabaseFailure.StillOwns)
                {
                    // It is shown with the reason, and does not delay others.
                    problem = e.Message;
                }
            }

            if (AnothersMark(user.Username, role, own) is { } mark)
            {
                others.Add(user.Username, mark);
                continue;
            }

            left.Add((user.Username, JsonSerializer.Serialize(new Facts(role.Name, user.ValidUntil, user.OpenConnections, user.OwnedObjects, user.Owned, problem))));
        }

        if (left.Count > 0) log.LeftoversFound(database.Name, left.Count);
        Tell(database.Name, others.Values);
        await ledger.Leftovers.ReplaceLeftoversAsync(database.Name, left, cancellation, unsure);
        return others;
    }

    private void Tell(string database, IEnumerable<string> marks)
    {
        var text = string.Join(", ", marks.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal));
        var before = told.GetValueOrDefault(database, "");
        told[database] = text;
        if (text.Length > 0 && text != before) log.UsersOfOtherBrokers(database, text);
    }

    /// <summary>The leftovers of a database that were found last.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<IReadOnlyList<Leftover>> ListAsync(string database, CancellationToken cancellation) =>
        [.. (await ledger.Leftovers.LeftoversAsync(database, cancellation)).Select(record => Read(database, record)).OrderBy(left => left.FirstSeenAt)];

    /// <summary>Whether a user's name is one that this broker gives to users of the role: the only ones it drops as leftovers (law L14).</summary>
    public async ValueTask<bool> MayDropAsync(Database database, Role? role, Leftover left, CancellationToken cancellation) =>
        role?.Database == database.Name && IsOf(left.Username, role, engines[database.Engine])
        && AnothersMark(left.Username, role, await ledger.Marks.OwnAsync(cancellation)) is null;

    /// <summary>Shuts a leftover out and drops it; both are tried, even if the other fails.</summary>
    /// <exception cref="DatabaseException">The database refused, or did not answer, or sessions of the user continue.</exception>
    public async Task DropAsync(Database database, Role role, Leftover left, CancellationToken cancellation)
    {
        var engine = engines[database.Engine];
        DatabaseException? notShutOut = null;
        try
        {
            await engine.ShutOutAsync(database, left.Username, cancellation);
        }
        catch (DatabaseException e)
        {
            notShutOut = e;
        }

        var statements = Issuing.StatementTemplate.Render(database.Engine, role.RevocationStatements, left.Username, null, null);
        await engine.DropUserAsync(database, left.Username, statements, role.OwnerRole, cancellation);
        if (notShutOut is not null && await engine.CountSessionsAsync(database, left.Username, cancellation) is { } open and > 0)
            throw new DatabaseException(notShutOut.Failure, $"'{left.Username}' is dropped, but {open} of its sessions are still active: {notShutOut.Message}", notShutOut);
    }

    // Vault names its users itself, and earlier versions used no marks: nothing identifies the owner of these users.
    private static string? AnothersMark(string username, Role role, IReadOnlySet<string> own) =>
        role.VaultPath is null && UserNames.MarkOf(username) is { } mark && !own.Contains(mark) ? mark : null;

    private static string PrefixOf(Role role, IDatabaseEngine engine) =>
        role.VaultPath is null ? UserNames.Prefix(role.Name, engine.Dialect.MaxUsernameLength) : VaultUserNames.Prefix;

    private static bool IsOf(string username, Role role, IDatabaseEngine engine) => role.VaultPath is { } path
        ? VaultUserNames.IsOf(username, path)
        : UserNames.IsOf(username, role.Name, engine.Dialect.MaxUsernameLength);

    private static bool IsDead(DatabaseUser user, Role role, DateTimeOffset now) =>
        role.VaultPath is null && user.OpenConnections == 0 && user.ValidUntil + DeadFor < now;

    private static Leftover Read(string database, LeftoverRecord record)
    {
        var facts = FactsOf(record);
        return new(
            database, record.Username, facts.Role, record.FirstSeenAt, VaultUserNames.CreatedAt(record.Username), facts.ValidUntil, facts.OpenConnections,
            facts.OwnedObjects, facts.Owned, facts.Problem);
    }

    private static Facts FactsOf(LeftoverRecord record)
    {
        try
        {
            return JsonSerializer.Deserialize<Facts>(record.Facts) is { Role: not null } facts ? facts : throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            throw new LedgerException($"What the ledger says of leftover '{record.Username}' cannot be read: {e.Message}", e);
        }
    }

    private sealed record Facts(string Role, DateTimeOffset? ValidUntil, int OpenConnections, int? OwnedObjects, string? Owned = null, string? Problem = null);
}
