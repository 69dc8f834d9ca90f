using LoadTests.Servers.LocalServers;

namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>Vault takes its time.</summary>
internal sealed class VaultSlow : VaultMisfortune
{
    public override string Name => "vault-slow";

    public override string What => "Vault (a double) takes three seconds for each answer, for eight seconds, and a lease is to be issued";

    protected override void FallIll(SimulatedVault vault) => vault.Slow = TimeSpan.FromSeconds(3);

    protected override void Recover(SimulatedVault vault) => vault.Slow = TimeSpan.Zero;
}
