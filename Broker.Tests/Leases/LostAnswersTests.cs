using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Words;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>Users that were made and of which nobody was told.</summary>
public sealed class LostAnswersTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L5_What_a_lost_answer_made_is_found_by_the_name_that_was_proposed_or_among_the_issuers_leases(bool named)
    {
        var role = named ? World.OrdersApi : World.OrdersApi with { VaultPath = "database/creds/orders", VaultPathExclusive = true };
        await using var world = new World(role);
        world.Issuer.ChoosesNames = !named;
        var replica = await world.ReplicaAsync();
        world.Issuer.AfterIssue = new(IssuerFailure.AnswerLost, "the connection broke");
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.IssuerUnavailable);
        world.Issuer.AfterIssue = null;
        world.Issuer.Users.Count.ShouldBe(1, "the user that nobody was told of");
        world.Clock.Advance(TimeSpan.FromSeconds(2));
        var grant = (await world.PassAsync(replica.AskAsync(World.Ask(1, wait: TimeSpan.FromSeconds(30))), Minute)).Grant!;

        await world.PassAsync(() => world.Issuer.Users.Count == 1, TimeSpan.FromMinutes(4));
        world.Issuer.Users.Keys.ShouldHaveSingleItem().ShouldBe(grant.Credentials.Login.Username, "what is held is not what was lost");
    }

    [Fact]
    public async Task L4_Who_looks_for_what_a_lost_answer_made_touches_no_user_whose_answer_is_on_its_way()
    {
        await using var world = new World(
            World.OrdersApi with { VaultPath = "database/creds/orders", VaultPathExclusive = true, Sharing = SharingScope.Holder });
        world.Issuer.ChoosesNames = true;
        var replica = await world.ReplicaAsync();
        world.Issuer.AfterIssue = new(IssuerFailure.AnswerLost, "the connection broke");
        (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Refusal!.Code.ShouldBe(RefusalCode.IssuerUnavailable);
        world.Issuer.AfterIssue = null;
        var looked = (await world.LeasesAsync()).ShouldHaveSingleItem().CreatedAt + new WaitingSettings().IssueDeadline + Minute;
        world.Clock.Advance(looked - world.Clock.GetUtcNow() - TimeSpan.FromSeconds(2));

        var arrives = new TaskCompletionSource();
        world.Issuer.After = () => arrives.Task;
        var asking = replica.AskAsync(World.Ask(1, wait: TimeSpan.FromSeconds(30)));
        await world.PassAsync(() => world.Issuer.Made == 2, TimeSpan.FromSeconds(1));
        await world.PassAsync(() => world.Clock.GetUtcNow() > looked + TimeSpan.FromSeconds(2), Minute);
        arrives.SetResult();
        var grant = (await world.PassAsync(asking, Minute)).Grant!;
        await world.PassAsync(() => world.Issuer.Users.Count <= 1, TimeSpan.FromMinutes(2));
        world.Issuer.Users.Keys.ShouldHaveSingleItem().ShouldBe(grant.Credentials.Login.Username);
    }

    [Fact]
    public async Task L5_What_an_issuer_makes_long_after_its_answer_was_lost_is_found_too()
    {
        await using var world = new World(World.OrdersApi with { VaultPath = "database/creds/orders", VaultPathExclusive = true });
        world.Issuer.ChoosesNames = true;
        world.Issuer.Failure = new(IssuerFailure.AnswerLost, "the connection broke");
        var replica = await world.ReplicaAsync();
        await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        world.Clock.Advance(TimeSpan.FromSeconds(50));
        var late = world.Clock.GetUtcNow() + TimeSpan.FromSeconds(2);
        await world.PassAsync(() => world.Clock.GetUtcNow() > late, Minute);
        world.Issuer.Users["late"] = late;
        await world.PassAsync(() => world.Issuer.Users.IsEmpty, Minute);
    }

    [Fact]
    public async Task L5_A_user_whose_replica_went_away_before_it_could_say_so_is_dropped_by_another()
    {
        await using var world = new World();
        var replica = await world.ReplicaAsync();
        await world.ReplicaAsync();
        world.Issuer.AfterIssue = new(IssuerFailure.AnswerLost, "it went away");
        world.Issuer.Before = () =>
        {
            replica.Link.Cut();
            return Task.CompletedTask;
        };
        await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        await world.PassAsync(() => world.Issuer.Made == 1 && world.Issuer.Users.IsEmpty, TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task L5_Where_others_use_Vaults_path_too_a_lost_answer_is_shown_and_nobody_elses_lease_is_touched()
    {
        await using var world = new World(World.OrdersApi with { VaultPath = "database/creds/orders" });
        world.Issuer.ChoosesNames = true;
        var replica = await world.ReplicaAsync();
        world.Issuer.AfterIssue = new(IssuerFailure.AnswerLost, "the connection broke");
        await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute);
        world.Clock.Advance(TimeSpan.FromMinutes(3));
        await world.LeaseAsync(lease => lease.State == LeaseState.Unknown, Minute);
        world.Issuer.Users.Count.ShouldBe(1);
    }
}
