using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>
/// Databases on one server have records, lines and shares of their own, and one budget above them: what is promised on all of them
/// together is never more than the server has (law L2).
/// </summary>
public sealed class DatabasesOnOneServerTests : OneServerSequence
{
    private Task CountAsync(string database, int own, int server, DateTimeOffset? grantedAt = null) =>
        Shared.Budgets.SampleAsync(database, own, 60, 3, own, 0, 15 * Second, Cancellation, grantedAt: grantedAt, server: server).AsTask();

    private async Task CountBothAsync(int own, int server)
    {
        await CountAsync(Database, own, server);
        await CountAsync(Other, own, server);
    }

    [Fact]
    public async Task L2_What_is_promised_on_one_is_not_promised_on_the_other()
    {
        await CountBothAsync(own: 37, server: 57);
        await HeldAsync(Database, 37);
        (await AskAsync(Other, Claim(1, 37))).ShouldBeOfType<ClaimAnswer.Exhausted>().Free.ShouldBe(20);
        await HeldAsync(Other, 20);
        (await AskAsync(Other, Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>();
        (await AskAsync(Database, Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>();
    }

    [Fact]
    public async Task What_comes_free_on_one_can_be_had_on_the_other()
    {
        await CountBothAsync(own: 37, server: 57);
        await HeldAsync(Database, 37);
        await HeldAsync(Other, 20);
        (await AskAsync(Other, InLine(1, 10))).ShouldBeOfType<ClaimAnswer.InLine>();
        await Shared.Holders.ReleaseAsync(Database, Id(0), Cancellation);
        (await AskAsync(Other, InLine(1, 10))).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(10);
    }

    [Fact]
    public async Task Each_keeps_to_its_own_share_though_the_server_has_more()
    {
        await CountBothAsync(own: 10, server: 57);
        await HeldAsync(Database, 10);
        (await AskAsync(Database, Claim(1, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>();
        await HeldAsync(Other, 10);
    }

    [Fact]
    public async Task A_budget_shows_what_the_others_take_as_foreign()
    {
        await CountBothAsync(own: 37, server: 57);
        await HeldAsync(Database, 30);
        var budget = await BudgetAsync(Other);
        (budget.Granted, budget.Foreign, budget.ElsewhereOnServer, budget.Capacity, budget.Free).ShouldBe((0, 30, 30, 27, 27));
        var own = await BudgetAsync(Database);
        (own.Granted, own.Foreign, own.ElsewhereOnServer, own.Capacity).ShouldBe((30, 0, 0, 37));
    }

    [Fact]
    public async Task L2_A_holder_that_ended_without_a_word_counts_on_the_other_until_it_is_seen_closed()
    {
        await CountBothAsync(own: 57, server: 57);
        await HeldAsync(Database, 50);
        Clock.Now += 29 * Minute;
        await CountBothAsync(own: 57, server: 57);
        Clock.Now += 1 * Minute + Second;
        await CountAsync(Other, 57, 57);
        (await BudgetAsync(Database)).Granted.ShouldBe(0);
        (await AskAsync(Other, Claim(1, 8))).ShouldBeOfType<ClaimAnswer.Exhausted>("50 may be open");
        await CountAsync(Database, 57, 57);
        (await AskAsync(Other, Claim(1, 8))).ShouldBeOfType<ClaimAnswer.Issue>();
    }

    [Fact]
    public async Task L8_While_replicas_put_back_what_one_of_them_lost_nothing_is_granted_on_either()
    {
        await CountBothAsync(own: 57, server: 57);
        await HeldAsync(Other, 1);
        var copy = Store.Copy();
        await HeldAsync(Database, 50);
        Store.PutBack(copy);
        await Shared.Duties.DueAsync(Database, [], 0, Second, Cancellation); // its voice finds the loss
        (await AskAsync(Other, Claim(1, 50))).ShouldBeOfType<ClaimAnswer.Stale>();
        Clock.Now += 6 * Second;
        await CountBothAsync(own: 57, server: 57);
        (await AskAsync(Other, Claim(1, 50))).ShouldBeOfType<ClaimAnswer.Granted>();
    }

    [Fact]
    public async Task L8_A_count_of_one_from_before_a_loss_of_the_others_is_believed_no_more()
    {
        await CountBothAsync(own: 57, server: 57);
        await HeldAsync(Other, 1);
        var copy = Store.Copy();
        await HeldAsync(Database, 50);
        Clock.Now += Second;
        Store.PutBack(copy);
        await Shared.Duties.DueAsync(Database, [], 0, Second, Cancellation); // its voice finds the loss
        Clock.Now += 6 * Second;

        (await AskAsync(Other, Claim(1, 50))).ShouldBeOfType<ClaimAnswer.Stale>("when the server was counted, the 50 were promised and not foreign");
        await CountAsync(Other, 57, 57, grantedAt: Clock.Now - (8 * Second));
        (await AskAsync(Other, Claim(1, 50))).ShouldBeOfType<ClaimAnswer.Stale>("that count took them for promised, too");
        await CountAsync(Other, 7, 7);
        (await AskAsync(Other, Claim(1, 50))).ShouldBeOfType<ClaimAnswer.Exhausted>("they are foreign now");
    }

    [Fact]
    public async Task L2_What_was_promised_on_one_that_nobody_works_on_any_more_counts_to_its_last_holders_end()
    {
        await CountBothAsync(own: 57, server: 57);
        await HeldAsync(Database, 50);
        Clock.Now += 25 * Minute;
        await CountAsync(Other, 57, 57);
        (await BudgetAsync(Other)).ElsewhereOnServer.ShouldBe(50);
        Clock.Now += 6 * Minute;
        await CountAsync(Other, 57, 57);
        (await BudgetAsync(Other)).ElsewhereOnServer.ShouldBe(0);
    }

    [Fact]
    public async Task L2_Of_two_counts_that_crossed_the_smaller_holds()
    {
        await CountBothAsync(own: 57, server: 57);
        var looked = (await Shared.Budgets.SilentAsync(Database, Cancellation)).Now;
        Clock.Now += Second;
        await CountAsync(Other, 57, 40);                        // saw 17 of a holder that ended meanwhile
        await CountAsync(Database, 57, 57, grantedAt: looked);  // took them for promised still
        (await BudgetAsync(Database)).Capacity.ShouldBe(40);
        Clock.Now += Second;
        await CountAsync(Database, 57, 57, grantedAt: Clock.Now);
        (await BudgetAsync(Database)).Capacity.ShouldBe(57);
    }

    [Fact]
    public async Task Each_has_records_of_its_own_under_the_servers_hash_tag()
    {
        await CountBothAsync(own: 37, server: 57);
        var lease = (await HeldAsync(Database, 5)).Lease;
        (await Shared.Leases.LeaseAsync(Other, lease, Cancellation)).ShouldBeNull();
        LedgerKeys.Of("pg/orders").ShouldAllBe(key => key.StartsWith("broker:{pg}:", StringComparison.Ordinal));
        LedgerKeys.Of("pg/orders").Intersect(LedgerKeys.Of("pg/billing")).ShouldBe(["broker:{pg}:flights", "broker:{pg}:server"]);
        LedgerKeys.Of("orders").ShouldBe(LedgerKeys.Of("orders/orders"));
    }

    [Fact]
    public async Task L1_Calls_that_change_users_run_a_few_at_a_time_on_the_server()
    {
        var one = Fast with { InFlight = 1 };
        (await Shared.Flights.TakeFlightAsync(Database, "a", one, Minute, Cancellation)).ShouldBeTrue();
        (await Shared.Flights.TakeFlightAsync(Other, "b", one, Minute, Cancellation)).ShouldBeFalse();
        await Shared.Flights.LandAsync(Database, "a", Cancellation);
        (await Shared.Flights.TakeFlightAsync(Other, "b", one, Minute, Cancellation)).ShouldBeTrue();
    }

    [Fact]
    public async Task A_database_that_is_on_another_server_from_now_on_begins_there_anew_and_has_lost_nothing()
    {
        var server = "one";
        var moving = new SharedLedger(Store) { Address = (database, _) => new(LedgerKeys.Address(server, database)) };
        await moving.Budgets.SampleAsync(Database, 10, 60, 3, 10, 0, 15 * Second, Cancellation, server: 10);
        (await AskAsync(Database, Claim(0, 10), moving)).ShouldBeOfType<ClaimAnswer.Issue>();
        server = "two";
        var due = await moving.Duties.DueAsync(Database, [], 0, Second, Cancellation);
        moving.AddressOf(Database).ShouldBe("two/orders");
        Clock.Now += DutyLedger.Settling + Second;
        await moving.Budgets.SampleAsync(Database, 10, 60, 3, 10, 0, 15 * Second, Cancellation, server: 10);
        (await AskAsync(Database, Claim(0, 10), moving)).ShouldBeOfType<ClaimAnswer.Issue>();
        (await moving.Duties.DueAsync(Database, [], 0, Second, Cancellation)).Epoch.ShouldBe(due.Epoch, "no second epoch began");
    }

    [Fact]
    public async Task L8_An_emptied_ledger_grants_nothing_on_one_before_the_other_was_told_too()
    {
        await CountBothAsync(own: 57, server: 57);
        await HeldAsync(Other, 1);
        await HeldAsync(Database, 50);
        Store.PutBack(InProcessLedgerStore.Empty());
        await Shared.Duties.DueAsync(Database, [], 0, Second, Cancellation);
        await CountBothAsync(own: 57, server: 57);
        (await AskAsync(Other, Claim(1, 50))).ShouldBeOfType<ClaimAnswer.Stale>();
        (await AskAsync(Other, Claim(1, 50), ReplicaOfBoth())).ShouldBeOfType<ClaimAnswer.Stale>("also by a replica that remembers nothing");
    }

    // Pods of one connection each hold the whole server on one of the databases.
    private async Task FullAsync(int server)
    {
        await CountBothAsync(own: server, server: server);
        await HeldAsync(Database, 1);
        await HeldAsync(Other, 1);
        await Shared.Holders.ReleaseAsync(Other, Id(0), Cancellation);
        for (var pod = 1; pod < server; pod++) (await AskAsync(Database, Claim(pod, 1))).ShouldBeOfType<ClaimAnswer.Granted>();
    }

    [Fact]
    public async Task What_comes_free_goes_to_the_other_until_each_has_its_fair_part()
    {
        await FullAsync(server: 11);
        var served = 0;
        for (var pod = 0; pod < 11; pod++)
        {
            // Both have somebody waiting all the time, and the full one's is always the first to ask for what came free.
            for (var waiter = 100; waiter < 111; waiter++) await AskAsync(Other, InLine(waiter, 1));
            await Shared.Holders.ReleaseAsync(Database, Id(pod), Cancellation);
            await AskAsync(Database, InLine(200 + pod, 1));
            for (var waiter = 100; waiter < 111; waiter++) await AskAsync(Other, InLine(waiter, 1));
            Clock.Now += Second / 10;
            served = (await BudgetAsync(Other)).Granted;
            ((await BudgetAsync(Database)).Granted + served).ShouldBeLessThanOrEqualTo(11);
        }

        (served, (await BudgetAsync(Database)).Granted).ShouldBe((6, 5), "the odd one goes to the first by name");
    }

    [Fact]
    public async Task A_caller_that_waits_for_more_than_its_part_or_gave_up_holds_up_nobody_on_the_other()
    {
        await FullAsync(server: 10);
        (await AskAsync(Other, InLine(1, 6))).ShouldBeOfType<ClaimAnswer.InLine>();
        await Shared.Holders.ReleaseAsync(Database, Id(0), Cancellation);
        (await AskAsync(Database, Claim(20, 1))).ShouldBeOfType<ClaimAnswer.Granted>("6 is more than half of 10");

        (await AskAsync(Other, InLine(2, 3))).ShouldBeOfType<ClaimAnswer.InLine>();
        await Shared.Holders.ReleaseAsync(Database, Id(1), Cancellation);
        (await AskAsync(Database, Claim(21, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>("it is kept for the other").Free.ShouldBe(0);
        Clock.Now += 4 * Second;
        (await AskAsync(Database, Claim(21, 1))).ShouldBeOfType<ClaimAnswer.Granted>("who waits gives a sign of life every three seconds");
    }

    [Fact]
    public async Task Holders_that_follow_sizes_go_down_for_those_who_wait_on_the_other()
    {
        await CountBothAsync(own: 20, server: 20);
        await HeldAsync(Database, 1);
        await HeldAsync(Other, 1);
        var growing = Growing(1, 20);
        (await AskAsync(Database, growing)).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(18);
        var told = await FollowAsync(Database, growing);
        (await AskAsync(Other, InLine(2, 5))).ShouldBeOfType<ClaimAnswer.InLine>();
        told = await FollowAsync(Database, growing, told.Allotment ?? 0);
        told.Size.ShouldBe(13, "1 and 5 are the other's, within its half");
        (await FollowAsync(Database, growing, told.Allotment!.Value)).Connections.ShouldBe(13);
        (await AskAsync(Other, InLine(2, 5))).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(5);
    }

    [Theory]
    [InlineData(12, new[] { 0, 0 }, 12)]
    [InlineData(12, new[] { 4, 4 }, 4)]
    [InlineData(12, new[] { 2, 9 }, 5)]
    [InlineData(13, new[] { 9, 9 }, 5)]
    [InlineData(13, new[] { 12, 1 }, 6)]
    [InlineData(12, new[] { 30, 30 }, 4)]
    [InlineData(0, new[] { 3 }, 0)]
    public async Task A_part_is_what_all_others_leave_filled_to_one_level(int server, int[] others, int part)
    {
        // Each of the others has all that it wants already, and this one finds out by how much it may have, whatever is free.
        var many = new SharedLedger(Store) { Address = (database, _) => new(LedgerKeys.Address("pg", database)) };
        var sum = others.Sum();
        for (var other = 0; other < others.Length; other++)
        {
            var name = $"z{other}";
            await many.Budgets.SampleAsync(name, 1000, 1000, 0, 1000, 0, 15 * Second, Cancellation, server: 1000);
            if (others[other] > 0) (await AskAsync(name, Claim(0, others[other]), many)).ShouldBeOfType<ClaimAnswer.Issue>();
        }

        await many.Budgets.SampleAsync(Database, 1000, 1000, 0, 1000, 0, 15 * Second, Cancellation, server: server);
        var capacity = (await many.Budgets.BudgetAsync(Database, ["r"], Cancellation)).Capacity;
        capacity.ShouldBe(Math.Max(0, Math.Min(part, server - sum)));
    }

    private async Task<ClaimAnswer.Granted> FollowAsync(string database, Claim claim, long allotment = 0) =>
        (await AskAsync(database, claim with { Kind = ClaimKind.Renew, Allotment = allotment })).ShouldBeOfType<ClaimAnswer.Granted>();

    [Fact]
    public async Task L2_A_holder_grows_into_what_the_other_gave_back_and_into_no_more()
    {
        await CountBothAsync(own: 57, server: 57);
        await HeldAsync(Database, 1);
        await HeldAsync(Other, 30);
        var growing = Growing(1, 57);
        (await AskAsync(Database, growing)).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(26);
        Clock.Now += 6 * Second;
        await CountBothAsync(own: 57, server: 57);
        (await FollowAsync(Database, growing)).Connections.ShouldBe(26, "the rest is the other's");

        await Shared.Holders.ReleaseAsync(Other, Id(0), Cancellation);
        await CountBothAsync(own: 57, server: 57);
        var grown = await FollowAsync(Database, growing);
        grown.Connections.ShouldBe(56);
        (await AskAsync(Other, Claim(2, 1))).ShouldBeOfType<ClaimAnswer.Exhausted>("more counts at once");
        ((await BudgetAsync(Database)).Granted, (await BudgetAsync(Other)).Granted).ShouldBe((57, 0));
    }

    [Fact]
    public async Task L2_Nobody_grows_while_the_other_puts_back_what_was_lost()
    {
        await CountBothAsync(own: 57, server: 40);
        await HeldAsync(Database, 1);
        await HeldAsync(Other, 30);
        var growing = Growing(1, 57);
        (await AskAsync(Database, growing)).ShouldBeOfType<ClaimAnswer.Granted>().Connections.ShouldBe(9);
        Clock.Now += 6 * Second;
        await CountBothAsync(own: 57, server: 57);
        var copy = Store.Copy();
        await Shared.Holders.ReleaseAsync(Other, Id(0), Cancellation);
        Store.PutBack(copy);
        await Shared.Duties.DueAsync(Other, [], 0, Second, Cancellation); // its voice finds the loss
        (await FollowAsync(Database, growing)).Connections.ShouldBe(9);
        Clock.Now += 6 * Second;
        await CountBothAsync(own: 57, server: 57);
        (await FollowAsync(Database, growing)).Connections.ShouldBe(26);
    }

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 20)];

    // Pods of both come, grow, go down and leave as it pleases them; counts cross, and the server's capacity goes up and down.
    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task L2_Whoever_grows_and_goes_down_on_both_they_never_have_more_than_the_server(int seed)
    {
#pragma warning disable CA5394 // Whatever pleases the pods need not be unguessable.
        var random = new Random(seed);
        var (server, sum, grew) = (57, 0, 0);
        await CountBothAsync(own: 57, server: server);
        foreach (var database in new[] { Database, Other }) await HeldAsync(database, 1);
        var said = new Dictionary<(string Database, int Pod), long>();
        for (var step = 0; step < 300; step++)
        {
            var (database, pod) = (random.Next(2) == 0 ? Database : Other, random.Next(1, 6));
            var claim = Growing(pod, 5 + (pod * 7));
            switch (random.Next(8))
            {
                case 0:
                    if (await AskAsync(database, claim) is ClaimAnswer.Granted) said.TryAdd((database, pod), 0);
                    break;
                case 1:
                    await Shared.Holders.ReleaseAsync(database, Id(pod), Cancellation);
                    said.Remove((database, pod));
                    break;
                case 2:
                    server = random.Next(40, 58);
                    Clock.Now += random.Next(1, 8) * Second;
                    await CountBothAsync(own: 57, server: server);
                    break;
                default:
                    if (!said.TryGetValue((database, pod), out var allotment)) break;
                    if (await AskAsync(database, claim with { Kind = ClaimKind.Renew, Allotment = allotment }) is not ClaimAnswer.Granted told)
                    {
                        said.Remove((database, pod));
                        break;
                    }

                    if (random.Next(3) > 0 && told.Allotment is { } next) said[(database, pod)] = next; // else it does not go down yet
                    break;
            }

            var now = (await BudgetAsync(Database)).Granted + (await BudgetAsync(Other)).Granted;
            if (now > sum && now > 2) grew++;
            if (now > sum) now.ShouldBeLessThanOrEqualTo(server, $"step {step}");
            sum = now;
        }

        grew.ShouldBeGreaterThan(5);
#pragma warning restore CA5394
    }
}
