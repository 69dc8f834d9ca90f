namespace Broker.Api.Fronts.Native.Credentials;

/// <summary>What a pod may say when it asks for credentials; all of it is optional.</summary>
/// <param name="Holder">An id that tells the caller's holders apart: 1 to 128 of <c>A-Z a-z 0-9 . _ : / -</c>. Default: the pod that the token names; needed when it names none.</param>
/// <param name="Connections">Connections wanted. Default: the role's.</param>
/// <param name="MinConnections">Connections it can live with. Default: as many as wanted; the role's least when none are named.</param>
public sealed record CredentialsRequest(string? Holder = null, int? Connections = null, int? MinConnections = null);
