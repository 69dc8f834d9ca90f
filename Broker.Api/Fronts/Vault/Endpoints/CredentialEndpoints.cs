using Broker.Api.Fronts.Native.Credentials;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Leases.Handles;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary><c>MOUNT/creds/ROLE</c>: a lease id of the client's own over a lease that it shares with others.</summary>
internal sealed class CredentialEndpoints(ICatalog catalog, VaultRequests requests, HandleDesk desk) : IVaultEndpoints
{
    public async ValueTask<VaultReply?> TryAnswerAsync(VaultCall call)
    {
        var current = catalog.Current;
        if (current.VaultApi.MountOf(call.Namespace, call.Path) is not var (mount, rest)) return null;
        var client = await requests.ClientOfAsync(call, strictly: true);
        if (!rest.StartsWith(SecretPaths.Creds, StringComparison.Ordinal)) throw VaultError.PermissionDenied();
        var name = rest[SecretPaths.Creds.Length..];
        SecretPaths.MustBeName(name, call.Operation);
        call.Must(VaultOperation.Read);
        if (mount.RoleOf(name, current) is not { } role || current.Roles[role.Role].Static is not null) throw VaultError.Bad($"unknown role: {name}");

        // A pod is one holder however often it logs in. A caller without a pod is told apart by its token, unless it names itself.
        var holder = call.Holder ?? (client.Caller.PodUid is null ? client.Live.Token.Accessor : null);
        var ask = new Ask(client.Caller, role.Role, holder, call.Connections ?? role.Connections, call.LeastOf(current.Roles[role.Role]), PreferWait.Of(call.Context.Request), requests.StandingOriginOf(call, client, strictly: true))
        {
            Breathes = false, // Vault's clients cannot be told another size
        };
        var outcome = await desk.ReadAsync(ask, call.Path, client.Live.Id, call.Cancellation);
        if (outcome.Term is not { } term) throw VaultRefusals.Of(outcome.Refusal!, role.Role);
        var grant = outcome.Grant!;
        return new VaultReply
        {
            LeaseId = term.Handle.Id,
            Renewable = true,
            LeaseDuration = TimeSpan.FromSeconds(Math.Floor(term.EndsIn.TotalSeconds)),
            Warnings = GrantedSize.WarningsOf(grant),
            Headers = GrantedSize.HeadersOf(grant),
            Data = json =>
            {
                json.WriteString("password", grant.Credentials.Login.Password.Reveal());
                json.WriteString("username", grant.Credentials.Login.Username);
            },
        };
    }
}
