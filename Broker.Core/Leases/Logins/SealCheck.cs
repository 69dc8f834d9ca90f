using System.Security.Cryptography;
using Broker.Core.Ledger;
using Microsoft.AspNetCore.DataProtection;

namespace Broker.Core.Leases.Logins;

/// <summary>
/// Whether this replica can open what the others seal: a text that the first of them left in the ledger. One with other keys
/// would answer every pod with a login it cannot read, and must not become ready.
/// </summary>
public sealed class SealCheck(SharedLedger ledger, IDataProtectionProvider protection)
{
    private const string Name = "seal-check";
    private const string Content = "sealed by the broker";

    private readonly IDataProtector protector = protection.CreateProtector("Broker.SealCheck.v1");

    /// <summary>True: it can, or nothing was sealed yet.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<bool> PassesAsync(CancellationToken cancellation)
    {
        while (true)
        {
            if (await ledger.ReadSharedAsync(Name, cancellation) is var (left, _)) return Opens(left);
            if (await ledger.ReplaceSharedAsync(Name, null, protector.Protect(Content), cancellation)) return true;
        }
    }

    private bool Opens(string text)
    {
        try
        {
            return protector.Unprotect(text) == Content;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }
}
