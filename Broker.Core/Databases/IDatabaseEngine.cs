using Broker.Core.Catalog;
using Broker.Core.Model;

namespace Broker.Core.Databases;

/// <summary>
/// What the broker needs from a database engine. Implementations hold no state per role; each opens its own administrator
/// connections to <see cref="Database.AdminConnectionString"/>, few at a time, because they too count as connections.
/// Every call throws <see cref="DatabaseException"/> and nothing else (cancellation apart).
/// </summary>
public interface IDatabaseEngine
{
    /// <summary>The engine this is.</summary>
    DatabaseEngineKind Kind { get; }

    /// <summary>Counts the database's limits and the connections open now; behind a <see cref="Database.Pooler"/>, those of its clients.</summary>
    Task<ConnectionSample> SampleAsync(Database database, CancellationToken cancellation);

    /// <summary>
    /// Makes a database's pooler keep to a number of connections to the server, shared among a number of users none of whom can exclude another.
    /// Excess connections end when they become idle, without interrupting a statement.
    /// </summary>
    /// <param name="database">The database, with its <see cref="Database.Pooler"/>.</param>
    /// <param name="connections">0 or more; a process of the pooler has at least one.</param>
    /// <param name="users">Users with leases now.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>Whether it was told anything new.</returns>
    /// <exception cref="NotSupportedException">The engine has no poolers.</exception>
    Task<bool> ResizePoolAsync(Database database, int connections, int users, CancellationToken cancellation) =>
        Task.FromException<bool>(new NotSupportedException($"{Kind} has no poolers."));

    /// <summary>The entry of a login in a pooler's list of users: the verifier that the server itself keeps, which does not reveal the password.</summary>
    /// <param name="database">The database, as its administrator sees it.</param>
    /// <param name="login">A login that works.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="NotSupportedException">The engine has no poolers.</exception>
    Task<string> VerifierAsync(Database database, Login login, CancellationToken cancellation) =>
        Task.FromException<string>(new NotSupportedException($"{Kind} has no poolers."));

    /// <summary>Makes a database's pooler read its list of users again.</summary>
    /// <param name="database">The database, with its <see cref="Database.Pooler"/>.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>Whether all its processes answered; one that did not may have to be told again.</returns>
    /// <exception cref="NotSupportedException">The engine has no poolers.</exception>
    Task<bool> ReloadPoolerAsync(Database database, CancellationToken cancellation) =>
        Task.FromException<bool>(new NotSupportedException($"{Kind} has no poolers."));

    /// <summary>Returns when every process of a database's pooler that answers lets in a login from its list of users.</summary>
    /// <param name="database">The database, with its <see cref="Database.Pooler"/>.</param>
    /// <param name="login">The login.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="NotSupportedException">The engine has no poolers.</exception>
    Task WaitForPoolerAsync(Database database, Login login, CancellationToken cancellation) =>
        Task.FromException(new NotSupportedException($"{Kind} has no poolers."));

    /// <summary>The currently open connections and their activity, grouped by what they have in common; without the connection that reads this.</summary>
    Task<IReadOnlyList<OpenSessions>> SessionsAsync(Database database, CancellationToken cancellation);

    /// <summary>What a DBA should know about how well the server suits users that come and go, the worst first. Changes nothing.</summary>
    /// <param name="database">The database.</param>
    /// <param name="users">The broker's users that are there, or may be.</param>
    /// <param name="cancellation">Ends the wait.</param>
    Task<IReadOnlyList<Finding>> ExamineAsync(Database database, IReadOnlyCollection<string> users, CancellationToken cancellation);

    /// <summary>Logs in once as that user and runs a trivial query; returns when it worked (law L3).</summary>
    Task TryLoginAsync(Database database, Login login, CancellationToken cancellation);

    /// <summary>
    /// Makes a user: runs the role's rendered statements. When one is refused, none of their effects remain, and no user. When
    /// the connection is lost meanwhile, the failure is <see cref="DatabaseFailure.AnswerLost"/>.
    /// </summary>
    /// <param name="database">The database.</param>
    /// <param name="login">The user the statements make; engines whose statements only name its rights make it themselves.</param>
    /// <param name="statements">Ready to run.</param>
    /// <param name="ownerRole">
    /// The role that takes over what the user leaves (<see cref="Role.OwnerRole"/>): refused here, with an explanation, when that would give anybody more rights than
    /// the user has. Null: none.
    /// </param>
    /// <param name="cancellation">Heeded as by <see cref="RunAsync"/>.</param>
    Task CreateUserAsync(Database database, Login login, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation);

    /// <summary>
    /// Runs statements, already rendered, in one transaction where the engine has transactions for them. Those that
    /// collide with others inside the server are tried again. When the connection is lost in between, the failure is
    /// <see cref="DatabaseFailure.AnswerLost"/>. Cancellation is heeded until the transaction is about to be committed, or, where
    /// there is none, until the first statement is sent.
    /// </summary>
    Task RunAsync(Database database, IReadOnlyList<string> statements, CancellationToken cancellation);

    /// <summary>
    /// Gives an existing user another password, and lets it log in; its sessions continue. The failure is <see cref="DatabaseFailure.StatementRefused"/>
    /// when there is no such user, or it is the broker's administrator.
    /// </summary>
    /// <exception cref="NotSupportedException">The engine has no static roles.</exception>
    Task SetPasswordAsync(Database database, Login login, CancellationToken cancellation) => Task.FromException(new NotSupportedException($"{Kind} has no static roles."));

    /// <summary>
    /// Keeps a user from logging in and ends its sessions, including those of a dropped user; returns when they have ended.
    /// Every step is tried, even if an earlier one is refused: the failure says what remains.
    /// </summary>
    Task ShutOutAsync(Database database, string username, CancellationToken cancellation);

    /// <summary>
    /// How many sessions a user has, including those left by a dropped user; sessions that can no longer do anything
    /// do not count. Null when the server does not report it.
    /// </summary>
    Task<int?> CountSessionsAsync(Database database, string username, CancellationToken cancellation);

    /// <summary>
    /// Drops a user; its remaining sessions are left alone. A user that does not exist counts as dropped. What the user owns is never
    /// given to anybody with more rights than it had (law L13): when nobody else may have it, the failure is
    /// <see cref="DatabaseFailure.StillOwns"/>, and the user is shut out.
    /// </summary>
    /// <param name="database">The database.</param>
    /// <param name="username">The user to drop.</param>
    /// <param name="statements">The role's revocation statements, already rendered; empty for the engine's default.</param>
    /// <param name="ownerRole">The role that gets what the user leaves (<see cref="Role.OwnerRole"/>); null: none.</param>
    /// <param name="cancellation">Ends the wait.</param>
    Task DropUserAsync(Database database, string username, IReadOnlyList<string> statements, string? ownerRole, CancellationToken cancellation);

    /// <summary>
    /// Makes the server itself refuse a user's connections beyond a number; open ones stay. A user that does not exist
    /// needs no cap.
    /// </summary>
    /// <param name="database">The database.</param>
    /// <param name="username">The user.</param>
    /// <param name="connections">0 or more; null: no cap.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="NotSupportedException">The engine has no caps (<see cref="EngineDialect.CapsUsers"/>).</exception>
    Task CapUserAsync(Database database, string username, int? connections, CancellationToken cancellation);

    /// <summary>
    /// Runs the path of an issue without changing anything, so that a driver's code is compiled and its connections are open before the first user
    /// is made.
    /// </summary>
    Task RehearseAsync(Database database, CancellationToken cancellation) => Task.CompletedTask;

    /// <summary>
    /// How many connections the database lets a user open: its own limit, or the server's for each user; null: any number, or
    /// the administrator may not see it.
    /// </summary>
    Task<int?> UserLimitAsync(Database database, string username, CancellationToken cancellation);

    /// <summary>The users whose names begin with a prefix: for finding leftovers.</summary>
    Task<IReadOnlyList<DatabaseUser>> FindUsersAsync(Database database, string prefix, CancellationToken cancellation);

    /// <summary>What the engine does to a role's statements when none are configured, and how long names may be.</summary>
    EngineDialect Dialect { get; }

    /// <summary>Ready-made connection strings for a login, every value escaped for its format. No server is asked.</summary>
    /// <param name="database">The database, as its pods see it.</param>
    /// <param name="login">The user.</param>
    /// <param name="connections">The pool's size, where a driver takes one from its string.</param>
    /// <param name="holder">The name of the holder's connections inside the database (<c>HolderName</c>); null: none.</param>
    /// <exception cref="DatabaseException">The administrator's connection string cannot be understood.</exception>
    ConnectionStrings Describe(Database database, Login login, int connections, string? holder = null);
}

/// <summary>One count of a database's connections. All numbers are connections.</summary>
/// <param name="Limit">The server's limit, e.g. <c>max_connections</c>.</param>
/// <param name="Reserved">The part of the limit that ordinary users never get, e.g. <c>superuser_reserved_connections</c> + <c>reserved_connections</c>.</param>
/// <param name="DatabaseLimit">The limit of this one database (<c>datconnlimit</c>), null when it has none.</param>
/// <param name="Users">Client connections by user.</param>
/// <param name="Server">
/// An identity that is unique to this server, whatever name it is reached by: two databases with the same identity are on one server. A
/// replica is a separate server. Null when the server does not identify itself.
/// </param>
public sealed record ConnectionSample(int Limit, int Reserved, int? DatabaseLimit, IReadOnlyList<UserConnections> Users, string? Server = null)
{
    /// <summary>For a database with a pooler: the server behind it, where <see cref="Users"/> are the pooler's clients; null: they are the server's.</summary>
    public PooledConnections? Pool { get; init; }

    /// <summary>False: the server shows neither how many connections it has nor whose they are, and <see cref="Users"/> is empty whatever is open.</summary>
    public bool ShowsConnections { get; init; } = true;
}

/// <summary>The server behind a pooler.</summary>
/// <param name="Server">The server.</param>
/// <param name="Allowed">Connections to it that the pooler may open by its present settings, or has open beyond that.</param>
public sealed record PooledConnections(ConnectionSample Server, int Allowed)
{
    /// <summary>The pooler's processes, in the order of its configuration.</summary>
    public IReadOnlyList<PoolerProcess> Processes { get; init; } = [];
}

/// <summary>One process of a pooler.</summary>
/// <param name="Address">Where its console answers.</param>
/// <param name="Mode">How it shares connections, in its own term (<c>transaction</c>); empty: not known.</param>
/// <param name="Allowed">Connections to the server that its settings allow.</param>
/// <param name="Open">Connections to the server that it has open.</param>
/// <param name="Clients">Clients that are connected.</param>
/// <param name="Waiting">Those that wait for a connection to the server.</param>
/// <param name="Error">Why its state is not known, in words; null: it answered.</param>
public sealed record PoolerProcess(string Address, string Mode, int Allowed, int Open, int Clients, int Waiting, string? Error = null);

/// <summary>The connections of one user.</summary>
/// <param name="Username">The user; null for connections whose user no longer exists.</param>
/// <param name="Open">Connections of this user on the whole server.</param>
/// <param name="InDatabase">Those in the database itself.</param>
public sealed record UserConnections(string? Username, int Open, int InDatabase)
{
    private static readonly IReadOnlyDictionary<string, int> None = new Dictionary<string, int>();

    /// <summary>
    /// How many of <see cref="Open"/> carry the name of a holder, by that holder's key (<see cref="Identity.HolderName.KeyOf"/>); empty
    /// if the server does not show names.
    /// </summary>
    public IReadOnlyDictionary<string, int> Named { get; init; } = None;
}

/// <summary>A user found in a database.</summary>
/// <param name="Username">Its name.</param>
/// <param name="ValidUntil">When its password stops working; null when the engine does not say.</param>
/// <param name="OpenConnections">Its open connections.</param>
/// <param name="OwnedObjects">How many objects it owns; null when the engine does not say.</param>
/// <param name="Owned">What they are, the first of them by name; null when it owns none.</param>
public sealed record DatabaseUser(string Username, DateTimeOffset? ValidUntil, int OpenConnections, int? OwnedObjects = null, string? Owned = null);

/// <summary>What differs between engines when users are made.</summary>
/// <param name="MaxUsernameLength">Longest user name, in characters (PostgreSQL 63, MySQL 32).</param>
/// <param name="DefaultRenewStatements">Statements run when a role has no <c>RenewStatements</c>.</param>
/// <param name="CapsUsers">Whether <see cref="IDatabaseEngine.CapUserAsync"/> can be called.</param>
public sealed record EngineDialect(int MaxUsernameLength, IReadOnlyList<string> DefaultRenewStatements, bool CapsUsers);

/// <summary>Why a call to a database failed.</summary>
public enum DatabaseFailure
{
    /// <summary>The server cannot be reached, is starting or shutting down, or did not answer in time. Nothing was changed.</summary>
    Unavailable,

    /// <summary>The server has no connection free.</summary>
    OutOfConnections,

    /// <summary>The user has reached its own connection limit: its login works.</summary>
    UserLimitReached,

    /// <summary>The server refused the user or password.</summary>
    LoginRefused,

    /// <summary>The server refused a statement (rights, syntax). None of its effects remain.</summary>
    StatementRefused,

    /// <summary>
    /// The user owns something that nobody else may have (law L13): it is shut out and stays, until a person has looked at what it left.
    /// The message says what, and what to do.
    /// </summary>
    StillOwns,

    /// <summary>
    /// The connection ended after statements were sent and before their outcome came back: they may have been carried
    /// out, a user may exist (law L5). Only where users are made, changed and dropped.
    /// </summary>
    AnswerLost,
}

/// <summary>A database did not do what it was asked. The message contains the server's own words, never a secret.</summary>
public sealed class DatabaseException(DatabaseFailure failure, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Which kind of failure.</summary>
    public DatabaseFailure Failure { get; } = failure;
}
