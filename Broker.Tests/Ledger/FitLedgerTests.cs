using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Leases.Recovering;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Tests.Authentication;
using Broker.Tests.Contracts;
using Microsoft.AspNetCore.DataProtection;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>The ledger keeps its contract behind the check that it is fit.</summary>
public sealed class FitLedgerTests : LedgerContract, IAsyncLifetime
{
    private readonly InProcessLedgerStore inner = new(TimeProvider.System);

    protected override ILedgerStore Store => field ??= new FitLedgerStore(
        inner, new Fitness(inner, new LedgerSeal(new EphemeralDataProtectionProvider()), new FixedCatalog(), TimeProvider.System));

    protected override Task TamperAsync(string key, string field, string value)
    {
        var keys = inner.Copy();
        keys.Execute(["HSET", key, field, value]);
        inner.PutBack(keys);
        return Task.CompletedTask;
    }

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
