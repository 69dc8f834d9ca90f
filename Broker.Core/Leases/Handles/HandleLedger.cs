using BitFaster.Caching.Lru;
using Broker.Core.Identity;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Leases.Handles;

/// <summary>
/// The handles, as all replicas know them. They are in the ledger unsealed: they hold no secret, a holder's owner is evident from its
/// own id, and nobody is given more time than the holder's lease has (law L14).
/// </summary>
internal sealed class HandleLedger : IDisposable
{
    private const int MostRemembered = 20_000;

    // An operator of secrets may keep thousands with one token. Of more, those go that nobody renews, as far as they are found (put_records.lua).
    private const int MostOfOne = 5_000;

    private const int MostOfName = 100_000;

    // Tolerance for a client that renews in the last second by its own clock.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    // As long as a client token is believed without reading the ledger.
    private static readonly TimeSpan FreshFor = TimeSpan.FromMilliseconds(500);

    private readonly RecordLedger records;
    private readonly TimeProvider time;
    private readonly IDisposable listening;
    private readonly FastConcurrentLru<string, Remembered> remembered = new(Environment.ProcessorCount, MostRemembered, StringComparer.Ordinal);

    public HandleLedger(ILedgerStore store, TimeProvider time)
    {
        (records, this.time) = (new(store, "~handles", null, "handle", MostOfOne, MostOfName), time);
        listening = records.Listen(id => remembered.TryRemove(id));
    }

    public async ValueTask PutAsync(Handle handle, TimeSpan lasts, string token, Caller caller, CancellationToken cancellation)
    {
        var at = Moment.Now(time);
        if (await records.PutAsync(handle.Id, [HolderGroup(handle.Holder), TokenGroup(token), OwnerGroup(caller)], handle.Write(), lasts + Grace, cancellation) != PutRecordAnswer.Put)
            throw new LedgerException("The limit on the leases of Vault's clients is reached.");
        remembered.AddOrUpdate(handle.Id, new(handle, at));
    }

    public async ValueTask<HandleTerm?> FindAsync(string id, CancellationToken cancellation)
    {
        var at = Moment.Now(time);
        if (await records.ReadAsync(id, cancellation) is var (text, left) && Handle.TryRead(id, text) is { } handle)
        {
            remembered.AddOrUpdate(id, new(handle, at));
            return new HandleTerm(handle, left > Grace ? left - Grace : TimeSpan.Zero);
        }

        remembered.TryRemove(id);
        return null;
    }

    /// <summary>
    /// A handle as this replica knows it, so that a renewal needs one call to the ledger: <see cref="RenewAsync"/> says whether it is still the same.
    /// Fresh: it was read half a second ago, and no revocation has been heard since.
    /// </summary>
    public (Handle Handle, bool IsFresh)? Recall(string id) => remembered.TryGet(id, out var known) ? (known.Handle, known.At.Age(time) < FreshFor) : null;

    /// <summary>Extends its life.</summary>
    /// <param name="was">The known handle.</param>
    /// <param name="handle">The new handle.</param>
    /// <param name="lasts">How long from now.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <returns>The handle now in the ledger: the new one, unless another replica changed it meanwhile; null: there is none any more.</returns>
    public async ValueTask<Handle?> RenewAsync(Handle was, Handle handle, TimeSpan lasts, CancellationToken cancellation)
    {
        var at = Moment.Now(time);
        var stands = await records.RenewAsync(handle.Id, was.Write(), handle.Write(), lasts + Grace, cancellation) switch
        {
            RenewRecordAnswer.Renewed => handle,
            RenewRecordAnswer.Changed changed => Handle.TryRead(handle.Id, changed.Text),
            _ => null,
        };
        if (stands is null) remembered.TryRemove(handle.Id);
        else remembered.AddOrUpdate(handle.Id, new(stands, at));
        return stands;
    }

    public async ValueTask<bool> DropAsync(string id, CancellationToken cancellation)
    {
        remembered.TryRemove(id);
        return await records.DropAsync(id, cancellation) is not null;
    }

    public ValueTask<bool> AnyOfHolderAsync(string holder, CancellationToken cancellation) => records.AnyAsync(HolderGroup(holder), cancellation);

    public ValueTask<IReadOnlyList<string>> OfTokenAsync(string token, CancellationToken cancellation) => records.ListAsync(TokenGroup(token), cancellation);

    public void Dispose() => listening.Dispose();

    private static string HolderGroup(string holder) => "h:" + holder;

    // However many holders it names, and tokens it has. One name without a pod may be that of thousands of clients.
    private static string OwnerGroup(Caller caller) => (caller.PodUid is null ? RecordLedger.Wide : "") + "o:" + caller.OwnerHash;

    private static string TokenGroup(string token) => "t:" + token;

    private sealed record Remembered(Handle Handle, Moment At);
}
