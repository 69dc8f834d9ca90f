using Broker.Api.Fronts.Vault.Wire;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>Some of the paths. All groups are asked in turn.</summary>
internal interface IVaultEndpoints
{
    /// <summary>The answer; null: this is none of its paths.</summary>
    /// <exception cref="VaultError">It is refused.</exception>
    ValueTask<VaultReply?> TryAnswerAsync(VaultCall call);
}
