using Broker.Core.Catalog;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>What a path below a secret mount stands for.</summary>
internal static class SecretPaths
{
    public const string Creds = "creds/";
    public const string StaticCreds = "static-creds/";
    public const string StaticRoles = "static-roles";

    /// <summary>The mount a path is below, and the rest of it; null: it is below none. Of two mounts the longer one is meant.</summary>
    public static (SecretMount Mount, string Below)? MountOf(this VaultApiSettings settings, string path)
    {
        SecretMount? found = null;
        foreach (var mount in settings.SecretMounts.Values)
        {
            if (path.StartsWith(mount.Name + "/", StringComparison.Ordinal) && !(mount.Name.Length < found?.Name.Length)) found = mount;
        }

        return found is null ? null : (found, path[(found.Name.Length + 1)..]);
    }

    /// <summary>The broker role that a name of a mount stands for; null: none.</summary>
    public static SecretRole? RoleOf(this SecretMount mount, string name, CatalogSnapshot current) =>
        mount.Roles.Count > 0 ? mount.Roles.GetValueOrDefault(name) : current.Roles.ContainsKey(name) ? new SecretRole(name, name, null) : null;
}
