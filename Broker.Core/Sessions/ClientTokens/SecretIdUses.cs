using System.Globalization;
using Broker.Core.Ledger;

namespace Broker.Core.Sessions.ClientTokens;

/// <summary>Counts, over all replicas, the logins of secret ids with a limited number of uses.</summary>
internal sealed class SecretIdUses(ILedgerStore store, LedgerSeal seal)
{
    // Longer than any secret id should live; one that is used up stays used up.
    private static readonly TimeSpan Kept = TimeSpan.FromDays(3650);

    private readonly RecordLedger records = new(store, "~secret-ids", seal, "Broker.SecretId.v1");

    /// <summary>Takes one use. False: all are used up.</summary>
    public async ValueTask<bool> TakeAsync(string secretId, int uses, CancellationToken cancellation)
    {
        for (var use = (await records.ListAsync(secretId, cancellation)).Count; use < uses; use++)
        {
            var answer = await records.PutAsync($"{secretId}#{use.ToString(CultureInfo.InvariantCulture)}", [secretId], "", Kept, cancellation);
            if (answer == PutRecordAnswer.Put) return true;
            if (answer == PutRecordAnswer.Full) return false;
        }

        return false;
    }
}
