using System.Net;
using System.Security.Cryptography;
using System.Text;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Catalog;
using Broker.Core.Identity;
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
        if (found is null || SecretOf(found, secretId) is not { } listed || !IsGoodFrom(listed, call.Context.Connection.RemoteIpAddress)
            || (listed.Uses > 0 && !await uses.TakeAsync($"{mount.Name}/{found.Name}/{listed.Name}", listed.Uses, Requests.ToItsEnd)))
            throw new VaultError(400, Wrong) { ProvesNobody = true };

        var claims = new[] { KeyValuePair.Create("sub", found.Name), KeyValuePair.Create("role_name", found.Name) };
        var caller = new Caller(mount.Name, found.Name, claims.ToLookup(claim => claim.Key, claim => claim.Value, StringComparer.Ordinal), listed.ExpiresAt ?? DateTimeOffset.MaxValue);
        return new Proven(caller, found.Name, null, $"{found.Name}/{listed.Name}");
    }

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

    private bool IsGoodFrom(AppRoleSecret secret, IPAddress? address) =>
        !(secret.ExpiresAt <= time.GetUtcNow())
        && (secret.Networks.Count == 0 || (address is not null && secret.Networks.Any(network => IPNetwork.Parse(network).Contains(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address))));
}
