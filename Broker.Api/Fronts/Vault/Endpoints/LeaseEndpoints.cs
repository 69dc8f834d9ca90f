using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Vault.Passing;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Leases.Handles;
using Broker.Core.Model;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>
/// <c>sys/leases/{renew,revoke,lookup}</c> and their older names. All answer from the ledger; none waits for an issuer or is limited,
/// because several clients take any failure to renew for the lease's end and read again.
/// </summary>
internal sealed partial class LeaseEndpoints(VaultRequests requests, HandleDesk desk, PassThrough passing, ShadowReads shadow, RenewalPace pace) : IVaultEndpoints
{
    public async ValueTask<VaultReply?> TryAnswerAsync(VaultCall call)
    {
        if (VerbOf(call.Path, out var inPath) is not { } verb) return null;
        var client = await requests.ClientOfAsync(call, strictly: false);
        if (verb is Verb.RevokePrefix)
        {
            // A whole lease id is the longest prefix of one lease, and some clients end theirs so (Spring Vault 2.1, LeaseEndpoints.LeasesRevokedByPrefix).
            if (inPath is not { Length: > 0 } whole || !(IsOfTheVaultBehind(call, whole) || (await desk.LookUpAsync(client.Caller, whole, call.Cancellation)).Term is not null)) throw VaultError.PermissionDenied();
            verb = Verb.Revoke;
        }

        if (verb is Verb.Other || (verb is Verb.LookUp && call.Operation is VaultOperation.List)) throw VaultError.PermissionDenied();
        call.Must(VaultOperation.Update);

        // The body's id takes precedence; old clients write it into the address.
        var id = call.Body.Text("lease_id") is { Length: > 0 } given ? given : inPath;
        if (string.IsNullOrEmpty(id)) throw VaultError.Bad("lease_id must be specified");
        if (passing.Covers(id)) return await passing.AskAsync(call, client, "sys/leases/" + verb.ToString().ToLowerInvariant(), FieldsOf(call, id));
        if (shadow.MayHave(call.Namespace, id) && (await desk.LookUpAsync(client.Caller, id, call.Cancellation)).Refusal is { Code: RefusalCode.HolderUnknown })
            return await shadow.AskAsync(call, client, "sys/leases/" + verb.ToString().ToLowerInvariant(), id, FieldsOf(call, id));
        return verb switch
        {
            Verb.Renew => await RenewAsync(call, client, id),
            Verb.Revoke => await RevokeAsync(call, client, id),
            _ => await LookUpAsync(call, client, id),
        };
    }

    // By its form: a prefix of several leases is none of it, and there it revokes one that is the client's own, or nothing.
    private bool IsOfTheVaultBehind(VaultCall call, string id) => (passing.Covers(id) || shadow.MayHave(call.Namespace, id)) && LeaseId().IsMatch(id);

    // Vault ends each with 24 letters, a namespace's with the namespace's id besides (OpenBao vault/expiration.go Register), and before 0.11 with a UUID.
    [GeneratedRegex(@"/([A-Za-z0-9]{24}(\.[A-Za-z0-9]+)?|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\z")]
    private static partial Regex LeaseId();

    // A lease of the Vault behind: its reads passed there, so its renewals do.
    private static JsonObject FieldsOf(VaultCall call, string id)
    {
        var fields = new JsonObject { ["lease_id"] = id };
        if (call.Body.Text("increment") is { Length: > 0 } increment) fields["increment"] = increment;
        if (call.Body.Flag("sync")) fields["sync"] = true; // whoever asks for it may go on only when the user is gone
        return fields;
    }

    private async ValueTask<VaultReply> RenewAsync(VaultCall call, VaultClient client, string id)
    {
        var outcome = await desk.RenewAsync(client.Caller, id, call.Body.Duration("increment"), requests.StandingOriginOf(call, client, strictly: false), call.Cancellation);
        if (outcome.Term is not { } term)
        {
            if (outcome.Refusal!.Code is RefusalCode.HolderUnknown or RefusalCode.LeaseUnknown) await pace.WaitAsync(client, id, call.Cancellation);
            throw NotRenewed(outcome.Refusal!);
        }

        return new VaultReply
        {
            LeaseId = term.Handle.Id,
            Renewable = true,
            LeaseDuration = term.EndsIn,
            Warnings = term.Asked is { } asked ? [TokenReply.Capped(asked, term.Handle.MostEver)] : [],
        };
    }

    private static VaultError NotRenewed(Refusal refusal) => refusal.Code switch
    {
        RefusalCode.HolderUnknown => new VaultError(400, "lease not found") { IsAudited = true, Refusal = refusal },
        RefusalCode.LeaseUnknown => new VaultError(400, "past the max TTL, cannot renew") { IsAudited = true, Refusal = refusal },
        _ => VaultRefusals.Of(refusal),
    };

    // 204 whether or not "sync" is set: some clients take the 202 that Vault answers without it for a failure, and an Agent drops
    // a lease from its cache only at 204 (node-vault src/index.js; OpenBao lease_cache.go).
    private async ValueTask<VaultReply> RevokeAsync(VaultCall call, VaultClient client, string id)
    {
        call.Body.Flag("sync");
        return await desk.RevokeAsync(client.Caller, id, call.Origin, Requests.ToItsEnd) is { } refusal ? throw VaultRefusals.Of(refusal) : VaultReply.NoContent;
    }

    private async ValueTask<VaultReply> LookUpAsync(VaultCall call, VaultClient client, string id)
    {
        var outcome = await desk.LookUpAsync(client.Caller, id, call.Cancellation);
        // No desk records a look: what it is refused for is recorded where the error is answered.
        if (outcome.Term is not { } term)
            throw outcome.Refusal!.Code is RefusalCode.HolderUnknown ? VaultError.Bad("invalid lease") : new VaultError(503, outcome.Refusal.Detail) { Refusal = outcome.Refusal, RetryAfter = outcome.Refusal.RetryAfter };
        return new VaultReply
        {
            Data = json =>
            {
                var handle = term.Handle;
                json.WriteTime("expire_time", (handle.RenewedAt ?? handle.IssuedAt) + handle.Given);
                json.WriteString("id", handle.Id);
                json.WriteTime("issue_time", handle.IssuedAt);
                json.WriteTime("last_renewal", handle.RenewedAt);
                json.WriteBoolean("renewable", true);
                json.WriteSecondsLeft("ttl", term.EndsIn);
            },
        };
    }

    private static Verb? VerbOf(string path, out string? id)
    {
        id = null;
        foreach (var (prefix, verb) in Prefixes)
        {
            if (path == prefix) return verb;
            if (!path.StartsWith(prefix + "/", StringComparison.Ordinal)) continue;
            id = path[(prefix.Length + 1)..];
            return verb;
        }

        return path.StartsWith("sys/leases/", StringComparison.Ordinal) ? Verb.Other : null;
    }

    private static readonly (string Prefix, Verb Verb)[] Prefixes =
    [
        ("sys/leases/renew", Verb.Renew), ("sys/leases/revoke", Verb.Revoke), ("sys/leases/revoke-prefix", Verb.RevokePrefix), ("sys/leases/lookup", Verb.LookUp), ("sys/renew", Verb.Renew), ("sys/revoke", Verb.Revoke),
    ];

    private enum Verb
    {
        Renew,
        Revoke,
        RevokePrefix,
        LookUp,
        Other,
    }
}
