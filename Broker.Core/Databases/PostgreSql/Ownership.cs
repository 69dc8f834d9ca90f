using Broker.Core.Catalog;
using Npgsql;
using NpgsqlTypes;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>
/// The objects that a role owns. Functions and views run with their owner's rights, so their new owner decides what they can do from then on
/// (law L13).
/// </summary>
internal static class Ownership
{
    /// <summary>
    /// The rows of pg_shdepend (as <c>s</c>) that say that the role <c>{0}</c> owns something that lasts, on the whole server. Its
    /// defaults for what it will create (pg_default_acl) and its user mappings are rights rather than things: they go with it. A
    /// temporary table goes with its session.
    /// </summary>
    private const string Owned = """
        s.refclassid = 'pg_authid'::regclass AND s.refobjid = {0} AND s.deptype = 'o'
        AND s.classid NOT IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass)
        AND NOT EXISTS (
            SELECT FROM pg_class c
            WHERE s.classid = 'pg_class'::regclass AND c.oid = s.objid AND c.relpersistence = 't'
              AND s.dbid = (SELECT here.oid FROM pg_database here WHERE here.datname = current_database()))
        """;

    /// <summary>How many objects are named at most; of the rest, only the number is.</summary>
    private const int MostNamed = 8;

    /// <summary>An expression for the number of objects that the role owns.</summary>
    /// <param name="role">An expression: the role's oid.</param>
    public static string Count(string role) => $"(SELECT count(*)::int FROM pg_shdepend s WHERE {OwnedBy(role)})";

    /// <summary>
    /// An expression for the names of the objects that the role owns, comma-separated, null when there are none. Those in another database of the
    /// server are only counted: their names cannot be read from here.
    /// </summary>
    /// <param name="role">An expression: the role's oid.</param>
    public static string Names(string role) => $"""
        (SELECT string_agg(part.words, ', ' ORDER BY part.there, part.words)
         FROM (
             SELECT false AS there, pg_describe_object(s.classid, s.objid, s.objsubid) AS words
             FROM pg_shdepend s
             WHERE {OwnedBy(role)} AND (s.dbid = 0 OR s.dbid = (SELECT here.oid FROM pg_database here WHERE here.datname = current_database()))
             UNION ALL
             SELECT true, format('%s more in database %I', count(*), d.datname)
             FROM pg_shdepend s JOIN pg_database d ON d.oid = s.dbid
             WHERE {OwnedBy(role)} AND d.datname <> current_database()
             GROUP BY d.datname
         ) part)
        """;

    /// <summary>The lasting objects that a role owns; null: none.</summary>
    /// <exception cref="DatabaseException">The server is not there or refuses.</exception>
    public static Task<string?> OfAsync(AdminConnections admin, Database database, uint role, CancellationToken cancellation) =>
        AdminReads.RunAsync(
            admin,
            database,
            $"SELECT {Names("$1")}",
            [Oid(role)],
            async reader => await reader.ReadAsync(cancellation) && !await reader.IsDBNullAsync(0, cancellation) ? Shortened(reader.GetString(0)) : null,
            cancellation);

    /// <summary>
    /// What a role owned in a database of the server before the transaction that is open there, and what that transaction makes of it. A look beside the
    /// transaction misses nothing: what the transaction takes from the role it has locked, and what is committed meanwhile is seen too.
    /// </summary>
    /// <param name="admin">Opens connections.</param>
    /// <param name="database">The database.</param>
    /// <param name="databaseName">Another database of the same server; null: the administrator's.</param>
    /// <param name="role">The role's oid.</param>
    /// <param name="inside">The connection with the transaction.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="DatabaseException">The server is not there or refuses.</exception>
    public static async Task<List<OwnedThing>> ThingsAsync(
        AdminConnections admin, Database database, string? databaseName, uint role, NpgsqlConnection inside, CancellationToken cancellation)
    {
        var (catalogs, oids, names) = (new List<uint>(), new List<uint>(), new List<string>());
        await AdminReads.RunBesideAsync(
            admin,
            database,
            databaseName,
            inside,
            $"""
            SELECT s.classid, s.objid, coalesce(pg_describe_object(s.classid, s.objid, 0), 'something') FROM pg_shdepend s
            WHERE {OwnedBy("$1")} AND (s.dbid = 0 OR s.dbid = (SELECT here.oid FROM pg_database here WHERE here.datname = current_database()))
            """,
            [Oid(role)],
            async reader =>
            {
                while (await reader.ReadAsync(cancellation))
                {
                    catalogs.Add(reader.GetFieldValue<uint>(0));
                    oids.Add(reader.GetFieldValue<uint>(1));
                    names.Add(reader.GetString(2));
                }

                return true;
            },
            cancellation);
        if (names.Count == 0) return [];

        // Before version 14 it is an error to describe a dropped object; but what is in a schema depends on it.
        var isThere = inside.PostgreSqlVersion.Major >= 14
            ? "pg_describe_object(was.classid, was.objid, 0) IS NOT NULL"
            : "EXISTS (SELECT FROM pg_depend d WHERE d.classid = was.classid AND d.objid = was.objid)";
        return await AdminReads.RunAsync(
            inside,
            $"""
            SELECT coalesce(s.refobjid, 10), s.refobjid IS NOT NULL OR {isThere}
            FROM unnest($1::oid[], $2::oid[]) WITH ORDINALITY AS was (classid, objid, place)
            LEFT JOIN pg_shdepend s
                   ON (s.dbid = 0 OR s.dbid = (SELECT here.oid FROM pg_database here WHERE here.datname = current_database()))
                  AND s.classid = was.classid AND s.objid = was.objid AND s.objsubid = 0 AND s.deptype = 'o'
            ORDER BY was.place
            """,
            [Oids(catalogs), Oids(oids)],
            async reader =>
            {
                var things = new List<OwnedThing>();
                while (await reader.ReadAsync(cancellation))
                    things.Add(new(names[things.Count], reader.GetBoolean(1) ? reader.GetFieldValue<uint>(0) : null));
                return things;
            },
            cancellation);
    }

    /// <summary>A long list, shortened.</summary>
    public static string Shortened(string names)
    {
        var parts = names.Split(", ");
        return parts.Length <= MostNamed ? names : $"{string.Join(", ", parts.Take(MostNamed))} and {parts.Length - MostNamed} more";
    }

    /// <summary>An oid as a parameter.</summary>
    public static NpgsqlParameter<uint> Oid(uint oid) => new() { TypedValue = oid, NpgsqlDbType = NpgsqlDbType.Oid };

    private static NpgsqlParameter<uint[]> Oids(List<uint> oids) => new() { TypedValue = [.. oids], NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Oid };

    private static string OwnedBy(string role) => Owned.Replace("{0}", role, StringComparison.Ordinal);
}

/// <summary>An object that a role owned before a transaction.</summary>
/// <param name="Name">What it is, in words.</param>
/// <param name="Owner">
/// The oid of its owner within the transaction: the first superuser's where the server records none. Null: the transaction drops it.
/// </param>
internal readonly record struct OwnedThing(string Name, uint? Owner);
