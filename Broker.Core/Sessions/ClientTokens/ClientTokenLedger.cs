using BitFaster.Caching.Lru;
using Broker.Core.Ledger;

namespace Broker.Core.Sessions.ClientTokens;

/// <summary>A token that lives.</summary>
/// <param name="Id">Its id in the ledger.</param>
/// <param name="Token">Its data.</param>
/// <param name="EndsIn">How long it lives unless renewed.</param>
internal sealed record LiveToken(string Id, ClientToken Token, TimeSpan EndsIn);

/// <summary>
/// The tokens, as all replicas know them. The ledger's text is read each time, and decrypted only when it has changed: a token that is
/// gone there is gone, whatever was decrypted before.
/// </summary>
internal sealed class ClientTokenLedger(ILedgerStore store, LedgerSeal seal)
{
    private const int MostOpened = 10_000;

    private readonly RecordLedger records = new(store, "~client-tokens", seal, "Broker.ClientToken.v1", isProof: true);
    private readonly FastConcurrentLru<string, (string Tail, ClientToken Token)> opened = new(Environment.ProcessorCount, MostOpened, StringComparer.Ordinal);

    /// <summary>Keeps one. Of too many in a group the oldest goes, as if it had ended: what was read by it lives on until its own end.</summary>
    public async ValueTask PutAsync(string id, IReadOnlyList<string> groups, ClientToken token, TimeSpan lasts, CancellationToken cancellation)
    {
        if (await records.PutAsync(id, groups, token.Write(), lasts, cancellation) != PutRecordAnswer.Put) throw new LedgerException("The limit on tokens is reached.");
    }

    /// <summary>The ids of the tokens that one has made, including some that ended a moment ago.</summary>
    public ValueTask<IReadOnlyList<string>> ChildrenAsync(string id, CancellationToken cancellation) => records.ListAsync(ChildrenGroup(id), cancellation);

    /// <summary>The group of the tokens that one has made.</summary>
    public static string ChildrenGroup(string id) => "p:" + id;

    public async ValueTask<LiveToken?> FindAsync(string id, CancellationToken cancellation)
    {
        var isKnown = opened.TryGet(id, out var known);
        var answer = await records.LookAsync(id, isKnown ? known.Tail : null, cancellation);
        if (answer is RecordAnswer.Same same) return new LiveToken(id, known.Token, same.EndsIn);
        if (answer is not RecordAnswer.Found(var left, var text) || records.TryOpen(id, text) is not { } plain) return null;
        var token = ClientToken.Read(plain);
        opened.AddOrUpdate(id, (RecordLedger.TailOf(text), token));
        return new LiveToken(id, token, left);
    }

    public ValueTask<bool> RenewAsync(string id, ClientToken token, TimeSpan lasts, CancellationToken cancellation) => records.RenewAsync(id, token.Write(), lasts, cancellation);

    public async ValueTask<bool> DropAsync(string id, CancellationToken cancellation) => await records.DropAsync(id, cancellation) is not null;

    public IDisposable Listen(Action<string> dropped) => records.Listen(dropped);
}
