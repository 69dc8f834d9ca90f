using System.Text.Json;
using Broker.Core.Budgets;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Tests.Leases;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Budgets;

/// <summary>What stands in the ledger of a ceiling that an operator set, and what is made of what somebody else wrote there (law L14).</summary>
public sealed class CeilingsTests : IAsyncDisposable
{
    private const string Purpose = "Broker.Ceiling.v1";

    private static readonly CeilingOrder Order = new(42, "a migration", "grace", new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));

    private readonly InProcessLedgerStore store = new(new FakeTimeProvider());
    private readonly LedgerSeal seal = new(new EphemeralDataProtectionProvider());
    private readonly SharedLedger ledger;
    private readonly Ceilings ceilings;

    public CeilingsTests()
    {
        ledger = new(store);
        ceilings = new(ledger, seal);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => store.DisposeAsync();

    [Fact]
    public async Task A_ceilings_setter_reason_and_time_are_known_until_it_is_taken_back()
    {
        (await ReadAsync()).ShouldBe((null, null));
        await ceilings.SetAsync("orders", Order, Cancel);
        (await ReadAsync()).ShouldBe((42, Order));
        await ceilings.SetAsync("orders", null, Cancel);
        (await ReadAsync()).ShouldBe((null, null));
    }

    [Fact]
    public async Task An_earlier_version_reads_what_this_one_set()
    {
        await ceilings.SetAsync("orders", Order, Cancel);
        seal.TryOpen((await ledger.Texts.ReadSharedAsync("ceiling:orders", Cancel))!.Value.Text, Purpose, "orders").ShouldBe("42");
    }

    [Fact]
    public async Task The_setter_of_a_ceiling_is_not_named_for_another_that_an_earlier_version_set_since()
    {
        await ceilings.SetAsync("orders", Order, Cancel);
        await ledger.Texts.ChangeSharedAsync("ceiling:orders", _ => seal.Seal("17", Purpose, "orders"), Cancel);
        (await ReadAsync()).ShouldBe((17, new CeilingOrder(17, "", "", null)));
    }

    [Fact]
    public async Task A_ceiling_that_an_earlier_version_set_is_in_force()
    {
        await WriteAsync(seal.Seal("17", Purpose, "orders"));
        (await ReadAsync()).ShouldBe((17, new CeilingOrder(17, "", "", null)));
    }

    [Theory]
    [InlineData(null, 9)]
    [InlineData(20, 9)]
    [InlineData(5, 5)]
    public async Task What_no_operator_set_may_lower_a_ceiling_and_never_raise_it(int? configured, int inForce)
    {
        await WriteAsync("9");
        (await ceilings.InForceAsync(Orders(configured), Cancel)).Budget.Ceiling.ShouldBe(inForce);
    }

    [Fact]
    public async Task L14_What_an_operator_set_for_another_database_is_no_ceiling_here()
    {
        await ceilings.SetAsync("others", Order, Cancel);
        await WriteAsync((await ledger.Texts.ReadSharedAsync("ceiling:others", Cancel))!.Value.Text);
        (await Should.ThrowAsync<LedgerException>(async () => await ceilings.InForceAsync(Orders(60), Cancel))).Message.ShouldContain("cannot be decrypted");
    }

    [Fact]
    public async Task L14_The_setter_and_the_reason_of_a_ceiling_are_told_only_where_a_broker_sealed_them()
    {
        await WriteAsync("42");
        (await ledger.Texts.ReplaceSharedAsync("ceiling-order:orders", null, JsonSerializer.Serialize(Order), Cancel)).ShouldBeTrue();
        (await ReadAsync()).ShouldBe((42, new CeilingOrder(42, "", "", null)));
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("-3")]
    [InlineData("{\"Connections\":1000,\"Reason\":\"\",\"By\":\"\",\"Since\":null}")]
    public async Task What_cannot_be_opened_has_nothing_counted_and_is_shown_as_no_order(string text)
    {
        await WriteAsync(text);
        (await Should.ThrowAsync<LedgerException>(async () => await ceilings.InForceAsync(Orders(60), Cancel))).Message.ShouldContain("cannot be decrypted");
        (await ceilings.FindAsync(Orders(60), Cancel)).ShouldBeNull();
    }

    private static Core.Catalog.Database Orders(int? ceiling) => World.Orders with { Budget = World.Orders.Budget with { Ceiling = ceiling } };

    private async Task WriteAsync(string text) => (await ledger.Texts.ReplaceSharedAsync("ceiling:orders", null, text, Cancel)).ShouldBeTrue();

    private async Task<(int? InForce, CeilingOrder? Order)> ReadAsync() =>
        ((await ceilings.InForceAsync(World.Orders, Cancel)).Budget.Ceiling, await ceilings.FindAsync(World.Orders, Cancel));
}
