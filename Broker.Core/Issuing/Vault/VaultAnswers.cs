using Broker.Core.Model;

namespace Broker.Core.Issuing.Vault;

/// <summary>A new user, or a lease without anything that the broker can use.</summary>
/// <param name="LeaseId">Vault's id of its lease.</param>
/// <param name="Login">The user; null when the answer holds no password (a key or a certificate).</param>
/// <param name="Term">How long Vault says it lives.</param>
internal sealed record VaultCredentials(string LeaseId, Login? Login, LeaseTerm Term)
{
    public static VaultCredentials From(VaultReply reply)
    {
        if (reply.Envelope is not { } envelope) throw VaultRefusal.Of(VaultVerdict.AnswerLost, reply);
        if (envelope.LeaseId is { Length: > 0 } id)
        {
            var login = reply.Data(VaultJson.Default.VaultCredentialsBody) is { Username: { Length: > 0 } user, Password: { Length: > 0 } password }
                ? new Login(user, new Secret(password))
                : null;
            return new VaultCredentials(id, login, new LeaseTerm(envelope.Duration, envelope.Renewable ?? false, envelope.Warning));
        }

        // Data without a lease means that nothing was created. With a wrapped answer or none at all, that is unknown.
        throw envelope.Data is { ValueKind: System.Text.Json.JsonValueKind.Object }
            ? new IssuerException(
                IssuerFailure.Refused,
                $"{reply.Request.Path} answers without a lease: it is a static role, or not a database role. Point the role's VaultPath at a dynamic one, like database/creds/NAME.")
            : VaultRefusal.Of(VaultVerdict.AnswerLost, reply);
    }
}

/// <summary>A lease as Vault describes it.</summary>
/// <param name="IssuedAt">When it was issued, on Vault's clock.</param>
/// <param name="Term">The time it has left.</param>
internal sealed record VaultLease(DateTimeOffset IssuedAt, LeaseTerm Term);

/// <summary>The state of a Vault server.</summary>
public enum VaultState
{
    /// <summary>Answers everything.</summary>
    Active,

    /// <summary>Alive; passes requests on to the active node.</summary>
    Standby,

    /// <summary>Alive; answers reads.</summary>
    PerformanceStandby,

    /// <summary>Alive, but in a disaster-recovery cluster, so it does not serve requests now.</summary>
    DisasterRecoverySecondary,

    /// <summary>A standby that cannot reach the active node.</summary>
    StandbyWithoutActive,

    /// <summary>Removed from its cluster.</summary>
    Removed,

    /// <summary>Not initialised.</summary>
    NotInitialised,

    /// <summary>Sealed: cannot read its own store until somebody unseals it.</summary>
    Sealed,
}

/// <summary>The answer of <c>sys/health</c>.</summary>
/// <param name="State">The server's state.</param>
/// <param name="Version">Its version; null when it does not say.</param>
public sealed record VaultHealth(VaultState State, string? Version)
{
    /// <summary>Whether it, or the active node behind it, can serve requests.</summary>
    public bool IsAlive => State is not (VaultState.StandbyWithoutActive or VaultState.Removed or VaultState.NotInitialised or VaultState.Sealed);

    /// <summary>The state that a status means; null when it is not one of Vault's.</summary>
    internal static VaultState? StateOf(int status) => status switch
    {
        200 => VaultState.Active,
        429 => VaultState.Standby,
        472 => VaultState.DisasterRecoverySecondary,
        473 => VaultState.PerformanceStandby,
        474 => VaultState.StandbyWithoutActive, // Vault 1.19 and later, as 530
        501 => VaultState.NotInitialised,
        530 => VaultState.Removed,
        503 => VaultState.Sealed,
        _ => null,
    };
}
