using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Chaos.Faults;

/// <summary>The user is made, but its name reaches no replica: only the issuer can clear this up (L5).</summary>
internal sealed class VaultAnswersAndDies : VaultMisfortune
{
    public override string Name => "vault-answers-and-dies";

    public override string What => "Vault (a double) makes a user and its connection breaks before the answer arrives, once";

    // The user that no replica heard of.
    public override int MoreUsers => 1;

    public override StageSettings On(StageSettings stage) => base.On(stage) with
    {
        Configure = (replica, configuration) =>
        {
            stage.Configure?.Invoke(replica, configuration);
            configuration["Broker"]!["Roles"]![StageSettings.RoleName]!["VaultPathExclusive"] = true;
        },
    };

    protected override void FallIll(SimulatedVault vault) => vault.Fail(Creds, new SimulatedFault.DoAndDie());

    protected override void Recover(SimulatedVault vault) => vault.ForgetFaults();
}
