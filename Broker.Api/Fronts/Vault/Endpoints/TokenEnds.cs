using Broker.Api.Authentication;
using Broker.Api.Authentication.BrokerTokens;
using Broker.Api.Fronts.Vault.Passing;
using Broker.Core.Leases;
using Broker.Core.Model;
using Broker.Core.Sessions.ClientTokens;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>Ends client tokens, here and at the Vault behind.</summary>
internal sealed class TokenEnds(ClientTokens tokens, ClientTokenDesk desk, UpstreamLogins upstream, AppRoleLogins appRoles)
{
    /// <summary>Revokes one. Null: done; otherwise why it could not be done, or not be recorded.</summary>
    public async ValueTask<Refusal?> RevokeAsync(VaultCall call, VaultClient client, string what = "revoked")
    {
        var refusal = await desk.RevokeAsync(client.Caller, client.Live, call.Origin, Requests.ToItsEnd, what);
        tokens.Forget(client.Live.Id);

        // It is gone also where that could not be recorded, and nobody asks a second time with it.
        if (refusal is not { Code: RefusalCode.LedgerUnavailable }) upstream.Revoked(client.Live);
        return refusal;
    }

    /// <summary>Takes back a login whose answer nobody has: its token, of which nobody knows, and its use of a secret id.</summary>
    public async ValueTask UndoAsync(VaultCall call, VaultClient client, Proven login)
    {
        await RevokeAsync(call, client, "revoked, because nobody has the answer to its login");
        await appRoles.GiveBackAsync(login);
    }
}
