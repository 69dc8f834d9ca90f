using System.Globalization;
using Broker.Core.Catalog;
using Npgsql;

namespace Broker.Core.Databases.PostgreSql;

/// <summary>Looks for conditions that make a PostgreSQL server unsuitable for users that come and go.</summary>
internal static class Examination
{
    // A row of pg_class fits into one page, because that catalog has no TOAST table: "row is too big: size …, maximum size 8160". This bounds the access
    // lists of tables. https://www.postgresql.org/docs/current/storage-toast.html, src/backend/access/heap/hio.c (MaxHeapTupleSize).
    private const int LargestRow = 8160;

    // An idle session's own memory beside work_mem: mostly its caches of the catalog.
    private const long OfOneSession = 5L << 20;

    private static readonly TimeSpan LongIdle = TimeSpan.FromMinutes(1);

    private const string AccessLists = """
        SELECT c.oid::regclass::text, pg_column_size(c.relacl), array_length(c.relacl, 1),
               (SELECT count(DISTINCT r.rolname) FROM aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee WHERE r.rolname = ANY($1))::int,
               current_user::text
        FROM pg_class c
        WHERE c.relacl IS NOT NULL
        ORDER BY 2 DESC, 1
        LIMIT 1
        """;

    private const string PerUser = """
        SELECT count(*)::int, max(c.oid::regclass::text), current_user::text
        FROM pg_class c
        WHERE EXISTS (SELECT FROM aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee WHERE r.rolname = ANY($1))
        """;

    private const string Idle = """
        SELECT count(*)::int, extract(epoch FROM max(clock_timestamp() - state_change))::float8, max(usename::text)
        FROM pg_stat_activity
        WHERE usename = ANY($1) AND state LIKE 'idle in transaction%' AND clock_timestamp() - state_change > make_interval(secs => $2)
        """;

    private const string Memory = """
        SELECT current_setting('max_connections')::int, pg_size_bytes(current_setting('shared_buffers')), pg_size_bytes(current_setting('work_mem')),
               pg_size_bytes(current_setting('effective_cache_size'))
        """;

    /// <summary>Looks now.</summary>
    /// <param name="admin">Opens connections.</param>
    /// <param name="database">The database.</param>
    /// <param name="users">The broker's users that are there, or may be.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="DatabaseException">The server is not there or refuses.</exception>
    public static async Task<IReadOnlyList<Finding>> RunAsync(AdminConnections admin, Database database, IReadOnlyCollection<string> users, CancellationToken cancellation)
    {
        var names = new NpgsqlParameter<string[]> { TypedValue = [.. users] };
        var found = new List<Finding?>
        {
            await OneAsync(AccessLists, [names], row => OfAccessList(row.GetString(0), row.GetInt32(1), row.GetInt32(2), row.GetInt32(3), row.GetString(4))),
            await OneAsync(PerUser, [names], row => OfGrants(row.GetInt32(0), row.IsDBNull(1) ? "" : row.GetString(1), row.GetString(2))),
            await OneAsync(
                $"SELECT r.rolname::text, {Ownership.Count("r.oid")}, {Ownership.Names("r.oid")} FROM pg_roles r WHERE r.rolname = ANY($1) AND {Ownership.Count("r.oid")} > 0 ORDER BY 2 DESC, 1 LIMIT 1",
                [names], row => OfOwner(row.GetString(0), row.GetInt32(1), row.IsDBNull(2) ? "" : row.GetString(2))),
            await OneAsync(Idle, [names, new NpgsqlParameter<double> { TypedValue = LongIdle.TotalSeconds }], row => row.GetInt32(0) == 0 ? null : OfIdle(database, row.GetInt32(0), TimeSpan.FromSeconds(row.GetDouble(1)))),
            await OneAsync(Memory, [], row => OfMemory(row.GetInt32(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3))),
            await OneAsync("SELECT inet_server_port()", [], row => OfWayThere(database, row.IsDBNull(0) ? null : row.GetInt32(0))),
        };
        return [.. found.OfType<Finding>().OrderByDescending(finding => finding.Kind)];

        Task<Finding?> OneAsync(string sql, IReadOnlyList<NpgsqlParameter> parameters, Func<NpgsqlDataReader, Finding?> read) => AdminReads.RunAsync(
            admin, database, sql, parameters, async reader => await reader.ReadAsync(cancellation) ? read(reader) : null, cancellation);
    }

    private static Finding? OfAccessList(string table, int bytes, int entries, int ours, string administrator)
    {
        if (bytes < LargestRow / 2) return null;
        var each = Math.Max(1, bytes / Math.Max(1, entries));
        return new(
            bytes >= LargestRow * 8 / 10 ? FindingKind.Critical : FindingKind.Warning,
            "An access list is near the limit of a row",
            Say($"The access list of {table} has {entries} entries ({bytes} of at most {LargestRow} bytes), {ours} of them the broker's users'. After about {Math.Max(0, (LargestRow - bytes) / each)} entries more GRANT fails with \"row is too big\", and no user can be created any more. Grant to a group, once, and let each user join it."),
            GroupSql(administrator));
    }

    private static Finding? OfGrants(int tables, string example, string administrator) => tables == 0 ? null : new(
        FindingKind.Notice,
        "Each user is granted its rights individually",
        Say($"The broker's users are in the access lists of {tables} tables (such as {example}): creating or dropping a user writes to all of them. A group holds the rights once; a user joins it with one row."),
        GroupSql(administrator));

    private static Finding OfOwner(string user, int things, string names) => new(
        FindingKind.Warning,
        "A temporary user owns objects",
        Say($"{user} owns {things} objects ({Ownership.Shortened(names)}). It cannot be dropped before somebody else owns them. Create lasting objects with a permanent role, or name one in the role's OwnerRole."),
        $"REASSIGN OWNED BY {SqlText.Identifier(user)} TO app_owner;\nDROP OWNED BY {SqlText.Identifier(user)};");

    private static Finding OfIdle(Database database, int sessions, TimeSpan longest) => new(
        FindingKind.Warning,
        "Sessions of the broker's users are idle in a transaction",
        Say($"{sessions} sessions have been idle in an open transaction for more than {LongIdle.TotalSeconds:0} s, the longest for {longest.TotalSeconds:0} s. They hold locks, and keep vacuum from removing rows that were deleted since."),
        $"ALTER DATABASE {SqlText.Identifier(database.DatabaseName)} SET idle_in_transaction_session_timeout = '60s';\nSELECT pid, usename, application_name, state_change, query FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' ORDER BY state_change;");

    // No session can see how much memory the machine has: the planner's setting is the best available figure.
    private static Finding? OfMemory(int connections, long shared, long work, long expected)
    {
        var needed = shared + (connections * (work + OfOneSession));
        return needed <= expected * 4 / 3 ? null : new(
            FindingKind.Warning,
            "max_connections is more than the memory allows",
            Say($"{connections} connections that each sort once (work_mem) need {Size(needed)} with shared_buffers, but effective_cache_size assumes {Size(expected)} in all. When all come at once, the machine swaps or the kernel ends the server. Use fewer connections, a smaller work_mem, or a pooler in front."),
            Say($"ALTER SYSTEM SET max_connections = {Math.Max(20, (expected - shared) / (work + OfOneSession))};\nALTER SYSTEM SET work_mem = '{Math.Max(1, ((expected - shared) / connections - OfOneSession) >> 20)}MB';\n-- after a restart of the server; or set effective_cache_size to what the machine really has"));
    }

    private static Finding? OfWayThere(Database database, int? port)
    {
        var own = AdminConnections.Settings(database);
        var apart = own.Host != database.Host || own.Port != database.Port;
        if (!apart && (port is null || port == own.Port)) return null;
        return new(
            FindingKind.Notice,
            "Something is between the broker and the server",
            apart
                ? Say($"Pods connect to {database.Host}:{database.Port}, but the broker counts at {own.Host}:{own.Port}. If the first is a pooler, the connections counted here are the pooler's, and it alone limits what pods open (max_client_conn). In transaction mode, session names, prepared statements and SET do not last.")
                : Say($"The broker connects to port {own.Port}, and the server it reaches listens on port {port}: a pooler, a proxy or a forwarded port. Behind a pooler the server's sessions are the pooler's, and counting them says little about the pods."),
            null);
    }

    private static string GroupSql(string administrator) => $$$"""
        CREATE ROLE app_rw NOLOGIN;
        GRANT USAGE ON SCHEMA public TO app_rw;
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app_rw;
        -- the administrator that makes the users (here the broker's; Vault's, where Vault makes them): from version 16 on it puts nobody into a group without this
        GRANT app_rw TO {{{SqlText.Identifier(administrator)}}} WITH ADMIN OPTION;
        -- and in the role's CreationStatements (here, or in Vault), instead of GRANT … ON …:
        -- CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}' IN ROLE app_rw;
        """;

    private static string Size(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / (double)(1L << 30):0.#} GB");

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
