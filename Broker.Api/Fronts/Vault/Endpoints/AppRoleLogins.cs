using System.Security.Cryptography;
using System.Text;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Ledger;
using Broker.Core.Sessions.ClientTokens;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>Proves callers that have no token of their own, by a role id and a secret id.</summary>
internal sealed class AppRoleLogins(SecretIdUses uses, TimeProvider time)
{
    private const string Wrong = "invalid role or secret ID";

    /// <summary>Proves a login.</summary>
    /// <exception cref="VaultError">It proves nobody; the answer does not say which of the two is wrong (recordings of OpenBao 2.5, 5).</exception>
    public async ValueTask<Proven> ProveAsync(VaultCall call, AuthMount mount)
    {
        var roleId = call.Body.Text("role_id") is { Length: > 0 } id ? id : throw VaultError.Bad("missing role_id");
        var secretId = call.Body.Text("secret_id") is { Length: > 0 } secret ? secret : throw VaultError.Bad("missing secret_id");
        var found = mount.AppRoles.Values.FirstOrDefault(role => role.RoleId == roleId);
        if (found is null || SecretOf(found, secretId) is not { } listed || !listed.IsGood(time.GetUtcNow(), call.Context.Connection.RemoteIpAddress)) throw Nobody();
        var use = listed.Uses == 0 ? null : await uses.TakeAsync($"{mount.Name}/{found.Name}/{listed.Name}", listed.Uses, Requests.ToItsEnd) ?? throw Nobody();

        var claims = new[] { KeyValuePair.Create("sub", found.Name), KeyValuePair.Create("role_name", found.Name) };
        var caller = new Caller(mount.Name, found.Name, claims.ToLookup(claim => claim.Key, claim => claim.Value, StringComparer.Ordinal), listed.ExpiresAt ?? DateTimeOffset.MaxValue);
        return new Proven(caller, found.Name, null) { SecretId = $"{found.Name}/{listed.Name}", SecretHash = listed.Hash, Use = use };
    }

    /// <summary>The login was refused after all: its use of the secret id is given back.</summary>
    public async ValueTask GiveBackAsync(Proven proven)
    {
        try
        {
            if (proven.Use is { } use) await uses.GiveBackAsync(use, Requests.ToItsEnd);
        }
        catch (LedgerException)
        {
            // It is used up without a login: too few are had, never too many.
        }
    }

    private static VaultError Nobody() => new(400, Wrong) { ProvesNobody = true };

    // All of them are compared, so that the time taken reveals nothing.
    private static AppRoleSecret? SecretOf(AppRole role, string secretId)
    {
        var hash = Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(secretId))));
        AppRoleSecret? found = null;
        foreach (var secret in role.SecretIds.Values)
        {
            if (CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(secret.Hash), hash)) found = secret;
        }

        return found;
    }
}
