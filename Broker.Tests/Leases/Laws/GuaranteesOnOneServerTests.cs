using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>
/// What is guaranteed on one database of a server is kept from the others, by whichever way they come to connections: 8 of the 20 that the
/// server has are guaranteed to role <c>small</c> of the other database.
/// </summary>
public sealed class GuaranteesOnOneServerTests : OneServerSequence
{
    private const int OfServer = 20;
    private const int Guaranteed = 8;

    private static readonly DivisionTerms Kept = new([new("small", 1, Guaranteed, 0)], []);

    private Task CountAsync(string database, int server = OfServer, int? ceiling = null, DivisionTerms? terms = null, IReadOnlyList<DatabaseTerms>? beside = null) =>
        Shared.Budgets.SampleAsync(
            database, ceiling ?? OfServer, 60, 3, ceiling ?? OfServer, 0, 15 * Second, Cancellation, server: server, terms: terms, beside: beside).AsTask();

    private async Task CountBothAsync(int server = OfServer)
    {
        await CountAsync(Other, server, terms: Kept);
        await CountAsync(Database, server);
    }

    private static Claim Small(int pod, int connections) =>
        Claim(pod, connections) with { Holder = $"small.{pod:D28}", Party = "small", Pool = "r", Role = Terms with { Name = "small" } };

    private async Task BeginAsync()
    {
        await CountBothAsync();
        await HeldAsync(Database, 1);
        await HeldAsync(Other, 1);
        await Shared.Holders.ReleaseAsync(Other, Id(0), Cancellation);
        await Shared.Holders.ReleaseAsync(Database, Id(0), Cancellation);
    }

    // All that is guaranteed can be had, at once.
    private async Task ShouldHaveItAsync(int has = 0)
    {
        for (var pod = 100; pod < 100 + Guaranteed - has; pod++) (await AskAsync(Other, Small(pod, 1))).ShouldBeOfType<ClaimAnswer.Granted>($"pod {pod}");
        ((await BudgetAsync(Database)).Granted + (await BudgetAsync(Other)).Granted).ShouldBeLessThanOrEqualTo(OfServer);
    }

    private static async Task<ClaimAnswer.Granted> GrantedAsync(Task<ClaimAnswer> asked) => (await asked).ShouldBeOfType<ClaimAnswer.Granted>();

    [Fact]
    public async Task A_claim_on_the_other_database_leaves_it_and_is_told_why()
    {
        await BeginAsync();
        (await AskAsync(Database, Claim(1, 13))).ShouldBeOfType<ClaimAnswer.Exhausted>().Free.ShouldBe(12);
        var all = await GrantedAsync(AskAsync(Database, Growing(1, OfServer)));
        (all.Connections, all.Fewer).ShouldBe((12, "guaranteed 8"));
        (await AskAsync(Database, InLine(2, 1))).ShouldBeOfType<ClaimAnswer.InLine>("what is left is another's");
        await ShouldHaveItAsync();
        (await AskAsync(Other, Small(200, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>();
    }

    [Fact]
    public async Task What_its_role_has_is_kept_once_and_what_it_gives_back_is_kept_again()
    {
        await BeginAsync();
        await GrantedAsync(AskAsync(Other, Small(1, 5)));
        await GrantedAsync(AskAsync(Database, Claim(1, 12)));
        (await AskAsync(Database, Claim(2, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>();
        await Shared.Holders.ReleaseAsync(Other, Small(1, 5).Holder, Cancellation);
        (await AskAsync(Database, Claim(2, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>("all 8 are kept again");
        await ShouldHaveItAsync();
    }

    [Fact]
    public async Task Another_role_of_its_own_database_leaves_it_as_well()
    {
        await BeginAsync();
        (await GrantedAsync(AskAsync(Other, Growing(1, OfServer)))).Connections.ShouldBe(12);
        (await AskAsync(Database, Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>();
        await ShouldHaveItAsync();
    }

    [Fact]
    public async Task A_budget_names_what_is_kept_here_and_what_is_kept_elsewhere()
    {
        await BeginAsync();
        var (here, there) = (await BudgetAsync(Database), await BudgetAsync(Other));
        (here.Kept, here.KeptElsewhere, here.Free, here.Foreign).ShouldBe((0, 8, 12, 0));
        (there.Kept, there.KeptElsewhere, there.Free).ShouldBe((8, 0, 20));
        await GrantedAsync(AskAsync(Other, Small(1, 5)));
        (here, there) = (await BudgetAsync(Database), await BudgetAsync(Other));
        (here.Kept, here.KeptElsewhere, here.ElsewhereOnServer, here.Free).ShouldBe((0, 3, 5, 12));
        (there.Kept, there.KeptElsewhere, there.Free).ShouldBe((3, 0, 15));
    }

    [Fact]
    public async Task A_renewal_does_not_grow_into_it()
    {
        await CountBothAsync(server: 10);
        await HeldAsync(Database, 1);
        await HeldAsync(Other, 1);
        await Shared.Holders.ReleaseAsync(Other, Id(0), Cancellation);
        var growing = Growing(1, OfServer);
        (await GrantedAsync(AskAsync(Database, growing))).Connections.ShouldBe(1);
        await CountBothAsync();
        Clock.Now += 6 * Second;
        await CountBothAsync();
        var grown = await GrantedAsync(AskAsync(Database, growing with { Kind = ClaimKind.Renew, Allotment = 0 }));
        grown.Connections.ShouldBe(11, "1 is pod 0's, and 8 are kept");
        await ShouldHaveItAsync();
    }

    [Fact]
    public async Task Holders_that_follow_sizes_go_down_for_what_is_guaranteed_from_now_on()
    {
        await CountAsync(Other);
        await CountAsync(Database);
        await HeldAsync(Database, 1);
        var growing = Growing(1, OfServer);
        (await GrantedAsync(AskAsync(Database, growing))).Connections.ShouldBe(19);
        await GrantedAsync(AskAsync(Database, growing with { Kind = ClaimKind.Renew, Allotment = 0 }));
        await CountBothAsync(); // the configuration was read again
        var told = await GrantedAsync(AskAsync(Database, growing with { Kind = ClaimKind.Renew, Allotment = 0 }));
        told.Size.ShouldBe(11, "1 is pod 0's, and 8 are kept");
        await GrantedAsync(AskAsync(Database, growing with { Kind = ClaimKind.Renew, Allotment = told.Allotment }));
        (await AskAsync(Database, Claim(2, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>();
        (await AskAsync(Other, Small(100, 8))).ShouldBeOfType<ClaimAnswer.Issue>();
    }

    [Fact]
    public async Task A_higher_ceiling_of_the_other_database_lets_nobody_have_it()
    {
        await BeginAsync();
        await CountAsync(Database, ceiling: 5);
        (await GrantedAsync(AskAsync(Database, Growing(1, OfServer)))).Connections.ShouldBe(5);
        await CountAsync(Database);
        (await GrantedAsync(AskAsync(Database, Growing(2, OfServer)))).Connections.ShouldBe(7);
        await ShouldHaveItAsync();
    }

    [Fact]
    public async Task A_ceiling_below_what_is_guaranteed_leaves_the_rest_to_the_other_database_until_it_is_raised()
    {
        await BeginAsync();
        await CountAsync(Other, ceiling: 3, terms: Kept);
        (await BudgetAsync(Database)).KeptElsewhere.ShouldBe(3);
        await CountAsync(Other, terms: Kept);
        (await BudgetAsync(Database)).KeptElsewhere.ShouldBe(8);
    }

    [Fact]
    public async Task Connections_that_are_foreign_for_a_while_are_not_given_away_when_they_close()
    {
        await BeginAsync();
        await Shared.Budgets.SampleAsync(Other, 2, 60, 3, OfServer, 18, 15 * Second, Cancellation, server: 2, terms: Kept);
        await CountAsync(Database, server: 2);
        (await AskAsync(Database, Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>();
        await GrantedAsync(AskAsync(Other, Small(99, 2)));
        await CountAsync(Database); // the other is not counted again yet
        (await GrantedAsync(AskAsync(Database, Growing(1, OfServer)))).Connections.ShouldBe(12);
        await CountBothAsync();
        await ShouldHaveItAsync(has: 2);
    }

    [Fact]
    public async Task Guarantees_of_both_that_cannot_be_had_together_go_to_who_comes_first_and_nothing_lies_idle()
    {
        await BeginAsync();
        var mine = new DivisionTerms([new("small", 1, 8, 0)], []);
        await CountAsync(Database, server: 10, terms: mine);
        await CountAsync(Other, server: 10, terms: Kept);
        (await GrantedAsync(AskAsync(Database, Small(1, 8)))).Connections.ShouldBe(8);
        (await GrantedAsync(AskAsync(Other, Small(2, 8) with { Least = 1 }))).Connections.ShouldBe(2);
        (await AskAsync(Other, Claim(3, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>();
    }

    [Fact]
    public async Task Whoever_waits_on_the_other_database_has_its_fair_part_of_the_rest_and_the_guarantee_is_had_though_more_than_half_is_used()
    {
        await BeginAsync();
        await GrantedAsync(AskAsync(Other, Claim(1, 12))); // more than half, with what is kept
        (await AskAsync(Database, InLine(2, 6))).ShouldBeOfType<ClaimAnswer.InLine>();
        await ShouldHaveItAsync();
        await Shared.Holders.ReleaseAsync(Other, Id(1), Cancellation);
        (await AskAsync(Other, Claim(1, 12))).ShouldBeOfType<ClaimAnswer.Exhausted>("6 of the 12 are for who waits").Free.ShouldBe(6);
        await GrantedAsync(AskAsync(Database, InLine(2, 6)));
    }

    [Theory]
    [InlineData(6, true)]
    [InlineData(7, false)]
    public async Task A_holder_that_moves_to_the_next_login_does_not_have_both_open_on_it(int connections, bool moves)
    {
        await BeginAsync();
        var first = await GrantedAsync(AskAsync(Database, Claim(1, connections)));
        Clock.Now += 20 * Minute;
        await CountBothAsync();
        await GrantedAsync(AskAsync(Database, Claim(1, connections) with { Kind = ClaimKind.Renew }));
        Clock.Now += 11 * Minute; // more than half of the lease's life is over
        await CountBothAsync();
        await HeldAsync(Database, 1);
        await Shared.Holders.ReleaseAsync(Database, Id(0), Cancellation);
        var next = await GrantedAsync(AskAsync(Database, Claim(1, connections)));
        (next.Lease != first.Lease).ShouldBe(moves);
        (await BudgetAsync(Database)).Granted.ShouldBe(moves ? 2 * connections : connections);
        await HeldAsync(Other, Small(1, 1));
        await ShouldHaveItAsync(has: 1);
    }

    [Fact]
    public async Task L8_A_ledger_that_lost_everything_keeps_it_before_the_other_database_is_counted()
    {
        await BeginAsync();
        await GrantedAsync(AskAsync(Database, Claim(1, 3)));
        Store.PutBack(InProcessLedgerStore.Empty());
        await Shared.Duties.DueAsync(Database, [], 0, Second, Cancellation); // its voice finds the loss
        await Shared.Duties.DueAsync(Other, [], 0, Second, Cancellation);
        Clock.Now += 6 * Second;
        await CountAsync(Database, beside: [new(Other, Guaranteed)]);
        (await AskAsync(Database, Claim(2, 13))).ShouldBeOfType<ClaimAnswer.Exhausted>().Free.ShouldBe(12);
        await CountAsync(Other, terms: Kept, beside: []);
        (await BudgetAsync(Database)).KeptElsewhere.ShouldBe(8);
    }

    [Fact]
    public async Task L8_A_ledger_that_fell_back_keeps_what_its_role_has_not_when_all_have_told_what_they_remember()
    {
        await BeginAsync();
        var copy = Store.Copy();
        var granted = await GrantedAsync(AskAsync(Other, Small(1, 5)));
        Store.PutBack(copy);
        var lost = await Shared.Duties.DueAsync(Other, [], 0, Second, Cancellation);
        (await AskAsync(Database, Claim(1, 12))).ShouldBeOfType<ClaimAnswer.Stale>();
        await Shared.Leases.RestoreAsync(
            Other, lost.Epoch, [], [new(Small(1, 5).Holder, granted.Lease, 5, Hour / 2, long.MaxValue / 4096, "c1", "5:5::small")], [], 0.5, "", Cancellation);
        Clock.Now += 6 * Second;
        await CountBothAsync();
        (await BudgetAsync(Database)).KeptElsewhere.ShouldBe(3);
        await GrantedAsync(AskAsync(Database, Claim(1, 12)));
        (await Shared.Leases.VerifiedAsync(Other, granted.Lease, Cancellation)).ShouldBeTrue();
        await ShouldHaveItAsync(has: 5);
    }

    [Fact]
    public async Task The_first_database_that_is_counted_keeps_it_for_one_that_is_not_yet()
    {
        await CountAsync(Database, beside: [new(Other, Guaranteed)]);
        (await AskAsync(Database, Claim(1, 13))).ShouldBeOfType<ClaimAnswer.Exhausted>().Free.ShouldBe(12);
        (await BudgetAsync(Database)).KeptElsewhere.ShouldBe(8);

        // Nobody can count it for a while.
        for (var second = 0; second < 200; second += 10)
        {
            Clock.Now += 10 * Second;
            await Shared.Duties.DueAsync(Other, [], 0, Second, Cancellation);
            (await BudgetAsync(Database)).KeptElsewhere.ShouldBe(8, $"after {second} s");
            await CountAsync(Database, beside: [new(Other, Guaranteed)]);
        }

        // Counted, it says itself what nobody has.
        await CountAsync(Other, terms: Kept);
        (await AskAsync(Other, Small(1, 5))).ShouldBeOfType<ClaimAnswer.Issue>();
        await CountAsync(Database, beside: [new(Other, Guaranteed)]);
        var budget = await BudgetAsync(Database);
        (budget.KeptElsewhere, budget.ElsewhereOnServer).ShouldBe((3, 5));
    }

    [Fact]
    public async Task A_guarantee_is_kept_while_nobody_holds_anything_there_and_no_longer_than_a_minute_when_nobody_works_there()
    {
        await BeginAsync();
        for (var second = 0; second < 300; second += 20)
        {
            Clock.Now += 20 * Second;
            await Shared.Duties.DueAsync(Other, [], 0, Second, Cancellation);
            await CountAsync(Database);
            (await BudgetAsync(Database)).KeptElsewhere.ShouldBe(8, $"after {second} s");
        }

        Clock.Now += 61 * Second;
        await CountAsync(Database);
        (await BudgetAsync(Database)).KeptElsewhere.ShouldBe(0, "the database may have been taken out of the configuration");
    }

    [Fact]
    public async Task What_is_guaranteed_no_more_is_kept_no_more()
    {
        await BeginAsync();
        await CountAsync(Other);
        (await BudgetAsync(Database)).KeptElsewhere.ShouldBe(0);
        await GrantedAsync(AskAsync(Database, Claim(1, OfServer)));
    }

    [Fact]
    public async Task A_poolers_pool_leaves_it()
    {
        await BeginAsync();
        var pool = await Shared.Budgets.SampleAsync(Database, 500, 60, 3, OfServer, 0, 15 * Second, Cancellation, server: OfServer, pool: (OfServer, 0));
        pool.ShouldBe(12);
        await ShouldHaveItAsync();
    }

    [Fact]
    public async Task The_room_of_a_cap_leaves_it()
    {
        await BeginAsync();
        await GrantedAsync(AskAsync(Other, Claim(1, 2)));
        var lease = (await AskAsync(Other, Claim(1, 2))).ShouldBeOfType<ClaimAnswer.Granted>().Lease;
        var turn = (await Shared.Caps.TakeCapAsync(Other, lease, "one", Minute, Cancellation)).ShouldBeOfType<CapTurn.Taken>();
        (turn.Connections, turn.Free).ShouldBe((2, 10));
    }

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 20)];

    // Whatever pods of the greedy role do on both databases, the small one's are served with all that is guaranteed to them whenever they come.
    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Whatever_others_do_whoever_comes_for_what_is_guaranteed_has_it_at_once(int seed)
    {
#pragma warning disable CA5394 // Whatever pleases the pods need not be unguessable.
        var random = new Random(seed);
        await BeginAsync();
        var small = new Dictionary<int, int>();
        var said = new Dictionary<(string Database, int Pod), long>();
        for (var step = 0; step < 300; step++)
        {
            var (database, pod) = (random.Next(2) == 0 ? Database : Other, random.Next(1, 6));
            var claim = Growing(pod, 3 + (pod * 4));
            switch (random.Next(9))
            {
                case 0:
                case 1:
                    if (await AskAsync(database, random.Next(2) == 0 ? claim : claim with { LineWait = Minute, IssueWait = Minute }) is ClaimAnswer.Granted) said.TryAdd((database, pod), 0);
                    break;
                case 2:
                    await Shared.Holders.ReleaseAsync(database, Id(pod), Cancellation);
                    said.Remove((database, pod));
                    break;
                case 3:
                    Clock.Now += random.Next(1, 8) * Second;
                    await CountBothAsync();
                    break;
                case 4:
                    var left = Guaranteed - small.Values.Sum();
                    if (left == 0 || small.ContainsKey(pod)) break;
                    var want = random.Next(1, left + 1);
                    (await AskAsync(Other, Small(pod, want))).ShouldBeOfType<ClaimAnswer.Granted>($"step {step}: {want} of the {left} that are left").Connections.ShouldBe(want);
                    small[pod] = want;
                    break;
                case 5:
                    if (small.Remove(pod)) await Shared.Holders.ReleaseAsync(Other, Small(pod, 1).Holder, Cancellation);
                    break;
                default:
                    if (!said.TryGetValue((database, pod), out var allotment)) break;
                    if (await AskAsync(database, claim with { Kind = ClaimKind.Renew, Allotment = allotment }) is not ClaimAnswer.Granted told) said.Remove((database, pod));
                    else if (random.Next(3) > 0 && told.Allotment is { } next) said[(database, pod)] = next; // else it does not go down yet
                    break;
            }

            ((await BudgetAsync(Database)).Granted + (await BudgetAsync(Other)).Granted).ShouldBeLessThanOrEqualTo(OfServer, $"step {step}");
        }
#pragma warning restore CA5394
    }
}
