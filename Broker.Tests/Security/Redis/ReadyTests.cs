using Shouldly;
using StackExchange.Redis;
using Xunit;

namespace Broker.Tests.Security.Redis;

/// <summary>Ready means that a claim is decided now, also on a ledger that is new.</summary>
public sealed class ReadyTests(SharedServers servers) : IAsyncLifetime
{
    private RedisStage stage = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => stage = await RedisStage.StartAsync(servers);

    public ValueTask DisposeAsync() => stage.DisposeAsync();

    [Fact]
    public async Task A_broker_on_a_new_ledger_is_ready_when_the_ledger_grants()
    {
        await stage.BrokerAsync();

        var time = (RedisResult[])(await stage.Written.ExecuteAsync("TIME"))!;
        var now = ((long)time[0] * 1000) + ((long)time[1] / 1000);
        var budgets = new List<RedisKey>();
        await foreach (var key in stage.Writer.GetServers()[0].KeysAsync(pattern: "*{orders}*:budget").WithCancellation(Cancellation)) budgets.Add(key);
        budgets.ShouldHaveSingleItem();
        foreach (var budget in budgets)
        {
            var fields = await stage.Written.HashGetAsync(budget, ["sampled", "quiet"]);
            fields[0].HasValue.ShouldBeTrue($"the connections of {budget} are counted");
            fields[1].HasValue.ShouldBeTrue($"{budget} was new, so it granted nothing for a while");
            ((long)fields[1]).ShouldBeLessThanOrEqualTo(now, $"{budget} grants");
        }
    }
}
