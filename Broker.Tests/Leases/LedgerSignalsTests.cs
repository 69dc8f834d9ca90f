using Broker.Core.Leases.Claims;
using Broker.Core.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>Whoever waits for a signal runs on a thread of its own.</summary>
public sealed class LedgerSignalsTests
{
    [Fact]
    public async Task Who_signals_wakes_nobody_on_its_own_thread()
    {
        var store = new SignallingStore();
        using var signals = new LedgerSignals(new(store), "orders", TimeProvider.System);
        int? on = null;
        var woken = signals.Next("pool:p").ContinueWith(
            _ => on = Environment.CurrentManagedThreadId, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

        store.Say("pool:p");
        var inline = on == Environment.CurrentManagedThreadId;

        await woken.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        inline.ShouldBeFalse("thousands may watch one pool, and a claim signals");
    }

    private sealed class SignallingStore : ILedgerStore
    {
        public Action<string> Say { get; private set; } = static _ => { };

        public ValueTask<string[]> DecideAsync(Decision decision, string database, IReadOnlyList<string> arguments, CancellationToken cancellation) => throw new NotSupportedException();

        public IDisposable Listen(string database, Action<string> heard)
        {
            Say = heard;
            return new CancellationTokenSource();
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
