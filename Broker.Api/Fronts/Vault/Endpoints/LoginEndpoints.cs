using Broker.Api.Authentication;
using Broker.Api.Fronts.Vault.Passing;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Sessions.ClientTokens;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary><c>auth/MOUNT/login</c>: gives a token for a proof.</summary>
internal sealed class LoginEndpoints(ICatalog catalog, ProofGate gate, AppRoleLogins appRoles, ClientTokenDesk desk, TokenEnds ends, UpstreamLogins upstream, TimeProvider time) : IVaultEndpoints
{
    private const string Login = "/login";

    public async ValueTask<VaultReply?> TryAnswerAsync(VaultCall call)
    {
        if (call.After("auth/") is not { } rest || !rest.EndsWith(Login, StringComparison.Ordinal)) return null;
        var current = catalog.Current;

        // A mount that does not exist needs a token, as every unknown path does (recordings, 39).
        if (MountOf(current.VaultApi, call.Namespace, rest[..^Login.Length]) is not { } mount) throw VaultError.NoToken();
        call.Must(VaultOperation.Update);
        return mount.Type switch
        {
            AuthMountType.AppRole => await OpenAsync(call, mount, await appRoles.ProveAsync(call, mount), current),
            AuthMountType.Kubernetes => await OpenAsync(call, mount, await KubernetesAsync(call, mount, current), current),
            _ => await OpenAsync(call, mount, await JwtAsync(call, mount, current), current),
        };
    }

    /// <summary>A mount configured with the namespace takes precedence over one for all namespaces.</summary>
    private static AuthMount? MountOf(VaultApiSettings settings, string? space, string name) =>
        (space is null ? null : settings.AuthMounts.GetValueOrDefault($"{space}/{name}")) ?? settings.AuthMounts.GetValueOrDefault(name);

    /// <summary>Refusals as Kubernetes auth words them (recordings of OpenBao 2.5, 44 to 48).</summary>
    private async ValueTask<Proven> KubernetesAsync(VaultCall call, AuthMount mount, CatalogSnapshot current)
    {
        var role = call.Body.Text("role") is { Length: > 0 } given ? given : mount.DefaultRole ?? throw VaultError.Bad("missing role");
        var jwt = JwtOf(call) ?? throw VaultError.Bad("missing jwt");
        var proof = await gate.ProveAsync(call.Context, jwt.AsMemory());
        if (CallerOf(proof, mount) is not { } caller) throw Unproven(proof) ?? VaultError.NoToken();
        call.Context.SetProof(proof); // a refusal from here on has a name
        return RolesOf(mount, role, current) is not { } roles ? throw VaultError.Bad($"invalid role name \"{role}\"")
            : roles.Any(name => current.Roles[name].MayBeHadBy(caller)) ? new(caller, role, jwt)
            : throw new VaultError(403, roles.Any(name => IsOnlyTheAccountWrong(current.Roles[name], caller)) ? "service account name not authorized" : "namespace not authorized");
    }

    /// <summary>Refusals as JWT auth words them: all of them 400 (OpenBao builtin/credential/jwt/path_login.go).</summary>
    private async ValueTask<Proven> JwtAsync(VaultCall call, AuthMount mount, CatalogSnapshot current)
    {
        var role = (call.Body.Text("role") is { Length: > 0 } given ? given : mount.DefaultRole ?? throw VaultError.Bad("missing role")).ToLowerInvariant();
        var jwt = JwtOf(call) ?? throw VaultError.Bad("missing token");
        var proof = await gate.ProveAsync(call.Context, jwt.AsMemory());
        if (CallerOf(proof, mount) is not { } caller) throw Unproven(proof) ?? new VaultError(400, $"error validating token: {(proof.Failure ?? ProofFailure.UnknownIssuer).Describe()}") { ProvesNobody = true };
        call.Context.SetProof(proof);
        return RolesOf(mount, role, current) is not { } roles ? throw VaultError.Bad($"role \"{role}\" could not be found")
            : roles.Any(name => current.Roles[name].MayBeHadBy(caller)) ? new(caller, role, jwt)
            : throw VaultError.Bad("error validating claims: claims do not match any associated bound claim values");
    }

    // A file's content ends with a line's end (vault write … jwt=@file), which Vault overlooks.
    private static string? JwtOf(VaultCall call) => call.Body.Text("jwt")?.Trim() is { Length: > 0 } text ? text : null;

    // The broker's own tokens log nobody in: their rights would live on in another form.
    private static Caller? CallerOf(Proof proof, AuthMount mount) => proof.Caller is { Session: null } caller && caller.Issuer == mount.Issuer ? caller : null;

    // Null: the proof is wrong.
    private static VaultError? Unproven(Proof proof) =>
        proof.Failure is { } failure && failure.MayBeGood() ? VaultRequests.NotYet(failure) : null;

    // Null: there is no such role. Both methods store their roles in lower case, and compare a login's in any case.
    private static IReadOnlyList<string>? RolesOf(AuthMount mount, string role, CatalogSnapshot current) =>
        mount.Roles.Count > 0 ? mount.Roles.GetValueOrDefault(role)
        : current.Roles.Keys.FirstOrDefault(name => name.Equals(role, StringComparison.OrdinalIgnoreCase)) is { } name ? [name] : null;

    private static bool IsOnlyTheAccountWrong(Role role, Caller caller) => role.Allow.Any(rule =>
        rule.Issuer == caller.Issuer && (!rule.Claims.TryGetValue("namespace", out var match) || match.Matches(AllowRules.ValuesOf("namespace", caller))));

    private async ValueTask<VaultReply> OpenAsync(VaultCall call, AuthMount mount, Proven proven, CatalogSnapshot current)
    {
        var (caller, role, proof) = (proven.Caller, proven.Role, proven.Proof);
        var settings = current.VaultApi.Tokens;
        TimeSpan? max = settings.MaxTtl > TimeSpan.Zero ? settings.MaxTtl : null;

        // A cluster can say that a pod is gone only while the pod's own token is valid: the token ends with that.
        if (mount.Issuer is { } issuer && current.Identity.Issuers[issuer].TokenReview is not null && caller.ExpiresAt - time.GetUtcNow() is var left && !(left > max)) max = left;
        var ttl = max < settings.Ttl ? max.Value : settings.Ttl;
        if (mount.Type == AuthMountType.AppRole && caller.ExpiresAt - time.GetUtcNow() is var rest && rest < ttl) ttl = TimeSpan.FromSeconds(Math.Max(1, Math.Floor(rest.TotalSeconds))); // it ends with its secret id
        var token = new ClientToken(
            TokenReply.NewAccessor(),
            mount.Name,
            DisplayName(mount, caller),
            caller.Issuer,
            caller.Subject,
            [.. caller.Claims.SelectMany(claim => claim, static (claim, value) => KeyValuePair.Create(claim.Key, value))],
            [.. new[] { "default", role }.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)],
            MetadataOf(mount, caller, role),
            time.GetUtcNow(),
            ttl,
            max)
        {
            Proof = proof,
            ProofEndsAt = caller.ExpiresAt,
            SigningKey = caller.SigningKey,
            SecretId = proven.SecretId,
            SecretHash = proven.SecretHash,
        };
        var (text, live, refusal) = await desk.OpenAsync(caller, token, role, call.Origin, Requests.ToItsEnd);
        if (refusal is not null)
        {
            call.Context.SetProof(new Proof(caller)); // for the log's line
            await appRoles.GiveBackAsync(proven);
            throw VaultRefusals.Of(refusal);
        }

        (call.Client, call.Login) = (new(caller, live!, text!.Reveal()), proven);
        try
        {
            var there = await upstream.LogInAsync(call, mount, call.Client);
            if (there.Lasts is { } most && most < live!.EndsIn) live = await desk.ShortenAsync(live, most, Requests.ToItsEnd);
            return TokenReply.Of(live!, text.Reveal(), warning: there.Failure);
        }
        catch (OperationCanceledException)
        {
            await ends.UndoAsync(call, call.Client, proven); // its client gave up before
            throw;
        }
    }

    private static string DisplayName(AuthMount mount, Caller caller) =>
        mount.Type == AuthMountType.AppRole ? mount.Name
        : caller.ServiceAccount is { } account ? $"{mount.Name}-{caller.Namespace}-{account}" : $"{mount.Name}-{caller.Subject}";

    private static Dictionary<string, string> MetadataOf(AuthMount mount, Caller caller, string role) => mount.Type switch
    {
        AuthMountType.AppRole => new(StringComparer.Ordinal) { ["role_name"] = role },
        AuthMountType.Kubernetes => new(StringComparer.Ordinal)
        {
            ["role"] = role,
            ["service_account_name"] = caller.ServiceAccount ?? "",
            ["service_account_namespace"] = caller.Namespace ?? "",
            ["service_account_secret_name"] = "",
            ["service_account_uid"] = caller.Claims["kubernetes.io/serviceaccount/uid"].FirstOrDefault() ?? "",
        },
        _ => new(StringComparer.Ordinal) { ["role"] = role },
    };
}

/// <summary>A proven login.</summary>
/// <param name="Caller">The caller.</param>
/// <param name="Role">Its role.</param>
/// <param name="Proof">The proof, which can be checked again; null: none can be.</param>
internal sealed record Proven(Caller Caller, string Role, string? Proof)
{
    /// <summary>With AppRole: the secret id's name, as <c>role/name</c>.</summary>
    public string? SecretId { get; init; }

    /// <summary>With AppRole: the secret id's hash.</summary>
    public string? SecretHash { get; init; }

    /// <summary>With AppRole: which of the secret id's uses this is; null: it has any number.</summary>
    public string? Use { get; init; }
}
