using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers.Stages;
using Shouldly;
using Xunit;

namespace Broker.Tests.Failure;

/// <summary>The one replica, whose ledger is a file, is killed and started again: every holder keeps what it held.</summary>
public sealed class RestartedOnFileTests
{
    private const int Pods = 5;

    [Fact]
    public async Task Killed_and_started_again_it_gives_every_pod_the_login_it_had_and_counts_all_of_them()
    {
        var cancellation = TestContext.Current.CancellationToken;
        await using var stage = await Stage.SetAsync(new() { Replicas = 1, Ledger = LedgerKind.File, MaxConnections = 60 }, cancellation);
        var broker = stage.Brokers[0];
        using var door = new BrokerDoor([broker.Address], stage.Identity, new() { Connections = 2, WaitSeconds = 30 });
        var before = await Task.WhenAll(Enumerable.Range(0, Pods).Select(pod => GetAsync(door, pod)));

        await broker.KillAsync();
        await broker.StartAgainAsync(cancellation);

        (await OneReplica.GrantedAsync(stage)).ShouldBe(Pods * 2, "before anybody asks again");
        var after = await Task.WhenAll(Enumerable.Range(0, Pods).Select(pod => GetAsync(door, pod)));
        after.Select(static grant => (grant.Username, grant.Lease, grant.Holder, grant.Connections))
            .ShouldBe(before.Select(static grant => (grant.Username, grant.Lease, grant.Holder, grant.Connections)));
        after.Select(static grant => grant.Username).Distinct().ShouldHaveSingleItem();
        (await OneReplica.GrantedAsync(stage)).ShouldBe(Pods * 2);
    }

    private static async Task<Grant> GetAsync(BrokerDoor door, int pod)
    {
        for (var ask = 0; ; ask++)
        {
            switch (await door.AskAsync(pod, ask, TestContext.Current.CancellationToken))
            {
                case Grant grant: return grant;
                case Refused { RetryAfter: { } wait } when ask < 20:
                    await Task.Delay(wait, TimeProvider.System, TestContext.Current.CancellationToken);
                    break;
                case Refused refusal: throw new InvalidOperationException($"Pod {pod} was refused: {refusal.Code}: {refusal.Detail}");
            }
        }
    }
}
