using System.Security.Cryptography;
using Microsoft.AspNetCore.DataProtection;

namespace Broker.Core.Ledger;

/// <summary>
/// Seals values in the ledger that must be secret, or must not be trusted merely because they are there (laws L6, L14).
/// Each text is bound to its purpose: copied to another place, it cannot be opened.
/// </summary>
public sealed class LedgerSeal(IDataProtectionProvider protection)
{
    /// <summary>Seals a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="purpose">What kind of text it is, and the version of its form.</param>
    /// <param name="of">What it belongs to; may have been chosen by somebody else.</param>
    /// <exception cref="LedgerException">The sealing keys are not available.</exception>
    public string Seal(string text, string purpose, params string[] of)
    {
        try
        {
            return protection.CreateProtector(purpose, of).Protect(text);
        }
        catch (CryptographicException e)
        {
            throw new SealingKeysException(e);
        }
    }

    /// <summary>
    /// Opens what a replica with the same keys sealed for the same thing. Null: altered, copied from elsewhere, never sealed, or sealed
    /// with keys that this replica does not have.
    /// </summary>
    /// <exception cref="LedgerException">The sealing keys cannot be obtained: the ledger that holds them does not answer, or their files cannot be read.</exception>
    public string? TryOpen(string sealedText, string purpose, params string[] of)
    {
        try
        {
            return protection.CreateProtector(purpose, of).Unprotect(sealedText);
        }
        catch (CryptographicException e) when (e.InnerException is LedgerException away)
        {
            throw new LedgerException(away.Message, e);
        }
        catch (CryptographicException e) when (e.InnerException is IOException or UnauthorizedAccessException)
        {
            throw new SealingKeysException(e);
        }
        catch (CryptographicException)
        {
            return null;
        }
    }
}

/// <summary>The sealing keys cannot be read or made; the message says why.</summary>
internal sealed class SealingKeysException(CryptographicException failure)
    : LedgerException($"The keys that seal what is in the ledger cannot be obtained (Broker:Sealing). {failure.InnerException?.Message ?? failure.Message}", failure);
