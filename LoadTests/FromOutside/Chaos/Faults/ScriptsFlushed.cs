namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>The ledger's decisions are scripts that Redis keeps in a cache; a failover or an administrator empties it.</summary>
internal sealed class ScriptsFlushed : Misfortune
{
    public override string Name => "scripts-flushed";

    public override string What => "Redis forgets all its scripts (SCRIPT FLUSH), twenty times in five seconds";

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        for (var times = 0; times < 20; times++)
        {
            await scene.Stage.Ledger!.ExecuteAsync("SCRIPT", "FLUSH");
            await scene.LastAsync(TimeSpan.FromSeconds(0.25), cancellation);
        }
    }
}
