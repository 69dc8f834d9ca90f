using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Broker.Tests.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>
/// A sequence of decisions on one ledger, at times that the test chooses: what befalls a ledger that loses something, whose clock
/// falls back, or that somebody speaks to late. Sequences of whole brokers use <see cref="World"/>.
/// </summary>
public abstract class LedgerSequence : IAsyncDisposable
{
    /// <summary>The database.</summary>
    protected const string Database = "orders";

    protected LedgerSequence()
    {
        Store = TestedScripts.Open(Clock);
        Ledger = new(Store);
    }

    protected static TimeSpan Second { get; } = TimeSpan.FromSeconds(1);

    protected static TimeSpan Minute { get; } = TimeSpan.FromMinutes(1);

    protected static TimeSpan Hour { get; } = TimeSpan.FromHours(1);

    /// <summary>No pace in anybody's way.</summary>
    protected static PaceSettings Fast { get; } = new() { UsersPerSecond = 1000, Burst = 1000, InFlight = 100 };

    /// <summary>One user every two seconds.</summary>
    protected static PaceSettings Slow { get; } = new() { UsersPerSecond = 0.5, Burst = 1, InFlight = 10 };

    /// <summary>Role <c>r</c>: a holder lives for 30 minutes, an idle lease for 10.</summary>
    protected static RoleTerms Terms { get; } = new("r", 0, TimeSpan.FromMinutes(30), 500, TimeSpan.FromMinutes(10));

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>The ledger's clock: it goes where the test sets it, also backwards.</summary>
    protected SettableClock Clock { get; } = new();

    /// <summary>What the ledger keeps; copied and put back for a ledger that falls back.</summary>
    protected InProcessLedgerStore Store { get; }

    /// <summary>One replica's view of it.</summary>
    protected SharedLedger Ledger { get; }

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>The id of a pod's holder.</summary>
    protected static string Id(int pod) => $"r.{pod:D28}";

    /// <summary>A claim that waits for a lease and not for connections.</summary>
    protected static Claim Claim(int pod, int connections) =>
        new(Id(pod), Terms, "r", connections, connections, 30 * Second, TimeSpan.Zero, ClaimKind.Claim, $"c{pod}");

    /// <summary>A claim that waits for connections too.</summary>
    protected static Claim InLine(int pod, int connections) => Claim(pod, connections) with { LineWait = 60 * Second, IssueWait = 60 * Second };

    /// <summary>Another replica on the same ledger.</summary>
    protected SharedLedger AnotherReplica() => new(Store);

    protected async Task<ClaimAnswer> AskAsync(Claim claim, SharedLedger? by = null, PaceSettings? pace = null) =>
        (await (by ?? Ledger).Claims.ClaimAsync(Database, pace ?? Fast, 100, [claim], Cancellation))[0];

    /// <summary>The database is counted: so much may be promised.</summary>
    protected Task CountAsync(int capacity) => Ledger.Budgets.SampleAsync(Database, capacity, 200, 3, capacity, 0, 15 * Second, Cancellation).AsTask();

    protected async Task<int> GrantedAsync() => (await Ledger.Budgets.BudgetAsync(Database, ["r"], Cancellation)).Granted;

    /// <summary>The user of an order is made, tried, and its lease takes holders.</summary>
    protected async Task<ClaimAnswer.Issue> IssueAsync(ClaimAnswer.Issue order, string user = "")
    {
        var go = (await Ledger.Issues.BeginAsync(Database, order.Lease, order.Fence, "user" + user, Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        (await Ledger.Issues.IssuedAsync(Database, order.Lease, order.Fence, "ref" + user, "user" + user, "sealed", Hour, go.Now, true, Cancellation)).ShouldBeTrue();
        (await Ledger.Issues.ActivateAsync(Database, order.Lease, order.Fence, 5 * Minute, 0.5, null, Cancellation)).ShouldBeTrue();
        return order;
    }

    /// <summary>Pool <c>r</c> has a lease, and pod 0 holds it with one connection.</summary>
    protected async Task<ClaimAnswer.Issue> ActiveAsync(SharedLedger? by = null)
    {
        var order = await IssueAsync((await AskAsync(Claim(0, 1), by)).ShouldBeOfType<ClaimAnswer.Issue>());
        (await AskAsync(Claim(0, 1), by)).ShouldBeOfType<ClaimAnswer.Granted>();
        return order;
    }
}

/// <summary>A clock that stands still until it is set, and may be set back.</summary>
public sealed class SettableClock : TimeProvider
{
    public DateTimeOffset Now { get; set; } = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override DateTimeOffset GetUtcNow() => Now;
}
