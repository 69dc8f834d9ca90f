using Broker.Core.Databases;
using Broker.Core.Issuing;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases.Laws;

/// <summary>A ledger that loses the record of a new user before its lease is active.</summary>
public sealed class IssuesAmidALossTests : LedgerSequence
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L1_L5_A_user_that_the_ledger_lost_before_its_lease_was_active_is_the_lease_s_or_gone(bool emptied)
    {
        await using var world = new World();
        var a = await world.ReplicaAsync();
        Keyspace? copy = null;
        var lost = false;
        a.Link.OnTheWayBack = taken =>
        {
            if (taken == Decision.Begin) copy = world.Store.Copy(); // it knows of the attempt, and of no user
            if (taken != Decision.Issued || lost) return Task.CompletedTask;
            lost = true;
            world.Store.PutBack(emptied ? InProcessLedgerStore.Empty() : copy!);
            return Task.CompletedTask;
        };

        await world.PassAsync(a.AskAsync(World.Ask(0, wait: 10 * Second)), Minute);

        lost.ShouldBeTrue();
        (await world.LeasesAsync()).ShouldAllBe(lease => lease.State != LeaseState.Active || lease.SealedLogin.Length > 0);
        await world.PassAsync(10 * Second);
        var grant = (await world.PassAsync(a.AskAsync(World.Ask(0, wait: 20 * Second)), Minute)).Grant.ShouldNotBeNull();
        await world.PassAsync(10 * Second);
        world.Issuer.Users.Keys.ShouldHaveSingleItem().ShouldBe(grant.Credentials.Login.Username, "whom only its replica knew is gone");
        world.Issuer.Made.ShouldBe(emptied ? 2 : 1, "the attempt that is known still is told of its user again");
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task L5_A_user_that_the_ledger_lost_while_its_login_is_tried_is_gone(bool isRefused, bool isDropRefused)
    {
        await using var world = new World();
        var a = await world.ReplicaAsync();
        var tried = new TaskCompletionSource();
        string? user = null;
        world.Engine.OnLoginUntil = cancellation =>
        {
            if (user is not null) return Task.CompletedTask;
            user = world.Issuer.Users.Keys.Single();
            return tried.Task.WaitAsync(cancellation);
        };
        var asked = a.AskAsync(World.Ask(0, wait: 10 * Second));
        await world.PassAsync(() => user is not null, Minute);
        await world.PassAsync(Second / 10);
        world.Flush();
        if (isDropRefused) world.Issuer.RevokeFailure = new(IssuerFailure.Unavailable, "the issuer is away");

        if (isRefused) tried.SetException(new DatabaseException(DatabaseFailure.LoginRefused, "no"));
        await world.PassAsync(5 * Second); // else the attempt hears within a second that it is overtaken
        world.Issuer.RevokeFailure = null;

        await world.PassAsync(() => !world.Issuer.Users.ContainsKey(user!), 3 * Minute);
        await world.PassAsync(() => asked.IsCompleted, Minute);
    }

    [Fact]
    public async Task L5_A_lease_without_a_login_takes_no_holders()
    {
        await CountAsync(10);
        var order = (await AskAsync(Claim(0, 1))).ShouldBeOfType<ClaimAnswer.Issue>();
        var go = (await Ledger.Issues.BeginAsync(Database, order.Lease, order.Fence, "user", Fast, Cancellation)).ShouldBeOfType<BeginAnswer.Go>();
        (await ActivateAsync()).ShouldBeFalse("what the issuer made is not written down");
        (await Ledger.Issues.IssuedAsync(Database, order.Lease, order.Fence, "ref", "user", "sealed", Hour, go.Now, true, Cancellation)).ShouldBeTrue();
        (await ActivateAsync()).ShouldBeTrue();

        async Task<bool> ActivateAsync() => await Ledger.Issues.ActivateAsync(Database, order.Lease, order.Fence, 5 * Minute, 0.5, null, Cancellation);
    }
}
