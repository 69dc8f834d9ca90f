using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>Something happens to the double of Vault while a lease is to be issued.</summary>
internal abstract class VaultMisfortune : Misfortune
{
    protected const string Creds = "database/creds/";

    // A claim that finds an Active lease is served as always; only who would have to wait for a new one is told.
    public override IReadOnlyList<string> Refusals => ["issuer-unavailable"];

    public override StageSettings On(StageSettings stage) => stage with { Issuer = IssuerKind.SimulatedVault };

    public override async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        var vault = scene.Stage.SimulatedVault!;
        FallIll(vault);
        try
        {
            await scene.RotateAsync(0, cancellation);
            await scene.LastAsync(TimeSpan.FromSeconds(8), cancellation);
        }
        finally
        {
            Recover(vault);
        }
    }

    protected abstract void FallIll(SimulatedVault vault);

    protected abstract void Recover(SimulatedVault vault);
}
