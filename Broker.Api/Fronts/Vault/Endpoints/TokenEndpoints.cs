using Broker.Api.Authentication.BrokerTokens;
using Broker.Api.Fronts.Vault.Passing;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Model;
using Broker.Core.Sessions.ClientTokens;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary><c>auth/token/…</c>: what a client asks of its own token. Another's is nobody's business.</summary>
internal sealed class TokenEndpoints(VaultRequests requests, ClientTokens tokens, ClientTokenDesk desk, UpstreamLogins upstream, TimeProvider time) : IVaultEndpoints
{
    public async ValueTask<VaultReply?> TryAnswerAsync(VaultCall call)
    {
        if (call.After("auth/token/") is not { } rest) return null;
        var client = await requests.ClientOfAsync(call, strictly: false);
        switch (rest)
        {
            case "lookup-self":
                call.Must(VaultOperation.Read, VaultOperation.Update);
                return LookUp(client);
            case "renew-self":
                call.Must(VaultOperation.Update);
                return await RenewAsync(call, client);
            case "revoke-self":
                call.Must(VaultOperation.Update);
                return await RevokeAsync(call, client);
            case "lookup":
                call.Must(VaultOperation.Read, VaultOperation.Update);
                MustBeOwn(call, client, new VaultError(403, "bad token"));
                return LookUp(client);
            case "renew":
                call.Must(VaultOperation.Update);
                MustBeOwn(call, client, VaultError.PermissionDenied());
                return await RenewAsync(call, client);
            case "revoke":
                call.Must(VaultOperation.Update);
                MustBeOwn(call, client, VaultError.PermissionDenied());
                return await RevokeAsync(call, client);
            default:
                throw VaultError.PermissionDenied();
        }
    }

    private static void MustBeOwn(VaultCall call, VaultClient client, VaultError otherwise)
    {
        if (call.Body.Text("token") is { Length: > 0 } named && named != client.Text) throw otherwise;
    }

    // Some clients panic when one of these is missing (OpenBao command/agentproxyshared/auth/auth.go: type; External Secrets: expire_time).
    private VaultReply LookUp(VaultClient client) => new()
    {
        Data = json =>
        {
            var (token, left) = (client.Live.Token, client.Live.EndsIn);
            json.WriteString("accessor", token.Accessor);
            json.WriteNumber("creation_time", token.IssuedAt.ToUnixTimeSeconds());
            json.WriteNumber("creation_ttl", (long)token.Ttl.TotalSeconds);
            json.WriteString("display_name", token.DisplayName);
            json.WriteString("entity_id", token.EntityId);
            json.WriteTime("expire_time", time.GetUtcNow() + left);
            json.WriteNumber("explicit_max_ttl", 0);
            json.WriteString("id", client.Text);
            json.WriteTime("issue_time", token.IssuedAt);
            if (token.RenewedAt is { } renewed)
            {
                json.WriteTime("last_renewal", renewed);
                json.WriteNumber("last_renewal_time", renewed.ToUnixTimeSeconds());
            }

            json.WriteTexts("meta", token.Metadata);
            json.WriteNumber("num_uses", 0);
            json.WriteBoolean("orphan", true);
            json.WriteString("path", $"auth/{token.Mount}/login");
            json.WriteTexts("policies", token.Policies);
            json.WriteBoolean("renewable", true);
            json.WriteSecondsLeft("ttl", left);
            json.WriteString("type", "service");
        },
    };

    private async ValueTask<VaultReply> RenewAsync(VaultCall call, VaultClient client)
    {
        var (live, asked, refusal) = await desk.RenewAsync(client.Caller, client.Live, call.Body.Duration("increment"), call.Origin, call.Cancellation);
        tokens.Forget(client.Live.Id);
        if (refusal is { Code: RefusalCode.SessionUnknown }) throw new VaultError(400, "lease expired") { IsAudited = true };
        if (refusal is not null) throw VaultRefusals.Of(refusal);
        upstream.Renewed(live!);
        return TokenReply.Of(live!, client.Text, asked);
    }

    private async ValueTask<VaultReply> RevokeAsync(VaultCall call, VaultClient client)
    {
        var refusal = await desk.RevokeAsync(client.Caller, client.Live, call.Origin, call.Cancellation);
        tokens.Forget(client.Live.Id);
        if (refusal is not null) throw VaultRefusals.Of(refusal);
        upstream.Revoked(client.Live);
        return VaultReply.NoContent;
    }
}
