using System.Globalization;
using Broker.Core.Ledger;

namespace Broker.Core.Sessions.ClientTokens;

/// <summary>Counts, over all replicas, the logins of secret ids with a limited number of uses.</summary>
internal sealed class SecretIdUses(ILedgerStore store, LedgerSeal seal)
{
    // Longer than any secret id should live; one that is used up stays used up.
    private static readonly TimeSpan Kept = TimeSpan.FromDays(3650);

    private readonly RecordLedger records = new(store, "~secret-ids", seal, "Broker.SecretId.v1");

    /// <summary>Takes one use: which. Null: all are used up.</summary>
    public async ValueTask<string?> TakeAsync(string secretId, int uses, CancellationToken cancellation)
    {
        // Those are taken in turn; one that was given back may be anywhere.
        var taken = (await records.ListAsync(secretId, cancellation)).Count;
        for (var next = taken; taken < uses && next < taken + uses; next++)
        {
            var use = $"{secretId}#{(next % uses).ToString(CultureInfo.InvariantCulture)}";
            var answer = await records.PutAsync(use, [secretId], "", Kept, cancellation);
            if (answer == PutRecordAnswer.Put) return use;
            if (answer == PutRecordAnswer.Full) return null;
        }

        return null;
    }

    /// <summary>Gives one back, because nobody was let in by it.</summary>
    public async ValueTask GiveBackAsync(string use, CancellationToken cancellation) => await records.DropAsync(use, cancellation);
}
