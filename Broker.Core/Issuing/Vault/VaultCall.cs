using System.Text.Json.Nodes;

namespace Broker.Core.Issuing.Vault;

/// <summary>The broker's calls to Vault.</summary>
public enum VaultCall
{
    /// <summary>Log in: <c>POST auth/MOUNT/login</c>.</summary>
    LogIn,

    /// <summary>Describe our token: <c>GET auth/token/lookup-self</c>.</summary>
    LookUpSelf,

    /// <summary>Give our token more time: <c>POST auth/token/renew-self</c>.</summary>
    RenewSelf,

    /// <summary>Create a database user: <c>GET database/creds/ROLE</c>. The one call that must never be sent twice.</summary>
    Issue,

    /// <summary>Give a lease more time: <c>PUT sys/leases/renew</c>.</summary>
    Renew,

    /// <summary>Drop a user: <c>PUT sys/leases/revoke</c>.</summary>
    Revoke,

    /// <summary>Describe a lease: <c>PUT sys/leases/lookup</c>.</summary>
    LookUp,

    /// <summary>The leases under a path: <c>LIST sys/leases/lookup/PATH</c>.</summary>
    List,

    /// <summary>Ask for the server's state: <c>GET sys/health</c>.</summary>
    Health,
}

/// <summary>One request to Vault, without the token.</summary>
/// <param name="Call">Its purpose, which decides how its answer is read and whether it may be repeated.</param>
/// <param name="Method">The HTTP method, of which Vault has one more: <c>LIST</c>.</param>
/// <param name="Path">The path behind <c>/v1/</c>.</param>
/// <param name="Body">Sent as JSON; null: none.</param>
internal sealed record VaultRequest(VaultCall Call, HttpMethod Method, VaultPath Path, JsonObject? Body = null);
