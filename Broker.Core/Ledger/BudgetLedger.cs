using Broker.Core.Catalog;

namespace Broker.Core.Ledger;

/// <summary>Counts, budgets and lines of a database's connections.</summary>
public sealed class BudgetLedger(LedgerClient client)
{
    /// <summary>Writes a count of the database's connections.</summary>
    /// <param name="database">The database.</param>
    /// <param name="capacity">What may be promised.</param>
    /// <param name="limit">The server's limit.</param>
    /// <param name="reserved">Those that ordinary users never get.</param>
    /// <param name="ceiling">What may be promised when nobody else uses the database.</param>
    /// <param name="foreign">In use by others.</param>
    /// <param name="staleAfter">How long the count is valid.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <param name="uses">By role: what its users have open; null: unchanged.</param>
    /// <param name="grantedAt">When the grants were read, by the ledger's clock; null: now.</param>
    /// <param name="silent">Holders that ended before that and may still have connections open; null: none.</param>
    /// <param name="terms">The terms on which the database is divided; null: all parties are equal, and nothing is kept for a surge.</param>
    /// <param name="server">What may be promised on all databases of the server together; null when that was not counted.</param>
    /// <param name="pool">What the database's pooler should have of the server, and what it may have until it is told; null when there is no pooler.</param>
    /// <param name="capped">What the users of capped leases have open beyond what was granted; null: unchanged.</param>
    /// <param name="beside">The guarantees on the server's other databases without a pooler; null: none.</param>
    /// <param name="poolers">The poolers of the server's other databases; null: none.</param>
    /// <returns>What the pooler gets, as far as the server's other databases leave it; null when there is no pooler.</returns>
    public async ValueTask<int?> SampleAsync(
        string database, int capacity, int limit, int reserved, int ceiling, int foreign, TimeSpan staleAfter,
        CancellationToken cancellation, IReadOnlyList<RoleOpen>? uses = null, DateTimeOffset? grantedAt = null, StillOpen? silent = null,
        DivisionTerms? terms = null, int? server = null, (int Wanted, int Allowed)? pool = null,
        IReadOnlyList<CappedLease>? capped = null, IReadOnlyList<DatabaseTerms>? beside = null, IReadOnlyList<NeighbourPooler>? poolers = null) =>
        (await client.TakeAsync(
            Decision.Sample,
            database,
            new(capacity, limit, reserved, ceiling, foreign, staleAfter, server, grantedAt, silent?.Connections ?? 0,
                silent?.Holders ?? [], uses ?? [], capped ?? [],
                terms?.Parties ?? [], terms?.Surges ?? [], pool?.Wanted, pool?.Allowed, beside ?? [], poolers ?? []),
            cancellation)).Pool;

    /// <summary>The first waiters in line for connections, in the order in which they are served.</summary>
    public async ValueTask<IReadOnlyList<WaitingCaller>> LineAsync(string database, int most, CancellationToken cancellation)
    {
        var reply = await client.TakeAsync(Decision.Line, database, new(most), cancellation);
        return
        [
            .. reply.Waiting.Select(entry =>
            {
                var (caller, node, team, _) = HolderText.Read(entry.Caller);
                return new WaitingCaller(entry.Holder, caller, entry.Want, entry.Least, entry.Since, entry.EndsAt) { Node = node, Team = team };
            }),
        ];
    }

    /// <summary>Pauses or drains these roles, and opens all others of the database.</summary>
    /// <param name="database">The database.</param>
    /// <param name="version">Rises with every order.</param>
    /// <param name="roles">The roles.</param>
    /// <param name="sure">Whether it is certain that there is no later order, whatever version was written.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>False when a higher version was already written, so that nothing was changed.</returns>
    public async ValueTask<bool> PauseAsync(string database, long version, IReadOnlyList<PausedRole> roles, bool sure, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.Pause, database, new(version, sure, roles), cancellation) == PauseAnswer.Done;

    /// <summary>The ledger's time, and the holders that ended without releasing and may have connections open.</summary>
    internal ValueTask<SilentReply> SilentAsync(string database, CancellationToken cancellation) =>
        client.TakeAsync(Decision.Silent, database, new(), cancellation);

    /// <summary>
    /// Whether there have been no holders and no waiters on the database for so long (<see cref="BudgetSettings.PauseAfter"/>) that it need not
    /// be queried. A database with a role that is kept ready is always in use, and so is one behind a pooler, because the pooler's size is maintained.
    /// </summary>
    internal async ValueTask<RestAnswer> RestAsync(CatalogSnapshot catalog, Database database, CancellationToken cancellation) =>
        database.Pooler is not null || catalog.Roles.Values.Any(role => role.KeepReady && role.Database == database.Name)
            ? new RestAnswer.InUse()
            : await client.TakeAsync(Decision.Rest, database.Name, new(database.Budget.PauseAfter), cancellation);

    /// <summary>Requests one more count of a database: at once if it rests, otherwise before it does.</summary>
    internal async ValueTask WakeAsync(string database, CancellationToken cancellation) =>
        await client.TakeAsync(Decision.Wake, database, new(), cancellation);

    /// <summary>The current budget.</summary>
    public ValueTask<BudgetRecord> BudgetAsync(string database, IReadOnlyList<string> roles, CancellationToken cancellation) =>
        client.TakeAsync(Decision.Budget, database, new(roles), cancellation);
}

/// <summary>A database's budget as the ledger has it. All numbers are connections.</summary>
/// <param name="Now">The ledger's time.</param>
/// <param name="SampledAt">When the connections were counted last; null: never.</param>
/// <param name="Limit">The server's limit.</param>
/// <param name="ReservedForSuperusers">Those that ordinary users never get.</param>
/// <param name="Ceiling">All that may be promised when nobody else uses the database.</param>
/// <param name="Foreign">In use by others, or promised on other databases of the server.</param>
/// <param name="ElsewhereOnServer">The part of them that is promised on other databases of the server, or may be open of ended holders there.</param>
/// <param name="Capacity">All that may be promised now.</param>
/// <param name="Granted">Promised to holders.</param>
/// <param name="Waiting">Claims in line (not connections).</param>
/// <param name="Roles">By role.</param>
/// <param name="Resting">There are no holders or waiters, and the database is not queried until somebody claims.</param>
/// <param name="SettlesIn">For how long nothing is granted yet, because replicas may still restore what the ledger lost; zero: it grants.</param>
/// <param name="Kept">The part of the free connections that is kept for unused guarantees.</param>
/// <param name="KeptElsewhere">The server's connections that are kept for unused guarantees on its other databases. None of these are free here.</param>
/// <param name="LostSince">Whether the ledger lost something since that count, which is believed no more: nothing is granted before the next.</param>
public sealed record BudgetRecord(
    DateTimeOffset Now, DateTimeOffset? SampledAt, int Limit, int ReservedForSuperusers, int Ceiling, int Foreign, int ElsewhereOnServer, int Capacity,
    int Granted, int Waiting, IReadOnlyList<RoleUse> Roles, bool Resting = false, TimeSpan SettlesIn = default, int Kept = 0, int KeptElsewhere = 0, bool LostSince = false)
{
    /// <summary>What can be granted now.</summary>
    public int Free => Math.Max(0, Capacity - Granted);

    /// <summary>What holders' users had open at the last count, including what is open beyond their grants.</summary>
    public int Open => Roles.Sum(role => role.Open);
}

/// <summary>What a role's holders have.</summary>
/// <param name="Role">The role.</param>
/// <param name="Holders">How many there are.</param>
/// <param name="Connections">Promised to them.</param>
/// <param name="Over">Open beyond that, at the last count.</param>
/// <param name="Open">All that its users had open then, including that.</param>
public sealed record RoleUse(string Role, int Holders, int Connections, int Over, int Open);

/// <summary>A count of the database's connections; see <see cref="BudgetLedger.SampleAsync"/>.</summary>
internal sealed record SampleQuestion(
    int Capacity, int Limit, int ReservedForSuperusers, int Ceiling, int Foreign, TimeSpan StaleAfter, int? Server, DateTimeOffset? GrantedAt, int StillOpen,
    IReadOnlyList<SilentLeft> Silent, IReadOnlyList<RoleOpen> Roles, IReadOnlyList<CappedLease> Capped, IReadOnlyList<PartyTerms> Parties, IReadOnlyList<SurgeTerms> Surges, int? Pool, int? PoolAllowed,
    IReadOnlyList<DatabaseTerms> Beside, IReadOnlyList<NeighbourPooler> Poolers);

/// <summary>The guarantees on another database of the server.</summary>
/// <param name="Database">The database.</param>
/// <param name="Guaranteed">To all its parties together.</param>
public sealed record DatabaseTerms(string Database, int Guaranteed);

/// <summary>The pooler of another database of the server.</summary>
/// <param name="Database">The database.</param>
/// <param name="Size">What it may have of the server's connections.</param>
public sealed record NeighbourPooler(string Database, int Size);

/// <summary>The server's connections that the database's pooler should have; null: it has no pooler.</summary>
internal sealed record SampleReply(int? Pool);

/// <summary>A caller that waits in line for connections.</summary>
/// <param name="Holder">The holder that it wants to be.</param>
/// <param name="Caller">Its name, for people.</param>
/// <param name="Want">Connections that it wants.</param>
/// <param name="Least">The fewest connections it accepts.</param>
/// <param name="Since">Since when it waits; null: not known.</param>
/// <param name="Until">How long it would wait.</param>
public sealed record WaitingCaller(string Holder, string Caller, int Want, int Least, DateTimeOffset? Since, DateTimeOffset Until)
{
    /// <summary>The node its pod runs on; null: not known.</summary>
    public string? Node { get; init; }

    /// <summary>The team it is counted with; null: none.</summary>
    public string? Team { get; init; }
}

/// <summary>How many waiters to return.</summary>
internal sealed record LineQuestion(int Most);

/// <summary>The waiters.</summary>
internal sealed record LineReply(DateTimeOffset Now, IReadOnlyList<LineEntry> Waiting);

/// <summary>A waiter, as it is on the wire.</summary>
internal sealed record LineEntry(string Holder, string Caller, int Want, int Least, DateTimeOffset EndsAt, DateTimeOffset? Since);

/// <summary>A role that is paused or drained.</summary>
/// <param name="Name">The role.</param>
/// <param name="State">Whether its holders keep it (<see cref="RoleState.Paused"/>) or get no more time (<see cref="RoleState.Draining"/>).</param>
public sealed record PausedRole(string Name, RoleState State);

/// <summary>The state that an operator puts a role in.</summary>
public enum RoleState
{
    /// <summary>It is granted as usual.</summary>
    Open,

    /// <summary>It gives nothing to new callers; its holders keep it and renew.</summary>
    Paused,

    /// <summary>It gives nothing to new callers, and nobody renews: each holder keeps it until its end.</summary>
    Draining,
}

/// <summary>All paused or drained roles of a database.</summary>
internal sealed record PauseQuestion(long Version, bool Sure, IReadOnlyList<PausedRole> Roles);

/// <summary>The outcome of an order.</summary>
internal enum PauseAnswer
{
    /// <summary>It is in force.</summary>
    Done,

    /// <summary>Later orders were already written.</summary>
    Late,
}

/// <summary>A holder that ended without releasing.</summary>
internal sealed record SilentHolder(string Holder, string Lease, int Connections);

/// <summary>All of them.</summary>
internal sealed record SilentReply(DateTimeOffset Now, IReadOnlyList<SilentHolder> Holders);

/// <summary>The most that such a holder may have open.</summary>
public sealed record SilentLeft(string Holder, int Connections);

/// <summary>What holders that ended without releasing may still have open.</summary>
/// <param name="Connections">All together, beyond what is counted as foreign.</param>
/// <param name="Holders">By holder.</param>
public sealed record StillOpen(int Connections, IReadOnlyList<SilentLeft> Holders);

/// <summary>What a capped lease's user has open, or may have open, beyond what its holders were granted.</summary>
public sealed record CappedLease(string Lease, int Beyond);

/// <summary>What a role's users have open.</summary>
/// <param name="Name">The role.</param>
/// <param name="Over">Beyond what was granted.</param>
/// <param name="Open">All of it.</param>
public sealed record RoleOpen(string Name, int Over, int Open);

/// <summary>How long the database has to be unused.</summary>
internal sealed record RestQuestion(TimeSpan PauseAfter);

/// <summary>Whether a database is in use.</summary>
internal abstract record RestAnswer
{
    /// <summary>It has holders or waiters, or had some a moment ago.</summary>
    public sealed record InUse : RestAnswer;

    /// <summary>It has none; <paramref name="Looked"/>: leftovers were searched for since its last use, and no lease may have left any since.</summary>
    public sealed record Resting(bool Looked) : RestAnswer;
}

/// <summary>The roles that the budget includes.</summary>
internal sealed record BudgetQuestion(IReadOnlyList<string> Roles);
