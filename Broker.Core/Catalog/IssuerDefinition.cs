using Broker.Core.Model;

namespace Broker.Core.Catalog;

/// <summary>What creates and drops database users, as configured. Immutable.</summary>
/// <param name="Name">Its key under <c>Broker:Issuers</c>.</param>
public abstract record IssuerDefinition(string Name);

/// <summary>The broker runs the role's statements itself.</summary>
public sealed record BuiltInIssuerDefinition(string Name) : IssuerDefinition(Name);

/// <summary>A Vault or OpenBao server with the database secrets engine.</summary>
public sealed record VaultIssuerDefinition(string Name) : IssuerDefinition(Name)
{
    /// <summary>e.g. <c>https://vault:8200</c>. Plain <c>http</c> only to loopback, or with <see cref="AllowInsecureTransport"/>.</summary>
    public required Uri Address { get; init; }

    /// <summary>Sent as <c>X-Vault-Namespace</c>; null: none.</summary>
    public string? Namespace { get; init; }

    /// <summary>PEM file of the authority that signed the server's certificate; null: the system's.</summary>
    public string? CaFile { get; init; }

    /// <summary>Allow plain http to another machine: passwords and tokens can be read on the way. Default false.</summary>
    public bool AllowInsecureTransport { get; init; }

    /// <summary>How the broker logs in.</summary>
    public required VaultAuth Auth { get; init; }

    /// <summary>Deadline of one call (100 ms to 2 min, default 10 s).</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>How the broker proves itself to Vault.</summary>
public abstract record VaultAuth;

/// <summary>A token, given directly or in a file; a new token in the file is used within half a minute.</summary>
public sealed record VaultTokenAuth(SecretSource Token) : VaultAuth;

/// <summary>AppRole.</summary>
public sealed record VaultAppRoleAuth(string RoleId, SecretSource SecretId, string Mount = "approle") : VaultAuth;

/// <summary>The broker's own Kubernetes service account token.</summary>
public sealed record VaultKubernetesAuth(string Role, SecretSource Token, string Mount = "kubernetes") : VaultAuth;

/// <summary>A secret value, or the file that holds it (read at each use, so that a rotated file is followed).</summary>
/// <param name="Value">The value; null when it is in a file.</param>
/// <param name="File">The file; null when the value is given.</param>
public sealed record SecretSource(Secret? Value, string? File)
{
    /// <summary>The current secret.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">The file is empty.</exception>
    public async ValueTask<Secret> ReadAsync(CancellationToken cancellation)
    {
        if (Value is not null) return Value;
        var text = (await System.IO.File.ReadAllTextAsync(File!, cancellation)).Trim();
        return text.Length > 0 ? new Secret(text) : throw new InvalidDataException($"The secret file {File} is empty.");
    }
}
