using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Model;

namespace Broker.Core.Issuing.BuiltIn;

/// <summary>
/// Creates users itself by running the role's statements over the database's administrator connection. A lease's id is its
/// user's name. It is stateless: the caller, who knows when the lease was issued, has to enforce its maximum lifetime over all renewals
/// (<see cref="Role.LeaseMaxTtl"/>).
/// </summary>
/// <param name="engines">The engines that run the statements.</param>
public sealed partial class BuiltInIssuer(DatabaseEngines engines) : IIssuer
{
    /// <summary>How much longer than its lease the user lives, as with Vault, so that no login fails in a lease's last moment.</summary>
    private static readonly TimeSpan Buffer = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    public async Task<IssuedLease> IssueAsync(IssueOrder order, CancellationToken cancellation)
    {
        var (role, database) = (order.Role, order.Database);
        if (role.Static is not null) return await SetPasswordAsync(order, cancellation);
        if (role.CreationStatements.Count == 0)
            throw new IssuerException(IssuerFailure.Refused, $"Role '{role.Name}' has no CreationStatements: write the statements that create its users.");
        var engine = engines[database.Engine];
        var login = new Login(order.Username ?? UserNames.New(role.Name, engine.Dialect.MaxUsernameLength), Passwords.New());
        var statements = Rendered(database, role.CreationStatements, login.Username, login.Password, order.Now + role.LeaseTtl + Buffer);
        try
        {
            await engine.CreateUserAsync(database, login, statements, role.OwnerRole, cancellation);
        }
        catch (DatabaseException exception)
        {
            throw Failed(exception, login.Password);
        }

        return new(login.Username, login, new(role.LeaseTtl, Renewable: true));
    }

    // The rotation decides how long the login works.
    private async Task<IssuedLease> SetPasswordAsync(IssueOrder order, CancellationToken cancellation)
    {
        var login = new Login(order.Username!, Passwords.New());
        try
        {
            await engines[order.Database.Engine].SetPasswordAsync(order.Database, login, cancellation);
        }
        catch (DatabaseException exception)
        {
            throw Failed(exception, login.Password);
        }

        return new(login.Username, login, new(order.Role.LeaseTtl, Renewable: false));
    }

    /// <summary>
    /// Moves the user's end to <paramref name="increment"/> from now. Does not check <see cref="Role.LeaseMaxTtl"/>: the caller,
    /// who knows when the lease was issued, asks for no more than it allows.
    /// </summary>
    /// <inheritdoc/>
    public async Task<LeaseTerm> RenewAsync(IssuerLease lease, TimeSpan increment, DateTimeOffset now, CancellationToken cancellation)
    {
        var engine = engines[lease.Database.Engine];
        if (await FindAsync(lease, cancellation) is null)
            throw new IssuerException(IssuerFailure.LeaseUnknown, $"Database '{lease.Database.Name}' has no user '{lease.Id}': it was dropped.");
        var configured = lease.Role.RenewStatements is { Count: > 0 } own ? own : engine.Dialect.DefaultRenewStatements;
        var statements = Rendered(lease.Database, configured, lease.Id, password: null, now + increment + Buffer);
        try
        {
            await engine.RunAsync(lease.Database, statements, cancellation);
        }
        catch (DatabaseException exception)
        {
            throw Failed(exception);
        }

        return new(increment, Renewable: true);
    }

    /// <inheritdoc/>
    public async Task RevokeAsync(IssuerLease lease, CancellationToken cancellation)
    {
        // The users of a static role stay; their passwords change when it is their turn.
        if (lease.Role.Static is not null) return;
        var statements = Rendered(lease.Database, lease.Role.RevocationStatements, lease.Id, password: null, expiration: null);
        try
        {
            await engines[lease.Database.Engine].DropUserAsync(lease.Database, lease.Id, statements, lease.Role.OwnerRole, cancellation);
        }
        catch (DatabaseException exception)
        {
            throw Failed(exception);
        }

        // The engine's own removal is reliable. Custom statements may do anything, and a user that still exists is not revoked.
        if (statements.Count > 0 && await FindAsync(lease, cancellation) is not null)
            throw new IssuerException(
                IssuerFailure.Refused,
                $"Database '{lease.Database.Name}': the RevocationStatements of role '{lease.Role.Name}' ran, but user '{lease.Id}' is still there. Add the statement that drops the user, or remove them.");
    }

    /// <inheritdoc/>
    public async Task<LeaseTerm?> LookUpAsync(IssuerLease lease, DateTimeOffset now, CancellationToken cancellation)
    {
        if (await FindAsync(lease, cancellation) is not { } user)
            return null;
        if (user.ValidUntil is not { } end)
            return new(
                lease.Role.LeaseMaxTtl, Renewable: true, "The user does not expire in the database: it works until it is dropped.");
        var left = end - Buffer - now;
        return new(left > TimeSpan.Zero ? left : TimeSpan.Zero, Renewable: true);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> ListAsync(Role role, Database database, CancellationToken cancellation)
    {
        if (role.Static is not null) return [];
        var engine = engines[database.Engine];
        var maxLength = engine.Dialect.MaxUsernameLength;
        var users = await FindAsync(engine, database, UserNames.Prefix(role.Name, maxLength), cancellation);
        return [.. users.Select(user => user.Username).Where(name => UserNames.IsOf(name, role.Name, maxLength))];
    }

    /// <inheritdoc/>
    public string? ProposeUsername(Role role, Database database) => UserNames.New(role.Name, engines[database.Engine].Dialect.MaxUsernameLength);

    /// <inheritdoc/>
    public bool CouldHaveMade(Role role, Database database, string username, string id) => role.Static is { } users
        ? (id.Length == 0 || id == username) && (username.Length == 0 || users.Usernames.Contains(username))
        :
        (id.Length == 0 || id == username) && (username.Length == 0 || UserNames.IsOf(username, role.Name, engines[database.Engine].Dialect.MaxUsernameLength));

    private async Task<DatabaseUser?> FindAsync(IssuerLease lease, CancellationToken cancellation) =>
        (await FindAsync(engines[lease.Database.Engine], lease.Database, lease.Id, cancellation)).FirstOrDefault(user => user.Username == lease.Id);

    private static async Task<IReadOnlyList<DatabaseUser>> FindAsync(
        IDatabaseEngine engine, Database database, string prefix, CancellationToken cancellation)
    {
        try
        {
            return await engine.FindUsersAsync(database, prefix, cancellation);
        }
        catch (DatabaseException exception)
        {
            throw Failed(exception);
        }
    }

    private static IReadOnlyList<string> Rendered(
        Database database, IReadOnlyList<string> statements, string username, Secret? password, DateTimeOffset? expiration)
    {
        try
        {
            return StatementTemplate.Render(database.Engine, statements, username, password, expiration);
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException)
        {
            throw new IssuerException(IssuerFailure.Refused, exception.Message, inner: exception);
        }
    }

    private static IssuerException Failed(DatabaseException exception, Secret? password = null) => new(
        exception.Failure switch
        {
            DatabaseFailure.StatementRefused or DatabaseFailure.StillOwns => IssuerFailure.Refused,
            DatabaseFailure.AnswerLost => IssuerFailure.AnswerLost,
            _ => IssuerFailure.DatabaseUnavailable,
        },
        password is null ? exception.Message : Redacted(exception.Message, password),
        // The server's message about a refused statement may quote the password; the exception that carries it is not passed on.
        inner: password is null ? exception : null);

    /// <summary>
    /// A database that cannot parse a statement quotes the part where it failed, and a missing quote in the role's statements
    /// can make that a part of the password: every such word is removed from the message (law L6).
    /// </summary>
    private static string Redacted(string message, Secret password) =>
        Words().Replace(message, word => password.Reveal().Contains(word.Value, StringComparison.OrdinalIgnoreCase) ? "[redacted]" : word.Value);

    [GeneratedRegex(@"[A-Za-z0-9_-]{3,}", RegexOptions.CultureInvariant)]
    private static partial Regex Words();
}
