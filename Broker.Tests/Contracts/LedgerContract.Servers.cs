using Broker.Core.Ledger;
using Shouldly;
using Xunit;

namespace Broker.Tests.Contracts;

/// <summary>Databases that share a server.</summary>
public abstract partial class LedgerContract
{
    [Fact]
    public Task L2_L10_What_comes_free_on_a_server_is_kept_for_the_database_that_waits_for_its_fair_part_and_for_no_more() => WithoutStallAsync(async () =>
    {
        var other = database + "z";
        var shared = new SharedLedger(Store) { Address = (name, _) => new(LedgerKeys.Address("s" + database, name)) };
        foreach (var name in new[] { database, other })
            await shared.Budgets.SampleAsync(name, 6, 60, 3, 6, 0, TimeSpan.FromMinutes(5), Cancellation, server: 6);
        await IssueAsync(shared, database);
        await IssueAsync(shared, other);
        await shared.Holders.ReleaseAsync(other, Id(0), Cancellation);
        foreach (var pod in Enumerable.Range(1, 5)) (await AskAsync(database, Claim(pod, 1))).ShouldBeOfType<ClaimAnswer.Granted>();

        // The full one releases and asks again, at once; three times that goes to who waits on the other.
        foreach (var pod in Enumerable.Range(1, 3))
        {
            (await FreeAndAskAsync(pod)).ShouldBeOfType<ClaimAnswer.Exhausted>().Free.ShouldBe(0);
            (await AskAsync(other, Waiting(100 + pod, 1))).ShouldBeOfType<ClaimAnswer.Granted>();
        }

        // Each has its half: from now on each keeps what comes free on it.
        (await AskAsync(other, Waiting(104, 1))).ShouldBeOfType<ClaimAnswer.InLine>();
        await shared.Holders.ReleaseAsync(database, Id(4), Cancellation);
        (await AskAsync(database, Claim(4, 1))).ShouldBeOfType<ClaimAnswer.Granted>();

        async Task<ClaimAnswer> FreeAndAskAsync(int pod)
        {
            (await AskAsync(other, Waiting(100 + pod, 1))).ShouldBeOfType<ClaimAnswer.InLine>();
            await shared.Holders.ReleaseAsync(database, Id(pod), Cancellation);
            return await AskAsync(database, Claim(pod, 1));
        }

        async Task<ClaimAnswer> AskAsync(string of, Claim claim) => (await shared.Claims.ClaimAsync(of, Fast, 100, [claim], Cancellation))[0];
    });

    [Fact]
    public Task L2_A_poolers_pool_is_taken_on_the_server_before_it_is_told_and_given_back_after() => WithoutStallAsync(async () =>
    {
        var other = database + "z";
        var shared = new SharedLedger(Store) { Address = (name, _) => new(LedgerKeys.Address("s" + database, name)) };
        ValueTask<int?> CountAsync(string name, (int Wanted, int Allowed)? pool = null) =>
            shared.Budgets.SampleAsync(name, pool is null ? 10 : 500, 60, 3, 10, 0, TimeSpan.FromMinutes(5), Cancellation, server: 10, pool: pool);
        async Task<int> FreeAsync(string name) => (await shared.Budgets.BudgetAsync(name, [], Cancellation)).Free;

        (await CountAsync(other)).ShouldBeNull();
        (await CountAsync(database, (6, 0))).ShouldBe(6);
        (await FreeAsync(database), await FreeAsync(other)).ShouldBe((500, 4));

        // It is to have less, and has more until it was told.
        (await CountAsync(database, (2, 6))).ShouldBe(2);
        (await FreeAsync(other)).ShouldBe(4);
        (await CountAsync(database, (2, 2))).ShouldBe(2);
        (await FreeAsync(other)).ShouldBe(8);

        // Who holds connections of the server itself leaves it the rest, and its own clients take nothing of the others.
        await IssueAsync(shared, other);
        await IssueAsync(shared, database);
        (await CountAsync(database, (20, 2))).ShouldBe(9);
        (await FreeAsync(database), await FreeAsync(other)).ShouldBe((499, 0));

        // The pooler was taken out of the configuration.
        (await CountAsync(database)).ShouldBeNull();
        (await FreeAsync(other)).ShouldBe(8);
    });

    [Fact]
    public Task What_is_guaranteed_on_one_database_of_a_server_is_kept_from_the_other_before_and_after_it_says_so() => WithoutStallAsync(async () =>
    {
        var other = database + "z";
        var shared = new SharedLedger(Store) { Address = (name, _) => new(LedgerKeys.Address("s" + database, name)) };
        ValueTask<int?> CountAsync(string name, DivisionTerms? terms = null, params DatabaseTerms[] beside) =>
            shared.Budgets.SampleAsync(name, 10, 60, 3, 10, 0, TimeSpan.FromMinutes(5), Cancellation, server: 10, terms: terms, beside: beside);
        async Task<(int Free, int Kept, int Elsewhere)> KeptAsync(string name) =>
            await shared.Budgets.BudgetAsync(name, [], Cancellation) is var budget ? (budget.Free, budget.Kept, budget.KeptElsewhere) : default;

        await CountAsync(database, null, new DatabaseTerms(other, 4));
        (await KeptAsync(database)).ShouldBe((6, 0, 4));
        await CountAsync(other, new([new("small", 1, 4, 0)], []));
        await IssueAsync(shared, database);
        await IssueAsync(shared, other);
        (await KeptAsync(other)).ShouldBe((8, 4, 0));
        (await KeptAsync(database)).ShouldBe((4, 0, 4));
        var ask = Claim(1, 4) with { Party = "small" };
        (await shared.Claims.ClaimAsync(database, Fast, 100, [Claim(1, 5)], Cancellation))[0].ShouldBeOfType<ClaimAnswer.Exhausted>();
        (await shared.Claims.ClaimAsync(database, Fast, 100, [Claim(2, 4)], Cancellation))[0].ShouldBeOfType<ClaimAnswer.Granted>();
        (await shared.Claims.ClaimAsync(other, Fast, 100, [ask], Cancellation))[0].ShouldBeOfType<ClaimAnswer.Granted>();
        (await KeptAsync(other)).ShouldBe((0, 0, 0));
    });

    private static async Task IssueAsync(SharedLedger ledger, string database)
    {
        var order = (await ledger.Claims.ClaimAsync(database, Fast, 100, [Claim(0, 1)], Cancellation))[0].ShouldBeOfType<ClaimAnswer.Issue>();
        var go = (await ledger.Issues.BeginAsync(database, order.Lease, order.Fence, "u", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        (await ledger.Issues.IssuedAsync(database, order.Lease, order.Fence, "u", "u", "sealed", TimeSpan.FromHours(1), go.Now, true, Cancellation)).ShouldBeTrue();
        (await ledger.Issues.ActivateAsync(database, order.Lease, order.Fence, TimeSpan.FromMinutes(5), 0.5, null, Cancellation)).ShouldBeTrue();
        (await ledger.Claims.ClaimAsync(database, Fast, 100, [Claim(0, 1)], Cancellation))[0].ShouldBeOfType<ClaimAnswer.Granted>();
    }
}
