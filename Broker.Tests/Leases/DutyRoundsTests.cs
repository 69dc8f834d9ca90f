using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>How a replica takes what is due.</summary>
public sealed class DutyRoundsTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task L12_A_replica_is_at_sixteen_duties_of_a_database_at_once_and_no_more_and_another_takes_the_rest()
    {
        await using var world = new World(World.OrdersApi with { Sharing = SharingScope.Holder, VerifyEvery = 5 * Minute });
        var replica = await world.ReplicaAsync();
        await world.PassAsync(Task.WhenAll(Enumerable.Range(0, 40).Select(pod => replica.AskAsync(World.Ask(pod, 1, wait: TimeSpan.FromSeconds(30))))), Minute);
        var answers = new TaskCompletionSource();
        var trying = 0;
        world.Engine.OnLogin = () =>
        {
            Interlocked.Increment(ref trying);
            return answers.Task;
        };

        world.Clock.Advance(7 * Minute);
        await world.PassAsync(TimeSpan.FromSeconds(3));
        var byOne = trying;
        await world.ReplicaAsync();
        await world.PassAsync(TimeSpan.FromSeconds(3));
        var byTwo = trying;
        answers.SetResult();
        (byOne, byTwo).ShouldBe((16, 32), "all forty are due");
        await world.PassAsync(() => world.LeasesAsync().GetAwaiter().GetResult().All(lease => lease.VerifiedAt > lease.CreatedAt + (6 * Minute)), Minute);
        trying.ShouldBe(40, "each by one replica");
    }
}
