using Broker.Core.Leases.Recovering;
using Broker.Core.Ledger;

namespace Broker.Core.Leases.Recovering;

/// <summary>Gives access to the ledger only while the replica may use it (<see cref="Fitness"/>); otherwise it does not answer.</summary>
internal sealed class FitLedgerStore(ILedgerStore store, Fitness fitness) : ILedgerStore
{
    /// <inheritdoc/>
    public bool IsOfThisProcess => store.IsOfThisProcess;

    /// <inheritdoc/>
    public string NewVoice() => store.NewVoice();

    /// <inheritdoc/>
    public async ValueTask<string[]> DecideAsync(Decision decision, string database, IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        if (await fitness.WhyNotAsync(cancellation) is { } whyNot) throw new LedgerException($"This replica is not ready: {whyNot}.");
        try
        {
            return await store.DecideAsync(decision, database, arguments, cancellation);
        }
        catch (ForbiddenDecisionException)
        {
            fitness.Doubt();
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask<(string? WhyNot, string? Note)> LookAsync(IReadOnlyList<string> databases, CancellationToken cancellation) => store.LookAsync(databases, cancellation);

    /// <inheritdoc/>
    public IDisposable Listen(string database, Action<string> heard) => store.Listen(database, heard);

    /// <summary>The store is not this one's to close.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
