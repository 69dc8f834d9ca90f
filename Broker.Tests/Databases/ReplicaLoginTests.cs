using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Model;
using Broker.Tests.Leases;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>A user that reaches a replica late.</summary>
public sealed class ReplicaLoginTests
{
    private static readonly Login Login = new("u", new("pw"));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_login_that_arrives_late_is_waited_for()
    {
        await using var world = new World();
        world.Engine.LoginFailure = new(DatabaseFailure.LoginRefused, "password authentication failed");

        var trying = TryAsync(world, TimeSpan.FromSeconds(10));
        await world.PassAsync(() => world.Clock.GetUtcNow().Second >= 2, TimeSpan.FromMinutes(1));
        trying.IsCompleted.ShouldBeFalse();
        world.Engine.LoginFailure = null;

        (await world.PassAsync(trying, TimeSpan.FromSeconds(5))).ShouldBeNull();
    }

    [Fact]
    public async Task A_late_user_is_not_waited_for_longer_than_configured_and_not_at_all_by_default()
    {
        await using var world = new World();
        world.Engine.LoginFailure = new(DatabaseFailure.LoginRefused, "password authentication failed");

        (await TryAsync(world, TimeSpan.Zero)).ShouldNotBeNull().Failure.ShouldBe(DatabaseFailure.LoginRefused);
        (await world.PassAsync(TryAsync(world, TimeSpan.FromSeconds(2)), TimeSpan.FromSeconds(3))).ShouldNotBeNull();
    }

    [Fact]
    public async Task Another_failure_is_told_at_once()
    {
        await using var world = new World();
        world.Engine.LoginFailure = new(DatabaseFailure.OutOfConnections, "full");

        (await TryAsync(world, TimeSpan.FromSeconds(30))).ShouldNotBeNull().Failure.ShouldBe(DatabaseFailure.OutOfConnections);
    }

    private static async Task<DatabaseException?> TryAsync(World world, TimeSpan lag)
    {
        try
        {
            await world.Engine.TryNewLoginAsync(World.Orders with { ReplicaLag = lag }, Login, world.Clock, Cancellation);
            return null;
        }
        catch (DatabaseException exception)
        {
            return exception;
        }
    }
}
