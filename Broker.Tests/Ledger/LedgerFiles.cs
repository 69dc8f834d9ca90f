using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.OnDisk;
using Broker.Core.Operators;
using Microsoft.Extensions.Logging.Abstractions;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>Ledgers in files, and what tests do with them.</summary>
internal static class LedgerFiles
{
    private static readonly RoleTerms Terms = new("r", 0, TimeSpan.FromHours(6), 500, TimeSpan.FromMinutes(10));

    public static PaceSettings Pace { get; } = new() { UsersPerSecond = 1000, Burst = 1000, InFlight = 100 };

    public static FileLedgerStore Open(string file, TimeProvider? time = null) =>
        new(new LedgerSettings { Kind = LedgerKind.File, Path = file }, time ?? TimeProvider.System, NullLogger<FileLedgerStore>.Instance);

    public static Claim ClaimOf(int pod) =>
        new($"r.{pod:D28}", Terms, "r", 3, 3, TimeSpan.FromSeconds(30), TimeSpan.Zero, ClaimKind.Claim, $"orders/pod-{pod}|ä");

    /// <summary>Pod 0 holds three connections on database <c>orders</c>: now, or again.</summary>
    public static async Task<(ClaimAnswer.Granted Granted, BudgetRecord Budget)> GrantAsync(ILedgerStore store)
    {
        var cancellation = TestContext.Current.CancellationToken;
        var ledger = new SharedLedger(store);
        if ((await ledger.Budgets.BudgetAsync("orders", ["r"], cancellation)).Capacity == 0)
            await ledger.Budgets.SampleAsync("orders", 1000, 1000, 0, 1000, 0, TimeSpan.FromHours(6), cancellation);
        var answer = (await ledger.Claims.ClaimAsync("orders", Pace, 100, [ClaimOf(0)], cancellation))[0];
        if (answer is ClaimAnswer.Issue order)
        {
            var go = (await ledger.Issues.BeginAsync("orders", order.Lease, order.Fence, "user", Pace, cancellation)).ShouldBeOfType<BeginAnswer.Go>();
            await ledger.Issues.IssuedAsync("orders", order.Lease, order.Fence, "ref", "user", "sealed", TimeSpan.FromHours(6), go.Now, true, cancellation);
            await ledger.Issues.ActivateAsync("orders", order.Lease, order.Fence, TimeSpan.FromMinutes(5), 0.5, null, cancellation);
            answer = (await ledger.Claims.ClaimAsync("orders", Pace, 100, [ClaimOf(0)], cancellation))[0];
        }

        return (answer.ShouldBeOfType<ClaimAnswer.Granted>(), await ledger.Budgets.BudgetAsync("orders", ["r"], cancellation));
    }
}
