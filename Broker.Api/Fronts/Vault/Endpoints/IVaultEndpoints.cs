using Broker.Api.Fronts.Vault.Wire;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>A group of paths. All groups are asked in turn.</summary>
internal interface IVaultEndpoints
{
    /// <summary>The answer; null: this is not one of its paths.</summary>
    /// <exception cref="VaultError">The request is refused.</exception>
    ValueTask<VaultReply?> TryAnswerAsync(VaultCall call);
}
