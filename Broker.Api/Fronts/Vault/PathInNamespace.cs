using Broker.Api.Fronts.Vault.Endpoints;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Catalog;

namespace Broker.Api.Fronts.Vault;

/// <summary>
/// A path and its namespace, which clients write into <c>X-Vault-Namespace</c>, before the path, or partly into both. The
/// broker has no namespaces: a namespace only selects mounts that are configured with it (<c>team-a/database</c>); a mount configured without one is in all.
/// </summary>
/// <param name="Space">The namespace, without slashes around it; null: none.</param>
/// <param name="Path">The path in it.</param>
internal readonly record struct PathInNamespace(string? Space, string Path)
{
    // No mount is deeper, and a path of a thousand slashes is not worth parsing.
    private const int Deepest = 10;

    // The paths that Vault answers for all namespaces at once, and so within none (OpenBao http/handler.go restrictedSysAPIsNonLogical).
    private static readonly string[] OfAll =
        ["raw", "generate-recovery-token", "init", "seal", "step-down", "unseal", "health", "rekey-recovery-key", "rekey", "storage", "generate-root", "metrics", "pprof", "in-flight-req"];

    /// <summary>Separates the two.</summary>
    /// <param name="settings">The mounts.</param>
    /// <param name="header">The header's value; null: none.</param>
    /// <param name="path">The path behind <c>/v1/</c>.</param>
    /// <exception cref="VaultError">It cannot be requested within a namespace.</exception>
    public static PathInNamespace Of(VaultApiSettings settings, string? header, string path) => Split(settings, header, path).Checked();

    /// <summary>The same for a path that is only spoken of, and so may be any.</summary>
    public static PathInNamespace Split(VaultApiSettings settings, string? header, string path) => Split(header, path, (space, below) => IsServed(settings, space, below));

    /// <summary>The same for a path of which only the mount matters.</summary>
    public static PathInNamespace SplitAtMount(VaultApiSettings settings, string? header, string path) =>
        Split(header, path, (space, below) => IsServed(settings, space, below) || settings.Upstream?.PassesAtMountOf(below) == true);

    private static PathInNamespace Split(string? header, string path, Func<string?, string, bool> isServed)
    {
        var outer = header?.Trim('/') is { Length: > 0 } named && named != "root" ? named : null;
        var (start, depth) = (0, 0);
        do
        {
            var space = start == 0 ? outer : outer is null ? path[..(start - 1)] : $"{outer}/{path[..(start - 1)]}";
            if (isServed(space, path[start..])) return new(space, path[start..]);
            start = path.IndexOf('/', start) + 1;
        }
        while (start > 0 && ++depth <= Deepest);

        return new(outer, path);
    }

    private PathInNamespace Checked() =>
        Space is not null && Path.StartsWith("sys/", StringComparison.Ordinal) && OfAll.Contains(Path.Split('/')[1], StringComparer.Ordinal) ? throw VaultError.Bad("operation unavailable in namespaces") : this;

    private static bool IsServed(VaultApiSettings settings, string? space, string path) =>
        path.StartsWith("sys/", StringComparison.Ordinal) || path.StartsWith("auth/", StringComparison.Ordinal) || settings.MountOf(space, path) is not null
        || settings.Upstream?.Passes(path) == true;
}
