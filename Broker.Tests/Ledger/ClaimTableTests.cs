using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Ledger;

/// <summary>The table at the head of <c>claim.lua</c>: each of its lines is brought about and asked.</summary>
public sealed class ClaimTableTests : IAsyncDisposable
{
    private const string Database = "orders";
    private static readonly TimeSpan Life = TimeSpan.FromHours(1);
    private static readonly PaceSettings Fast = new() { UsersPerSecond = 1000, Burst = 1000, InFlight = 100 };
    private static readonly RoleTerms Terms = new("r", 0, TimeSpan.FromMinutes(30), 500, TimeSpan.FromMinutes(10));

    private readonly FakeTimeProvider clock = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly InProcessLedgerStore store;
    private readonly SharedLedger ledger;

    public ClaimTableTests()
    {
        store = TestedScripts.Open(clock);
        ledger = new(store);
    }

    public static TheoryData<string, string, string, string> Lines
    {
        get
        {
            // Columns begin where they do in the heading.
            var script = Decision.Read("claim.lua").Split('\n');
            var heading = Array.FindIndex(script, line => line.StartsWith("--   holder ", StringComparison.Ordinal));
            int[] at = [.. new[] { "holder", "its lease", "the pool's", "is answered" }.Select(title => script[heading].IndexOf(title, StringComparison.Ordinal)), int.MaxValue];
            var lines = new TheoryData<string, string, string, string>();
            foreach (var line in script[(heading + 1)..].TakeWhile(line => line.StartsWith("--   ", StringComparison.Ordinal)))
            {
                string Cell(int column) => line[at[column]..Math.Min(line.Length, at[column + 1])].Trim();
                lines.Add(Cell(0), Cell(1), Cell(2), Cell(3));
            }

            return lines;
        }
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void The_table_has_its_lines() => Lines.Count.ShouldBe(15);

    [Theory]
    [MemberData(nameof(Lines))]
    public async Task A_claim_is_answered_as_the_table_says(string holder, string its, string pools, string answer)
    {
        var (own, pool) = await BringAboutAsync(holder, its, pools);
        Said(await AskAsync(Claim(1)), own, pool).ShouldBe(answer);
    }

    [Theory]
    [MemberData(nameof(Lines))]
    public async Task A_renewal_is_answered_like_a_claim_but_for_nobody(string holder, string its, string pools, string answer)
    {
        var (own, pool) = await BringAboutAsync(holder, its, pools);
        Said(await AskAsync(Claim(1) with { Kind = ClaimKind.Renew }), own, pool).ShouldBe(holder == "nobody" ? "unknown" : answer);
    }

    [Theory]
    [MemberData(nameof(Lines))]
    public async Task A_holder_that_is_to_stay_is_granted_its_own_lease_while_that_stands(string holder, string its, string pools, string answer)
    {
        answer.ShouldNotBeEmpty();
        var (own, pool) = await BringAboutAsync(holder, its, pools);
        var stands = its.Split(',')[0] is "Active" or "unproven" or "too old" or "Retiring";
        Said(await AskAsync(Claim(1) with { Kind = ClaimKind.Stay }), own, pool)
            .ShouldBe(stands ? its.StartsWith("Retiring", StringComparison.Ordinal) ? "granted its own, leaving" : "granted its own" : "unknown");
    }

    public ValueTask DisposeAsync() => store.DisposeAsync();

    // Brings the line about; answers the holder's own lease and the one that the pool would give it.
    private async Task<(string? Own, string? Pool)> BringAboutAsync(string holder, string its, string pools)
    {
        await ledger.Budgets.SampleAsync(Database, its.EndsWith("no room", StringComparison.Ordinal) ? 3 : 100, 200, 3, 100, 0, TimeSpan.FromHours(2), Cancellation);
        string? own = null;
        if (holder == "reserved")
        {
            var order = Order(await AskAsync(Claim(1)));
            own = order.Lease;
            if (its == "Active") await IssueAsync(order);
            if (its == "Unknown")
            {
                (await ledger.Issues.BeginAsync(Database, order.Lease, order.Fence, "u", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
                await ledger.Duties.DueAsync(Database, [], 10, Life, Cancellation);
                for (var round = 0; round < 9; round++) // then the attempt is dead, the reservation is not
                {
                    clock.Advance(TimeSpan.FromSeconds(0.5));
                    await ledger.Duties.DueAsync(Database, [], 0, Life, Cancellation);
                }
            }
        }
        else if (holder == "holding")
        {
            own = (await IssueAsync(Order(await AskAsync(Claim(1))))).Lease;
            (await AskAsync(Claim(1))).ShouldBeOfType<ClaimAnswer.Granted>().Lease.ShouldBe(own);
            if (its == "unproven") await LoseAsync();
            if (its == "too old") await AgeAsync(Life * 0.6);
            if (its.StartsWith("Retiring", StringComparison.Ordinal))
                await ledger.Leases.MoveAsync(Database, own, LeaseState.Retiring, "t", Cancellation, its.Contains("broken", StringComparison.Ordinal) ? MoveHow.Broken : MoveHow.Plainly);
            if (its == "Expired")
            {
                // Its end came, its holder's did not: an end that was announced a moment before the lease's own.
                await ledger.Leases.RenewedAsync(Database, own, TimeSpan.Zero, clock.GetUtcNow(), true, Life, 0, Cancellation);
                (await ledger.Leases.ExpireAsync(Database, own, Life, Cancellation)).ShouldBeOfType<ExpireAnswer.Ended>().State.ShouldBe(LeaseState.Expired);
            }
        }

        if (pools == "none" || holder == "reserved" || its is "Active" or "unproven") return (own, own);
        var next = Order(await AskAsync(Claim(2)));
        if (pools is "Active" or "unproven") await IssueAsync(next);
        if (pools == "unproven") await LoseAsync();
        return (own, next.Lease);
    }

    private static string Said(ClaimAnswer answer, string? own, string? pool) => answer switch
    {
        ClaimAnswer.Granted granted => string.Join(", ", new[]
        {
            granted.Lease == own ? "granted its own" : granted.Lease == pool ? "granted the pool's" : "granted another",
            granted.Leaving ? "leaving" : null,
            granted.Overlap is { } overlap && own is not null ? overlap > TimeSpan.Zero ? "both open for a while" : "the old one closed first" : null,
        }.OfType<string>()),
        _ => answer.GetType().Name.ToLowerInvariant(),
    };

    private static Claim Claim(int pod) =>
        new($"r.{pod}", Terms, "r", 2, 2, TimeSpan.FromSeconds(30), TimeSpan.Zero, ClaimKind.Claim, "c");

    private static ClaimAnswer.Issue Order(ClaimAnswer answer) => answer.ShouldBeOfType<ClaimAnswer.Issue>();

    private async Task<ClaimAnswer> AskAsync(Claim claim)
    {
        if (claim.Holder == "r.2") claim = claim with { Want = 1, Least = 1 };
        return (await ledger.Claims.ClaimAsync(Database, Fast, 10, [claim], Cancellation))[0];
    }

    // The ledger lost something, and everybody has told what it remembers.
    private async Task LoseAsync()
    {
        await ledger.Leases.RestoreAsync(Database, "1", [], [], [], 0, "lost", Cancellation);
        clock.Advance(TimeSpan.FromSeconds(6));
    }

    private async Task AgeAsync(TimeSpan time)
    {
        // In steps that keep the holder.
        for (var passed = TimeSpan.Zero; passed < time; passed += time / 4)
        {
            await AskAsync(Claim(1) with { Kind = ClaimKind.Stay });
            clock.Advance(time / 4);
        }
    }

    private async Task<ClaimAnswer.Issue> IssueAsync(ClaimAnswer.Issue order)
    {
        var go = (await ledger.Issues.BeginAsync(Database, order.Lease, order.Fence, "user", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        (await ledger.Issues.IssuedAsync(Database, order.Lease, order.Fence, "ref", "user", "sealed", Life, go.Now, true, Cancellation)).ShouldBeTrue();
        (await ledger.Issues.ActivateAsync(Database, order.Lease, order.Fence, TimeSpan.Zero, 0.5, null, Cancellation)).ShouldBeTrue();
        return order;
    }
}
