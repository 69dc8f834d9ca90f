using Broker.Core.Catalog;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// Drops a role in the only order that leaves nothing behind: no more logins, hand over what it owns, take away what it was
/// granted, drop. What it owns goes to the role's <see cref="Role.OwnerRole"/> and to nobody else: a function or a view runs with
/// its owner's rights, and an administrator's are more than the user ever had (law L13). Without one, a user that owns something
/// is locked out and stays. DROP ROLE leaves open sessions working: a caller that wants them ended ends them before.
/// </summary>
internal sealed class UserRemoval(AdminConnections admin, RoleTransactions transactions, Roles roles, Lockout lockout)
{
    // A lock on a table that has to wait makes all wait who ask for the table later, and what it waits for may take hours (a report). The wait is a little longer than
    // the second (deadlock_timeout) after which the server ends an autovacuum that is in the way.
    private const string WaitBriefly = "SET LOCAL lock_timeout = '1500ms'";

    /// <summary>Drops the user; returns when it is gone, or was never there.</summary>
    /// <exception cref="DatabaseException">The server refuses, or is not there, or the user owns something that nobody else may have.</exception>
    public async Task DropAsync(Database database, string username, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation)
    {
        if (await roles.FindOursAsync(database, username, cancellation) is not { } user)
            return;
        try
        {
            if (statements.Count > 0)
                await DropByStatementsAsync(database, user, statements, cancellation);
            else
                await DropAsync(database, user, ownerRole, cancellation);
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StatementRefused)
        {
            // Another replica, or a DBA, may have dropped it meanwhile.
            if (await roles.FindAsync(database, username, cancellation) is null)
                return;
            throw;
        }
    }

    private async Task DropAsync(Database database, RoleRow user, string? ownerRole, CancellationToken cancellation)
    {
        var name = SqlText.Identifier(user.Name);
        await lockout.LetInNoMoreAsync(database, user, cancellation);
        var noOwner = await WhyNoOwnerAsync(database, user, ownerRole, cancellation);
        if (noOwner is not null && await Ownership.OfAsync(admin, database, user.Oid, cancellation) is { } owned)
            throw await LockedOutAsync(database, user, owned, noOwner, cancellation);

        // The role's objects are handed over before DROP OWNED, in the same transaction: DROP OWNED would drop tables with their rows.
        // Both see one database only, so this is done in each database that has objects or rights of the role.
        string[] handOver = noOwner is null ? [$"REASSIGN OWNED BY {name} TO {SqlText.Identifier(ownerRole!)}"] : [];
        foreach (var holding in await DatabasesHoldingAsync(database, user, cancellation))
        {
            try
            {
                await transactions.RunAsync(
                    database, holding, [WaitBriefly, .. handOver, $"DROP OWNED BY {name}"], cancellation, inside => KeepsAllAsync(database, holding, user, inside, noOwner is null, cancellation));
            }
            catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StillOwns)
            {
                throw await LockedOutAsync(database, user, exception.Message, noOwner!, cancellation);
            }
        }

        await transactions.RunAsync(database, null, [$"DROP ROLE IF EXISTS {name}"], cancellation);
    }

    /// <summary>Why nobody may have what the user owns; null: its owner role may.</summary>
    private async Task<string?> WhyNoOwnerAsync(Database database, RoleRow user, string? ownerRole, CancellationToken cancellation)
    {
        if (ownerRole is null) return "its role names no OwnerRole";
        try
        {
            await OwnerRoles.CheckAsync(admin, database, user.Name, ownerRole, cancellation);
            return null;
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StatementRefused)
        {
            return exception.Message;
        }
    }

    /// <summary>
    /// Whether the open transaction drops nothing that lasts. The user's sessions live: what they commit between two statements is found by the second
    /// alone. False: it has to hand over once more.
    /// </summary>
    /// <exception cref="DatabaseException">The user owns something by now, and nobody may have it.</exception>
    private async Task<bool> KeepsAllAsync(Database database, string holding, RoleRow user, NpgsqlConnection inside, bool handsOver, CancellationToken cancellation)
    {
        var things = await Ownership.ThingsAsync(admin, database, holding, user.Oid, inside, cancellation);
        return handsOver || things.Count == 0
            ? things.TrueForAll(thing => thing.Owner is not null)
            : throw new DatabaseException(DatabaseFailure.StillOwns, $"{NamesOf(things)} in database {SqlText.Identifier(holding)}");
    }

    /// <summary>
    /// A role's own statements may drop the user's objects, or give them to whom the user could have given them itself. They are checked for what it owned
    /// until they ran, whatever its sessions did meanwhile; once they have dropped the user, the server refuses to record anything as its own.
    /// </summary>
    private async Task DropByStatementsAsync(Database database, RoleRow user, IReadOnlyList<string> statements, CancellationToken cancellation)
    {
        await lockout.LetInNoMoreAsync(database, user, cancellation);
        var (names, growth) = ("", "");
        try
        {
            await transactions.RunAsync(
                database,
                null,
                [WaitBriefly, .. statements],
                cancellation,
                async inside =>
                {
                    var things = await Ownership.ThingsAsync(admin, database, null, user.Oid, inside, cancellation);
                    foreach (var given in things.Where(thing => thing.Owner is { } owner && owner != user.Oid).GroupBy(thing => thing.Owner!.Value))
                    {
                        if (await OwnerRoles.GrowthAsync(admin, database, user.Name, given.Key, inside, cancellation) is not { } to) continue;
                        (names, growth) = (NamesOf(given), to);
                        throw new DatabaseException(DatabaseFailure.StillOwns, names);
                    }

                    return true;
                });
        }
        catch (DatabaseException exception) when (exception.Failure == DatabaseFailure.StillOwns)
        {
            // The statements are undone by now, and hold no lock on the user.
            throw await LockedOutAsync(
                database, user, names, $"the role's RevocationStatements would give it to {growth}, and it would run with rights that the user never had", cancellation);
        }
    }

    private static string NamesOf(IEnumerable<OwnedThing> things) => Ownership.Shortened(string.Join(", ", things.Select(thing => thing.Name).Order(StringComparer.Ordinal)));

    // The sessions end too, so that the user can do nothing more with what it owns.
    private async Task<DatabaseException> LockedOutAsync(Database database, RoleRow user, string owned, string why, CancellationToken cancellation)
    {
        var name = SqlText.Identifier(user.Name);
        var locked = "it is locked out, and its sessions have ended";
        try
        {
            await lockout.ShutOutAsync(database, user, cancellation);
        }
        catch (DatabaseException exception)
        {
            locked = exception.Message;
        }

        return new(
            DatabaseFailure.StillOwns,
            $"Database '{database.Name}': '{user.Name}' owns {owned}, and {why}. Nothing was handed over or dropped; {locked}. "
            + $"Look at what it left; then name an OwnerRole, or run by hand, in each database: REASSIGN OWNED BY {name} TO a role without more rights than the user had (never to an administrator: "
            + $"functions and views run with their owner's rights), or DROP OWNED BY {name}; then DROP ROLE {name}.");
    }

    /// <summary>The databases with objects or rights of the role; rights on databases themselves (dbid 0) can be taken away from any.</summary>
    private Task<List<string>> DatabasesHoldingAsync(Database database, RoleRow user, CancellationToken cancellation) =>
        AdminReads.RunAsync(
            admin,
            database,
            """
            SELECT DISTINCT d.datname::text
            FROM pg_shdepend s
            JOIN pg_database d ON d.oid = s.dbid OR (s.dbid = 0 AND d.datname = current_database())
            WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = $1
            ORDER BY 1
            """,
            [Ownership.Oid(user.Oid)],
            async reader =>
            {
                var names = new List<string>();
                while (await reader.ReadAsync(cancellation))
                    names.Add(reader.GetString(0));
                return names;
            },
            cancellation);
}
