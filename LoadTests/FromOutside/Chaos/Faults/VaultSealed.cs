using LoadTests.Servers.LocalServers;

namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>Vault answers 503 to everything.</summary>
internal sealed class VaultSealed : VaultMisfortune
{
    public override string Name => "vault-sealed";

    public override string What => "Vault (a double) is sealed for eight seconds, and a lease is to be issued";

    protected override void FallIll(SimulatedVault vault) => vault.Sealed = true;

    protected override void Recover(SimulatedVault vault) => vault.Sealed = false;
}
