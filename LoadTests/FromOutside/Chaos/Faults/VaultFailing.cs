using LoadTests.Servers.LocalServers;

namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>Vault answers 500 to whoever wants credentials.</summary>
internal sealed class VaultFailing : VaultMisfortune
{
    public override string Name => "vault-failing";

    public override string What => "Vault (a double) answers 500 to whoever wants credentials, for eight seconds, and a lease is to be issued";

    protected override void FallIll(SimulatedVault vault) => vault.Fail(Creds, new SimulatedFault.Answer(500, "internal error"), times: 1_000);

    protected override void Recover(SimulatedVault vault) => vault.ForgetFaults();
}
