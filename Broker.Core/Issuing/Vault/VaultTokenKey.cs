using System.Security.Cryptography;
using System.Text;
using Broker.Core.Catalog;

namespace Broker.Core.Issuing.Vault;

/// <summary>The key of an issuer's token, where all replicas keep the tokens.</summary>
internal static class VaultTokenKey
{
    /// <summary>
    /// A different server, namespace or login method means a different token: one server's token is never sent to another.
    /// </summary>
    public static string Of(VaultIssuerDefinition definition)
    {
        var login = definition.Auth switch
        {
            VaultAppRoleAuth role => $"approle {role.Mount} {role.RoleId}",
            VaultKubernetesAuth account => $"kubernetes {account.Mount} {account.Role}",
            VaultTokenAuth { Token: var given } => $"token {given.File} {given.Value?.Reveal()}",
            _ => "",
        };
        var meant = SHA256.HashData(Encoding.UTF8.GetBytes($"{definition.Address}\n{definition.Namespace}\n{login}"));
        return $"{definition.Name}:{Convert.ToHexStringLower(meant.AsSpan(0, 8))}";
    }

    /// <summary>The way to log in, for the log.</summary>
    public static string MethodOf(VaultAuth auth) => auth switch
    {
        VaultAppRoleAuth => "AppRole",
        VaultKubernetesAuth => "Kubernetes",
        _ => "a given token",
    };
}
