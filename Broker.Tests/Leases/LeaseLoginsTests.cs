using Broker.Core.Model;
using Shouldly;
using Xunit;

namespace Broker.Tests.Leases;

/// <summary>The logins that a replica has in the clear.</summary>
public sealed class LeaseLoginsTests
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task Logins_of_leases_that_are_over_are_forgotten_when_the_next_one_comes()
    {
        await using var world = new World(World.OrdersApi with { IdleTtl = TimeSpan.Zero });
        world.Issuer.Life = 2 * Minute;
        var replica = await world.ReplicaAsync();
        for (var lease = 0; lease < 4; lease++)
        {
            var grant = (await world.PassAsync(replica.AskAsync(World.Ask(0)), Minute)).Grant!;
            await replica.Holders.ReleaseAsync(World.Ask(0).Caller, grant.Holder.Id, World.From, default);
            await world.PassAsync(() => world.LeasesAsync().GetAwaiter().GetResult().All(known => known.State == LeaseState.Revoked), Minute);
            await world.PassAsync(3 * Minute);
        }

        world.Issuer.Made.ShouldBe(4);
        replica.Logins.Count.ShouldBe(1);
    }
}
