using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Catalog;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>The meaning of a path below a secret mount.</summary>
internal static class SecretPaths
{
    public const string Creds = "creds/";
    public const string StaticCreds = "static-creds/";
    public const string StaticRoles = "static-roles";

    /// <summary>The mount of a path in a namespace, and the rest of the path; null: it has none. A mount of that namespace takes precedence over one without.</summary>
    public static (SecretMount Mount, string Below)? MountOf(this VaultApiSettings settings, string? space, string path) =>
        space is not null && settings.MountOf($"{space}/{path}") is { } own && own.Mount.Name.Length > space.Length ? own : settings.MountOf(path);

    /// <summary>Whether a text can be a role's name; anything else behind <c>creds/</c> is not a path of the engine's (OpenBao sdk/framework/path.go <c>GenericNameRegex</c>).</summary>
    /// <exception cref="VaultError">It is empty, or has a slash in it or behind it.</exception>
    public static void MustBeName(string name, VaultOperation operation)
    {
        // A list's path ends with a slash, whether or not its client wrote one (OpenBao http/logical.go).
        if (operation is VaultOperation.List || name.Length == 0 || name.Contains('/', StringComparison.Ordinal)) throw VaultError.UnsupportedPath();
    }

    /// <summary>The mount of a path, and the rest of the path; null: it has none. Of two matching mounts the longer one is meant.</summary>
    private static (SecretMount Mount, string Below)? MountOf(this VaultApiSettings settings, string path)
    {
        SecretMount? found = null;
        foreach (var mount in settings.SecretMounts.Values)
        {
            if (path.StartsWith(mount.Name + "/", StringComparison.Ordinal) && !(mount.Name.Length < found?.Name.Length)) found = mount;
        }

        return found is null ? null : (found, path[(found.Name.Length + 1)..]);
    }

    /// <summary>The broker role of a name in a mount; null: none.</summary>
    public static SecretRole? RoleOf(this SecretMount mount, string name, CatalogSnapshot current) =>
        mount.Roles.Count > 0 ? mount.Roles.GetValueOrDefault(name) : current.Roles.ContainsKey(name) ? new SecretRole(name, name, null) : null;
}
