using Broker.Core;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Operators;
using Broker.Tests.Contracts;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

public sealed class InProcessLedgerTests : LedgerContract, IAsyncDisposable
{
    private readonly InProcessLedgerStore store = TestedScripts.Open(TimeProvider.System);

    protected override ILedgerStore Store => store;

    protected override Task TamperAsync(string key, string field, string value)
    {
        var keys = store.Copy();
        keys.Execute(["HSET", key, field, value]);
        store.PutBack(keys);
        return Task.CompletedTask;
    }

    public ValueTask DisposeAsync() => store.DisposeAsync();

    [Theory]
    [InlineData("nil")]
    [InlineData("false")]
    [InlineData("KEYS")]
    [InlineData("nil, 'x'")]
    public async Task A_script_that_hands_over_what_is_no_text_fails_as_it_does_in_Redis(string word)
    {
        await using var wrong = new InProcessLedgerStore(publish => new Keyspace(TimeProvider.System, publish), _ => $"redis.call('HSET', 'key', {word}) return {{}}");
        (await Should.ThrowAsync<ScriptFailedException>(async () => await wrong.DecideAsync(Decision.Budget, "orders", [], TestContext.Current.CancellationToken)))
            .Message.ShouldContain("word 3 is neither a string nor a number");
    }

    [Fact]
    public async Task A_clock_that_runs_others_work_when_it_is_asked_does_not_begin_a_decision_amid_another()
    {
        var clock = new BusyClock();
        await using var busy = new InProcessLedgerStore(clock);
        var ledger = new SharedLedger(busy);
        clock.Work = () => ledger.Claims.AbandonAsync("other", "role.x", TestContext.Current.CancellationToken).AsTask().IsCompletedSuccessfully.ShouldBeTrue();

        (await ledger.Budgets.BudgetAsync("orders", ["orders-api"], TestContext.Current.CancellationToken)).Roles.ShouldHaveSingleItem().Role.ShouldBe("orders-api");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_ledger_that_ends_with_its_process_has_nobody_to_hear_first_and_grants_at_once(bool isOfThisProcess)
    {
        await using var own = new InProcessLedgerStore(new FakeTimeProvider()) { IsOfThisProcess = isOfThisProcess };
        var ledger = new SharedLedger(own);
        await ledger.Duties.DueAsync("orders", [], 1, TimeSpan.FromSeconds(1), TestContext.Current.CancellationToken);

        (await ledger.Budgets.BudgetAsync("orders", ["orders-api"], TestContext.Current.CancellationToken)).SettlesIn.ShouldBe(isOfThisProcess ? TimeSpan.Zero : DutyLedger.Settling);
    }

    [Fact]
    public async Task The_ledger_of_a_broker_without_Redis_ends_with_its_process()
    {
        await using var services = new ServiceCollection().AddLogging().AddMetrics().AddSingleton(TimeProvider.System).AddBrokerCore(new BrokerSettings()).BuildServiceProvider();
        services.GetRequiredService<ILedgerStore>().IsOfThisProcess.ShouldBeTrue();
    }

    [Fact]
    public async Task L9_Decisions_of_many_threads_do_not_carry_the_ledgers_time_ahead_of_the_clock()
    {
        var clock = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddDays(20_000));
        await using var store = new InProcessLedgerStore(clock);
        var ledger = new SharedLedger(store);
        using var stop = new CancellationTokenSource();
        var deciding = Enumerable.Range(0, 4).Select(_ => Task.Run(
            async () =>
            {
                while (!stop.IsCancellationRequested) await ledger.Duties.DueAsync("orders", ["sample"], 1, TimeSpan.FromSeconds(1), CancellationToken.None);
            },
            TestContext.Current.CancellationToken)).ToArray();

        for (var minute = 0; minute < 2000; minute++)
        {
            clock.Advance(TimeSpan.FromMinutes(1));
            if (minute % 20 == 0) await Task.Yield();
        }

        await stop.CancelAsync();
        await Task.WhenAll(deciding);
        (await ledger.Budgets.BudgetAsync("orders", [], TestContext.Current.CancellationToken)).Now.ShouldBe(clock.GetUtcNow());
    }

    private sealed class BusyClock : TimeProvider
    {
        private bool working;

        public Action Work { get; set; } = static () => { };

        public override DateTimeOffset GetUtcNow()
        {
            if (!working)
            {
                working = true;
                Work();
                working = false;
            }

            return DateTimeOffset.UnixEpoch.AddDays(20_000);
        }
    }
}
