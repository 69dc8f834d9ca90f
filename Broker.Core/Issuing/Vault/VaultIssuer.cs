using System.Buffers;
using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Model;
using Microsoft.Extensions.Logging;

namespace Broker.Core.Issuing.Vault;

/// <summary>
/// Issues through the database secrets engine of one Vault or OpenBao. Vault chooses the user names.
/// </summary>
/// <remarks>
/// A lease ends with the token that created it, whatever lifetime it was given. So the returned term is never longer than the token
/// guarantees: it is shortened, with a warning (law L4).
/// Cancelling <see cref="IssueAsync"/> leaves open whether a user was made, as does <see cref="IssuerFailure.AnswerLost"/>.
/// </remarks>
public sealed class VaultIssuer : IIssuer, IDisposable
{
    // Vault's ids are in base 62; namespaces add a dot and more base-62 characters.
    private static readonly SearchValues<char> IdCharacters = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-");

    private readonly VaultIssuerDefinition definition;
    private readonly VaultClient client;
    private readonly VaultTokenSource tokens;
    private readonly ILogger logger;

    internal VaultIssuer(VaultIssuerDefinition definition, VaultClient client, VaultTokenSource tokens, ILogger logger) =>
        (this.definition, this.client, this.tokens, this.logger) = (definition, client, tokens, logger);

    /// <inheritdoc/>
    public async Task<IssuedLease> IssueAsync(IssueOrder order, CancellationToken cancellation)
    {
        var path = VaultPath.Parse(order.Role.VaultPath);
        await tokens.GetFreshAsync(cancellation);
        try
        {
            var (token, credentials) = await tokens.RunAsync(
                async token => (token, await client.IssueAsync(path, token.Value, cancellation)), cancellation);
            return credentials.Login is { } login
                ? new IssuedLease(credentials.LeaseId, login, Cap(credentials.Term, token.Horizon, order.Role))
                : throw await GiveBackAsync(path, credentials, cancellation);
        }
        catch (IssuerException lost) when (lost.Failure == IssuerFailure.AnswerLost)
        {
            Log.AnswerLost(logger, definition.Name, order.Role.Name, lost.Message);
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task<LeaseTerm> RenewAsync(IssuerLease lease, TimeSpan increment, DateTimeOffset now, CancellationToken cancellation)
    {
        await tokens.GetFreshAsync(cancellation);
        return await tokens.RunAsync(
            async token =>
            {
                // The lease is looked up only when Vault does not extend it, or when an earlier token may have created it.
                var renewed = await client.RenewAsync(lease.Id, increment, token.Value, cancellation);
                if (renewed is not null && token.Earlier.Count == 0) return Cap(renewed, token.Horizon, lease.Role);
                var known = await client.LookUpAsync(lease.Id, token.Value, cancellation)
                    ?? throw new IssuerException(IssuerFailure.LeaseUnknown, "Vault no longer knows this lease.");
                var term = renewed ?? known.Term with { Renewable = false, Warning = "Vault does not extend the lease any further: it has reached its max TTL." };
                return Cap(term, token.HorizonOf(known.IssuedAt, definition.Timeout), lease.Role);
            },
            cancellation);
    }

    /// <inheritdoc/>
    public Task RevokeAsync(IssuerLease lease, CancellationToken cancellation) =>
        tokens.RunAsync(
            async token =>
            {
                await client.RevokeAsync(lease.Id, token.Value, cancellation);
                return true;
            },
            cancellation);

    /// <inheritdoc/>
    public Task<LeaseTerm?> LookUpAsync(IssuerLease lease, DateTimeOffset now, CancellationToken cancellation) =>
        tokens.RunAsync(
            async token => await client.LookUpAsync(lease.Id, token.Value, cancellation) is { } known
                ? Cap(known.Term with { IssuedAt = known.IssuedAt }, token.HorizonOf(known.IssuedAt, definition.Timeout), lease.Role)
                : null,
            cancellation);

    /// <inheritdoc/>
    /// <remarks>Needs <c>list</c> and <c>sudo</c> on <c>sys/leases/lookup/PATH</c>.</remarks>
    public Task<IReadOnlyList<string>> ListAsync(Role role, Database database, CancellationToken cancellation)
    {
        var path = VaultPath.Parse(role.VaultPath);
        return tokens.RunAsync(token => client.ListAsync(path, token.Value, cancellation), cancellation);
    }

    /// <inheritdoc/>
    public string? ProposeUsername(Role role, Database database) => null;

    /// <inheritdoc/>
    /// <remarks>Recognises Vault's default user names; a role with its own <c>username_template</c> is not recognised.</remarks>
    public bool CouldHaveMade(Role role, Database database, string username, string id) =>
        (id.Length == 0 || IsLeaseOf(VaultPath.Parse(role.VaultPath), id)) && (username.Length == 0 || VaultUserNames.IsOf(username, role.VaultPath!));

    // A lease id is its path and one random part (recordings, 10).
    private static bool IsLeaseOf(VaultPath path, string id) =>
        id.StartsWith(path.Plain + "/", StringComparison.Ordinal) && id.AsSpan(path.Plain.Length + 1) is { Length: > 0 } rest
        && !rest.ContainsAnyExcept(IdCharacters);

    /// <summary>The state of the server.</summary>
    /// <exception cref="IssuerException"><see cref="IssuerFailure.Unavailable"/>: it cannot be reached.</exception>
    public Task<VaultHealth> HealthAsync(CancellationToken cancellation) => client.HealthAsync(cancellation);

    /// <inheritdoc/>
    public async Task<bool?> IsUpAsync(CancellationToken cancellation)
    {
        try
        {
            return (await HealthAsync(cancellation)).State is VaultState.Active or VaultState.Standby or VaultState.PerformanceStandby;
        }
        catch (IssuerException)
        {
            return false;
        }
    }

    /// <inheritdoc cref="VaultTokenSource.KeepAliveAsync"/>
    public Task<TimeSpan?> KeepAliveAsync(CancellationToken cancellation) => tokens.KeepAliveAsync(cancellation);

    /// <inheritdoc/>
    public async Task<string?> GenerationAsync(CancellationToken cancellation) =>
        (await tokens.GetAsync(cancellation)).IssuedAt.UtcTicks.ToString(CultureInfo.InvariantCulture);

    /// <summary>Closes the connections. The token is not revoked: the leases it created live on.</summary>
    public void Dispose() => client.Dispose();

    private LeaseTerm Cap(LeaseTerm term, TimeSpan? horizon, Role role)
    {
        if (horizon is not { } safe || term.Duration <= safe) return term;
        var warning = $"is shortened from {term.Duration} to {safe}: it ends with the Vault token that created it. Give the broker a periodic token (token_period) to keep leases longer.";
        Log.LeaseCapped(logger, definition.Name, role.Name, warning);
        return term with
        {
            Duration = safe > TimeSpan.Zero ? safe : TimeSpan.Zero,
            Warning = term.Warning is null ? $"The lease {warning}" : $"{term.Warning} The lease {warning}",
        };
    }

    /// <summary>Handles a role that returns keys or certificates: its lease is revoked at once, because nobody can use it.</summary>
    private async Task<IssuerException> GiveBackAsync(VaultPath path, VaultCredentials credentials, CancellationToken cancellation)
    {
        try
        {
            await tokens.RunAsync(
                async token =>
                {
                    await client.RevokeAsync(credentials.LeaseId, token.Value, cancellation);
                    return true;
                },
                cancellation);
        }
        catch (IssuerException kept)
        {
            return new IssuerException(
                IssuerFailure.AnswerLost,
                $"{path} returns no user name and password, and its lease {credentials.LeaseId} could not be revoked: {kept.Message}",
                inner: kept);
        }

        Log.UnusableLeaseRevoked(logger, definition.Name, path.Plain);
        return new IssuerException(
            IssuerFailure.Refused,
            $"{path} returns no user name and password. Set the role's credential_type to password in Vault.");
    }
}
