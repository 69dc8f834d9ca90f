using Broker.Core.Ledger;

namespace Broker.Core.Leases.Logins;

/// <summary>
/// Checks whether this replica can decrypt the others' texts, with a text that they say again and again in the ledger. A replica with other keys
/// could not read any login, and must not become ready.
/// </summary>
public sealed class SealCheck(SharedLedger ledger, LedgerSeal seal)
{
    /// <summary>The text's name in the ledger.</summary>
    public const string Name = "seal-check";

    private const string Purpose = "Broker.SealCheck.v1";
    private const string Content = "sealed by the broker";

    /// <summary>True: it can, or nothing was sealed yet.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<bool> PassesAsync(CancellationToken cancellation) =>
        await ledger.Texts.ReadSharedAsync(Name, cancellation) is not var (left, _) || Opens(left);

    /// <summary>Whether this replica can decrypt a text of the others.</summary>
    public bool Opens(string text) => seal.TryOpen(text, Purpose) == Content;

    /// <summary>The text that shows the others whether they have this replica's keys.</summary>
    public string Say() => seal.Seal(Content, Purpose);
}
