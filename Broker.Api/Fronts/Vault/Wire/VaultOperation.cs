namespace Broker.Api.Fronts.Vault.Wire;

/// <summary>What a request does, as Vault reads its verb: <c>PUT</c> and <c>POST</c> are one, <c>GET ?list=true</c> is <c>LIST</c>.</summary>
internal enum VaultOperation
{
    Read,
    List,
    Update,
    Delete,
    Help,
    Unsupported,
}
