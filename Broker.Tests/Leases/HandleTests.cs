using Broker.Core.Audit;
using Broker.Core.Issuing;
using Broker.Core.Leases.Handles;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>Leases under ids that their clients chose, on several replicas, each of which remembers some.</summary>
public sealed class HandleTests
{
    private const string Path = "database/creds/orders-api";
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task A_handle_that_one_replica_revoked_no_other_renews_whatever_it_remembers_and_heard()
    {
        await using var world = new World();
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var (gone, kept) = (await ReadAsync(world, a, 1), await ReadAsync(world, a, 1));
        (await RenewAsync(world, b, 1, gone.Id)).Term.ShouldNotBeNull();
        b.Link.LosesSignals = true;

        (await a.Handles.RevokeAsync(World.Ask(1).Caller, gone.Id, World.From, default)).ShouldBeNull();
        world.Clock.Advance(Second); // as long as a client token that was revoked is believed at most

        (await RenewAsync(world, b, 1, gone.Id)).Refusal!.Code.ShouldBe(RefusalCode.HolderUnknown);
        b.Audit.Records.ShouldContain(record => record.HolderId == gone.Id && record.Refusal == RefusalCode.HolderUnknown);
        (await RenewAsync(world, b, 1, kept.Id)).Term.ShouldNotBeNull("the pod's other one stands");
        (await b.Handles.LookUpAsync(World.Ask(1).Caller, gone.Id, default)).Refusal.ShouldNotBeNull();
    }

    [Fact]
    public async Task L2_A_pod_that_reads_again_is_counted_to_the_end_of_what_it_reads_by_one_claim()
    {
        await using var world = new World();
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var first = await ReadAsync(world, a, 1);
        foreach (var minutes in new[] { 1, 4, 9, 14 })
        {
            await world.PassAsync(minutes * Minute);
            var replica = minutes % 2 == 0 ? a : b;
            var before = replica.Audit.Records.Count;

            var handle = await ReadAsync(world, replica, 1);

            handle.Duration.ShouldBe(first.Duration);
            var holder = (await world.Ledger.Holders.HoldersAsync("orders", null, 10, default)).ShouldHaveSingleItem();
            holder.EndsAt.ShouldBeGreaterThanOrEqualTo(handle.IssuedAt + handle.Given);
            replica.Audit.Records.Skip(before).Select(record => record.Action).ShouldBe([AuditAction.Claim]);
        }
    }

    [Fact]
    public async Task A_revocation_that_is_heard_is_obeyed_at_once()
    {
        await using var world = new World();
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var (gone, _) = (await ReadAsync(world, a, 1), await ReadAsync(world, a, 1));
        for (var times = 0; times < 2; times++) (await RenewAsync(world, b, 1, gone.Id)).Term.ShouldNotBeNull();

        (await a.Handles.RevokeAsync(World.Ask(1).Caller, gone.Id, World.From, default)).ShouldBeNull();

        (await RenewAsync(world, b, 1, gone.Id)).Refusal!.Code.ShouldBe(RefusalCode.HolderUnknown);
    }

    [Fact]
    public async Task Replicas_that_renew_one_handle_in_turn_and_at_once_answer_alike()
    {
        await using var world = new World();
        var (a, b) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var handle = await ReadAsync(world, a, 1);
        foreach (var minutes in Enumerable.Range(0, 6))
        {
            var replica = minutes % 2 == 0 ? a : b;
            world.Clock.Advance(Minute);
            await world.IdleAsync();
            (await RenewAsync(world, replica, 1, handle.Id)).Term!.EndsIn.ShouldBe(handle.Duration);
        }

        world.Clock.Advance(Minute);
        await world.IdleAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, 40).Select(number => RenewAsync(world, number % 2 == 0 ? a : b, 1, handle.Id)));
        answers.ShouldAllBe(answer => answer.Term!.EndsIn == handle.Duration);
        (await b.Handles.LookUpAsync(World.Ask(1).Caller, handle.Id, default)).Term!.EndsIn.ShouldBeInRange(handle.Duration - Second, handle.Duration);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    public async Task L12_A_rotation_whose_holders_move_late_makes_one_user_and_no_more(int idleMinutes)
    {
        await using var world = new World(World.OrdersApi with { IdleTtl = idleMinutes * Minute, Connections = new() { Default = 1 } });
        var a = await world.ReplicaAsync();
        var handle = await ReadAsync(world, a, 1);
        (await world.PassAsync(a.Leases.RotateAsync(World.Ask(9).Caller, "orders-api", "for a test", World.From, default).AsTask(), Minute)).ShouldBeNull();
        await world.PassAsync(() => world.Issuer.Made == 2, Minute);

        // Its client is told of no other login, and reads again when it is given no more time.
        for (var minutes = 0; (await RenewAsync(world, a, 1, handle.Id)).Term is { } term && minutes < 60; minutes += 4)
        {
            if (term.EndsIn < 5 * Minute) break;
            await world.PassAsync(4 * Minute);
        }

        var moved = (await world.PassAsync(a.Handles.ReadAsync(World.Ask(1), Path, "token of 1", default).AsTask(), Minute)).Grant.ShouldNotBeNull();
        world.Issuer.Made.ShouldBe(2, "the user that was made by the rotation waited for it");
        moved.Lease.Id.ShouldNotBe(handle.Lease);

        // Nobody is on his way any more: it goes as any other that nobody holds.
        (await a.Holders.ReleaseAsync(World.Ask(1).Caller, moved.Holder.Id, World.From, default)).ShouldBeNull();
        await world.LeaseAsync(lease => lease.Id == moved.Lease.Id && lease.State == LeaseState.Revoked, (2 * idleMinutes + 5) * Minute);
    }

    [Fact]
    public async Task L14_Whoever_writes_handles_into_the_ledger_reaches_no_holder_but_his_own_and_no_time_that_its_lease_has_not()
    {
        await using var world = new World();
        var a = await world.ReplicaAsync();
        var (own, others) = (await ReadAsync(world, a, 1), await ReadAsync(world, a, 2));
        using var ledger = new HandleLedger(world.Store, world.Clock);
        var years = TimeSpan.FromDays(3650);
        var reaching = others with { Id = $"{Path}/forged1", Owner = own.Owner };
        var lasting = own with { Id = $"{Path}/forged2", Duration = years, Given = years, Until = world.Clock.GetUtcNow() + years };
        await ledger.PutAsync(reaching, years, "token", World.Ask(1).Caller, default);
        await ledger.PutAsync(lasting, years, "token", World.Ask(1).Caller, default);

        (await RenewAsync(world, a, 1, reaching.Id)).Refusal!.Code.ShouldBe(RefusalCode.HolderUnknown);
        (await a.Handles.RevokeAsync(World.Ask(1).Caller, reaching.Id, World.From, default)).ShouldBeNull();
        (await RenewAsync(world, a, 2, others.Id)).Term.ShouldNotBeNull("it is there still");
        var given = (await RenewAsync(world, a, 1, lasting.Id)).Term!.EndsIn;
        given.ShouldBeLessThanOrEqualTo((await world.LeasesAsync()).Single().ExpiresAt!.Value - world.Clock.GetUtcNow());
    }

    [Fact]
    public async Task A_client_that_reads_a_thousand_times_with_one_token_renews_its_first_lease()
    {
        await using var world = new World();
        var a = await world.ReplicaAsync();
        var first = await ReadAsync(world, a, 1);
        for (var more = 0; more < 1000; more++) await ReadAsync(world, a, 1);

        (await RenewAsync(world, a, 1, first.Id)).Term.ShouldNotBeNull();
    }

    // A client is told whole seconds, and takes none for a lease without an end.
    [Theory]
    [InlineData(3600.0, false, 1200.0, null)]
    [InlineData(5.0, false, 5.0, null)]
    [InlineData(1.0, false, 1.0, null)]
    [InlineData(0.99, false, null, null)]
    [InlineData(3600.0, true, 1200.0, true)]
    [InlineData(1.5, true, 1.5, null)]
    [InlineData(0.99, true, null, null)]
    public void A_lease_in_its_last_second_is_given_to_nobody(double lease, bool leaving, double? ends, bool? hasLast)
    {
        var end = HandleTerms.FirstEnd("id", TimeSpan.FromMinutes(20), TimeSpan.FromSeconds(lease), leaving);

        (end?.EndsIn.TotalSeconds, end?.Last is null ? null : (bool?)true).ShouldBe((ends, hasLast));
    }

    [Fact]
    public async Task Whoever_reads_in_a_leases_last_second_is_told_when_to_read_again()
    {
        await using var world = new World();
        var a = await world.ReplicaAsync();
        await ReadAsync(world, a, 1);
        world.Issuer.Hangs = true;
        world.Issuer.RenewFailure = new(IssuerFailure.Unavailable, "away");
        var outcomes = new List<HandleOutcome>();
        var end = (await world.LeasesAsync()).Single().ExpiresAt!.Value;
        while (world.Clock.GetUtcNow() < end)
        {
            var left = end - world.Clock.GetUtcNow();
            if (left > 5 * Minute) await world.PassAsync(4 * Minute);
            else if (left > 2 * Second) await world.PassAsync(left - 2 * Second);
            else await world.PassAsync(TimeSpan.FromMilliseconds(100));
            outcomes.Add(await world.PassAsync(a.Handles.ReadAsync(World.Ask(1, wait: TimeSpan.Zero), Path, "token of 1", default).AsTask(), Minute));
        }

        outcomes.ShouldAllBe(outcome => outcome.Refusal != null || outcome.Term!.EndsIn >= Second);
        var refused = outcomes.First(outcome => outcome.Refusal is { Code: RefusalCode.IssuerUnavailable } refusal && refusal.Detail.StartsWith("The lease ends within the second", StringComparison.Ordinal)).Refusal!;
        refused.RetryAfter.ShouldNotBeNull();
    }

    [Theory]
    [InlineData("")]
    [InlineData("a|b|c|1|1||1|")]
    [InlineData("owner|orders-api.x|lease|-1|1||1|")]
    [InlineData("owner|orders-api.x|lease|99999999999999999|1||1|")]
    [InlineData("owner|orders-api.x|lease|1|1||1||more")]
    [InlineData("{\"Id\":\"x\"}")]
    public async Task What_reads_like_no_handle_is_none(string text)
    {
        await using var world = new World();
        var a = await world.ReplicaAsync();
        var records = new Core.Ledger.RecordLedger(world.Store, "~handles", null, "handle");
        await records.PutAsync($"{Path}/x", [], text, Minute, default);

        (await RenewAsync(world, a, 1, $"{Path}/x")).Refusal!.Code.ShouldBe(RefusalCode.HolderUnknown);
        (await a.Handles.LookUpAsync(World.Ask(1).Caller, $"{Path}/x", default)).Refusal.ShouldNotBeNull();
        (await a.Handles.RevokeAsync(World.Ask(1).Caller, $"{Path}/x", World.From, default)).ShouldBeNull();
    }

    private static async Task<Handle> ReadAsync(World world, World.Replica replica, int pod) =>
        (await world.PassAsync(replica.Handles.ReadAsync(World.Ask(pod), Path, $"token of {pod}", default).AsTask(), Minute)).Term.ShouldNotBeNull().Handle;

    private static Task<HandleOutcome> RenewAsync(World world, World.Replica replica, int pod, string id) =>
        world.PassAsync(replica.Handles.RenewAsync(World.Ask(pod).Caller, id, TimeSpan.Zero, World.From, default).AsTask(), Minute);
}
