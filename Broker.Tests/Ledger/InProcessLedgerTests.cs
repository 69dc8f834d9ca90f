using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Tests.Contracts;

namespace Broker.Tests.Ledger;

public sealed class InProcessLedgerTests : LedgerContract, IAsyncDisposable
{
    private readonly InProcessLedgerStore store = new(TimeProvider.System);

    protected override ILedgerStore Store => store;

    public ValueTask DisposeAsync() => store.DisposeAsync();
}
