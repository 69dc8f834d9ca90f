using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>A Redis Cluster is made larger or smaller while it is in use.</summary>
internal sealed class SlotMoved : Misfortune
{
    public override string Name => "slot-moved";

    public override string What => "the ledger's slot of a Redis Cluster moves to another master, key by key, and back";

    // A script whose keys are in two places at once is put off by Redis (TRYAGAIN).
    public override IReadOnlyList<string> Refusals => ["ledger-unavailable"];

    public override StageSettings On(StageSettings stage) => stage with { Ledger = LedgerKind.RedisCluster };

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        for (var times = 0; times < 2; times++)
        {
            await scene.Stage.Ledger!.MoveSlotAsync(pause: TimeSpan.FromMilliseconds(50), cancellation);
            await scene.LastAsync(TimeSpan.FromSeconds(3), cancellation);
        }
    }
}
