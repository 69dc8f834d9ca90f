using Broker.Core.Ledger;
using Shouldly;

namespace Broker.Tests.Leases.Laws;

/// <summary>A sequence of decisions on two databases of one server.</summary>
public abstract class OneServerSequence : LedgerSequence
{
    /// <summary>The database beside <see cref="LedgerSequence.Database"/>.</summary>
    protected const string Other = "billing";

    protected OneServerSequence() => Shared = ReplicaOfBoth();

    /// <summary>One replica's view of the ledger, which knows that both are on one server.</summary>
    protected SharedLedger Shared { get; }

    /// <summary>Another replica that knows it.</summary>
    protected SharedLedger ReplicaOfBoth() => new(Store) { Address = static (database, _) => new(database is Database or Other ? LedgerKeys.Address("pg", database) : database) };

    /// <summary>A claim that follows sizes: of at least one connection and at most so many.</summary>
    protected static Claim Growing(int pod, int most) => Claim(pod, most) with { Least = 1 };

    protected async Task<ClaimAnswer> AskAsync(string database, Claim claim, SharedLedger? by = null) =>
        (await (by ?? Shared).Claims.ClaimAsync(database, Fast, 100, [claim], Cancellation))[0];

    protected Task<BudgetRecord> BudgetAsync(string database) => Shared.Budgets.BudgetAsync(database, ["r"], Cancellation).AsTask();

    /// <summary>A lease of pool <c>r</c> on the database, held by whoever claims.</summary>
    protected async Task<ClaimAnswer.Granted> HeldAsync(string database, Claim claim)
    {
        var order = (await AskAsync(database, claim)).ShouldBeOfType<ClaimAnswer.Issue>();
        var user = "user-" + database;
        var go = (await Shared.Issues.BeginAsync(database, order.Lease, order.Fence, user, Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        (await Shared.Issues.IssuedAsync(database, order.Lease, order.Fence, user, user, "sealed", Hour, go.Now, true, Cancellation)).ShouldBeTrue();
        (await Shared.Issues.ActivateAsync(database, order.Lease, order.Fence, 5 * Minute, 0.5, null, Cancellation)).ShouldBeTrue();
        return (await AskAsync(database, claim)).ShouldBeOfType<ClaimAnswer.Granted>();
    }

    /// <summary>A lease that pod 0 holds with so many connections.</summary>
    protected Task<ClaimAnswer.Granted> HeldAsync(string database, int connections) => HeldAsync(database, Claim(0, connections));
}
