using System.Text.Json;
using Broker.Core.Model;
using Microsoft.AspNetCore.DataProtection;

namespace Broker.Core.Leases.Logins;

/// <summary>Seals logins for the ledger, so that who reads Redis reads no password (law L6).</summary>
public sealed class LoginSealer(IDataProtectionProvider protection)
{
    private readonly IDataProtector protector = protection.CreateProtector("Broker.Lease.Login.v1");

    /// <summary>Seals.</summary>
    public string Seal(Login login) => protector.Protect(JsonSerializer.Serialize(new[] { login.Username, login.Password.Reveal() }));

    /// <summary>Opens what a replica with the same keys sealed.</summary>
    /// <exception cref="System.Security.Cryptography.CryptographicException">Sealed with keys that this replica does not have, or altered.</exception>
    public Login Open(string sealedLogin)
    {
        var parts = JsonSerializer.Deserialize<string[]>(protector.Unprotect(sealedLogin))!;
        return new(parts[0], new(parts[1]));
    }
}
