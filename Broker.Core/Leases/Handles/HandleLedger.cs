using Broker.Core.Ledger;

namespace Broker.Core.Leases.Handles;

/// <summary>The handles, as all replicas know them.</summary>
internal sealed class HandleLedger(ILedgerStore store, LedgerSeal seal)
{
    // Who renews in its last second, by its own clock, is not late.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private readonly RecordLedger records = new(store, "~handles", seal, "Broker.Handle.v1");

    public async ValueTask PutAsync(Handle handle, TimeSpan lasts, string token, CancellationToken cancellation)
    {
        if (await records.PutAsync(handle.Id, [HolderGroup(handle.Holder), TokenGroup(token)], handle.Write(), lasts + Grace, cancellation) != PutRecordAnswer.Put)
            throw new LedgerException("There are as many leases of clients as there may be.");
    }

    public async ValueTask<HandleTerm?> FindAsync(string id, CancellationToken cancellation) =>
        await records.ReadAsync(id, cancellation) is var (text, left) ? new HandleTerm(Handle.Read(text), left > Grace ? left - Grace : TimeSpan.Zero) : null;

    public ValueTask<bool> RenewAsync(Handle handle, TimeSpan lasts, CancellationToken cancellation) =>
        records.RenewAsync(handle.Id, handle.Write(), lasts + Grace, cancellation);

    public async ValueTask<bool> DropAsync(string id, CancellationToken cancellation) => await records.DropAsync(id, cancellation) is not null;

    public async ValueTask<bool> AnyOfHolderAsync(string holder, CancellationToken cancellation) => (await records.ListAsync(HolderGroup(holder), cancellation)).Count > 0;

    public ValueTask<IReadOnlyList<string>> OfTokenAsync(string token, CancellationToken cancellation) => records.ListAsync(TokenGroup(token), cancellation);

    private static string HolderGroup(string holder) => "h:" + holder;

    private static string TokenGroup(string token) => "t:" + token;
}
