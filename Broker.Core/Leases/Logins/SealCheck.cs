using Broker.Core.Ledger;

namespace Broker.Core.Leases.Logins;

/// <summary>
/// Checks whether this replica can decrypt the others' texts, with a text that the first of them left in the ledger. A replica with other keys
/// could not read any login, and must not become ready.
/// </summary>
public sealed class SealCheck(SharedLedger ledger, LedgerSeal seal)
{
    private const string Name = "seal-check";
    private const string Purpose = "Broker.SealCheck.v1";
    private const string Content = "sealed by the broker";

    /// <summary>True: it can, or nothing was sealed yet.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<bool> PassesAsync(CancellationToken cancellation)
    {
        while (true)
        {
            if (await ledger.Texts.ReadSharedAsync(Name, cancellation) is var (left, _)) return seal.TryOpen(left, Purpose) == Content;
            if (await ledger.Texts.ReplaceSharedAsync(Name, null, seal.Seal(Content, Purpose), cancellation)) return true;
        }
    }
}
