using System.Text.Json;
using Broker.Core.Issuing;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Leases.Logins;

/// <summary>
/// Seals logins for the ledger, so that a reader of Redis sees no password (law L6), and each for its own database, role and lease, so
/// that a writer to Redis cannot hand one caller another's login (law L14).
/// </summary>
public sealed class LoginSealer(LedgerSeal seal)
{
    private const string Purpose = "Broker.Lease.Login.v2";

    /// <summary>Seals.</summary>
    /// <param name="database">The lease's database.</param>
    /// <param name="role">Its role.</param>
    /// <param name="pool">Its pool.</param>
    /// <param name="lease">The lease.</param>
    /// <param name="issued">The issuer's answer.</param>
    /// <exception cref="LedgerException">The sealing keys are not available.</exception>
    public string Seal(string database, string role, string pool, string lease, IssuedLease issued) => seal.Seal(
        JsonSerializer.Serialize(new[] { issued.Login.Username, issued.Login.Password.Reveal(), issued.Id, pool }), Purpose, database, role, lease);

    /// <summary>Fails if <see cref="Seal"/> would: call it before making something that could not be recorded.</summary>
    /// <exception cref="LedgerException">The sealing keys are not available.</exception>
    public void EnsureKeys() => seal.Seal("", Purpose);

    /// <summary>
    /// Opens the text that was sealed for this lease of this role. Null: there is none, or no replica with the same keys sealed it for
    /// that.
    /// </summary>
    /// <exception cref="LedgerException">The ledger does not give the sealing keys.</exception>
    public SealedLogin? TryOpen(LeaseRecord lease, string role)
    {
        if (lease.SealedLogin.Length == 0 || seal.TryOpen(lease.SealedLogin, Purpose, lease.Database, role, lease.Id) is not { } opened) return null;
        var parts = JsonSerializer.Deserialize<string[]>(opened)!;
        return new(new(parts[0], new(parts[1])), parts[2], parts[3]);
    }
}

/// <summary>The sealed data of a lease, which can be believed whatever else the ledger says.</summary>
/// <param name="Login">Its login.</param>
/// <param name="IssuerId">The issuer's id for it.</param>
/// <param name="Pool">The pool it was issued for.</param>
public sealed record SealedLogin(Login Login, string IssuerId, string Pool);

/// <summary>A lease's login cannot be opened: sealed with keys that are gone, by an older version, or for another lease.</summary>
internal sealed class UnreadableLoginException(string lease)
    : LedgerException($"The login of lease {lease} was not sealed for it with the keys that this replica has (Broker:Sealing).")
{
    public string Lease => lease;
}
