using Broker.Api.Authentication;
using Broker.Api.Authentication.BrokerTokens;
using Broker.Api.Fronts.Vault.Passing;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Audit;
using Broker.Core.Model;
using Broker.Core.Sessions.ClientTokens;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>
/// <c>auth/token/…</c>: questions of a client about its own token, or about one that it names. A client that can name a token could use it, so that is
/// enough; an accessor opens nothing, and another client's is not available. A token in the address is not a path here: it would be logged in many places.
/// </summary>
internal sealed class TokenEndpoints(VaultRequests requests, ClientTokens tokens, ClientTokenDesk desk, ChildTokens children, TokenEnds ends, UpstreamLogins upstream, TimeProvider time) : IVaultEndpoints
{
    private const string Create = "create";

    public async ValueTask<VaultReply?> TryAnswerAsync(VaultCall call)
    {
        if (call.After("auth/token/") is not { } verb) return null;
        var client = await requests.ClientOfAsync(call, strictly: verb == Create);
        if (verb == Create)
        {
            call.Must(VaultOperation.Update);
            return await children.CreateAsync(call, client);
        }

        if (VerbOf(verb) is not var (action, whose)) throw verb.Contains('/', StringComparison.Ordinal) && VerbOf(verb.Split('/')[0]) is not null ? VaultError.UnsupportedPath() : VaultError.PermissionDenied();
        if (action is Action.LookUp && whose is not Whose.Accessors) call.Must(VaultOperation.Read, VaultOperation.Update);
        else call.Must(VaultOperation.Update);
        var increment = action is Action.Renew ? call.Body.Duration("increment") : TimeSpan.Zero;
        var named = call.Body.Text("token");
        return whose switch
        {
            Whose.Own => await DoAsync(call, action, client, client.Text, increment),
            Whose.Named => await DoNamedAsync(call, action, client, named, increment),
            _ => await DoByAccessorAsync(call, action, client, increment),
        };
    }

    private async ValueTask<VaultReply> DoNamedAsync(VaultCall call, Action action, VaultClient client, string? named, TimeSpan increment)
    {
        if (string.IsNullOrEmpty(named)) return action is Action.LookUp ? LookUp(client, client.Text) : throw VaultError.Bad("missing token ID");
        return (named == client.Text ? client : await requests.ClientByAsync(call, named), action) switch
        {
            ({ } found, _) => await DoAsync(call, action, found, found.Text, increment),
            (null, Action.LookUp) => throw new VaultError(403, "bad token"),
            (null, Action.Renew) => throw VaultError.Bad("token not found"),
            _ => await NothingRevokedAsync(call, client, VaultReply.NoContent),
        };
    }

    // Vault answers that it is done. The request is recorded all the same.
    private async ValueTask<VaultReply> NothingRevokedAsync(VaultCall call, VaultClient client, VaultReply reply)
    {
        await requests.RecordNothingDoneAsync(call, client, AuditAction.Session, new(RefusalCode.SessionUnknown, "There is no such token: nothing was revoked."));
        return reply;
    }

    // The token's text is not shown: a client that asks by the accessor need not know it.
    private async ValueTask<VaultReply> DoByAccessorAsync(VaultCall call, Action action, VaultClient client, TimeSpan increment)
    {
        if (call.Body.Text("accessor") is not { Length: > 0 } accessor) throw VaultError.Bad("1 error occurred:\n\t* missing accessor\n\n");
        if (accessor == client.Live.Token.Accessor) return await DoAsync(call, action, client, "", increment);
        return action is Action.Revoke ? await NothingRevokedAsync(call, client, new VaultReply { Warnings = ["No token found with this accessor"] }) : throw VaultError.Bad("1 error occurred:\n\t* invalid accessor\n\n");
    }

    private async ValueTask<VaultReply> DoAsync(VaultCall call, Action action, VaultClient client, string shown, TimeSpan increment) => action switch
    {
        Action.LookUp => LookUp(client, shown),
        Action.Renew => await RenewAsync(call, client, shown, increment),
        _ => await RevokeAsync(call, client),
    };

    // Some clients panic when one of these is missing (OpenBao command/agentproxyshared/auth/auth.go: type; External Secrets: expire_time).
    private VaultReply LookUp(VaultClient client, string shown) => new()
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
            json.WriteNumber("explicit_max_ttl", (long)(token.ExplicitMaxTtl?.TotalSeconds ?? 0));
            json.WriteString("id", shown);
            json.WriteTime("issue_time", token.IssuedAt);
            if (token.RenewedAt is { } renewed)
            {
                json.WriteTime("last_renewal", renewed);
                json.WriteNumber("last_renewal_time", renewed.ToUnixTimeSeconds());
            }

            json.WriteTexts("meta", token.Metadata);
            json.WriteNumber("num_uses", 0);
            json.WriteBoolean("orphan", token.Parent is null);
            json.WriteString("path", token.Parent is null ? $"auth/{token.Mount}/login" : $"auth/token/{Create}");
            if (token.MaxTtl is null) json.WriteNumber("period", (long)token.Ttl.TotalSeconds);
            json.WriteTexts("policies", token.Policies);
            json.WriteBoolean("renewable", token.Renewable);
            json.WriteSecondsLeft("ttl", left);
            json.WriteString("type", "service");
        },
    };

    private async ValueTask<VaultReply> RenewAsync(VaultCall call, VaultClient client, string shown, TimeSpan increment)
    {
        if (!client.Live.Token.Renewable) throw VaultError.Bad("lease is not renewable");
        var (live, asked, refusal) = await desk.RenewAsync(client.Caller, client.Live, increment, call.Origin, Requests.ToItsEnd);
        tokens.Forget(client.Live.Id);
        if (refusal is { Code: RefusalCode.SessionUnknown }) throw new VaultError(400, "lease expired") { IsAudited = true, Refusal = refusal };
        if (refusal is not null) throw VaultRefusals.Of(refusal);
        var most = await upstream.RenewAsync(live!, client.Live.EndsIn);
        if (!(most < live!.EndsIn)) return TokenReply.Of(live, shown, asked);
        var wanted = asked ?? live.EndsIn;
        live = await desk.ShortenAsync(live, most.Value, Requests.ToItsEnd);
        tokens.Forget(live.Id);
        return TokenReply.Of(live, shown, wanted, most: most);
    }

    private async ValueTask<VaultReply> RevokeAsync(VaultCall call, VaultClient client) =>
        await ends.RevokeAsync(call, client) is { } refusal ? throw VaultRefusals.Of(refusal) : VaultReply.NoContent;

    private static (Action Action, Whose Whose)? VerbOf(string verb) => verb switch
    {
        "lookup-self" => (Action.LookUp, Whose.Own),
        "renew-self" => (Action.Renew, Whose.Own),
        "revoke-self" => (Action.Revoke, Whose.Own),
        "lookup" => (Action.LookUp, Whose.Named),
        "renew" => (Action.Renew, Whose.Named),
        "revoke" => (Action.Revoke, Whose.Named),
        "lookup-accessor" => (Action.LookUp, Whose.Accessors),
        "renew-accessor" => (Action.Renew, Whose.Accessors),
        "revoke-accessor" => (Action.Revoke, Whose.Accessors),
        _ => null,
    };

    private enum Action
    {
        LookUp,
        Renew,
        Revoke,
    }

    private enum Whose
    {
        Own,
        Named,
        Accessors,
    }
}
