using Broker.Core.Ledger;

namespace Broker.Core.Sessions.ClientTokens;

/// <summary>A token that lives.</summary>
/// <param name="Id">What the ledger knows it by.</param>
/// <param name="Token">What it is.</param>
/// <param name="EndsIn">How long it lives unless renewed.</param>
internal sealed record LiveToken(string Id, ClientToken Token, TimeSpan EndsIn);

/// <summary>The tokens, as all replicas know them.</summary>
internal sealed class ClientTokenLedger(ILedgerStore store, LedgerSeal seal)
{
    private readonly RecordLedger records = new(store, "~client-tokens", seal, "Broker.ClientToken.v1");

    public async ValueTask PutAsync(string id, ClientToken token, TimeSpan lasts, CancellationToken cancellation)
    {
        if (await records.PutAsync(id, [], token.Write(), lasts, cancellation) != PutRecordAnswer.Put) throw new LedgerException("There are as many tokens as there may be.");
    }

    public async ValueTask<LiveToken?> FindAsync(string id, CancellationToken cancellation) =>
        await records.ReadAsync(id, cancellation) is var (text, left) ? new LiveToken(id, ClientToken.Read(text), left) : null;

    public ValueTask<bool> RenewAsync(string id, ClientToken token, TimeSpan lasts, CancellationToken cancellation) => records.RenewAsync(id, token.Write(), lasts, cancellation);

    public async ValueTask<bool> DropAsync(string id, CancellationToken cancellation) => await records.DropAsync(id, cancellation) is not null;

    public IDisposable Listen(Action<string> dropped) => records.Listen(dropped);
}
