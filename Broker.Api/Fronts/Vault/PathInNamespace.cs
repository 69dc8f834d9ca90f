using Broker.Api.Fronts.Vault.Endpoints;
using Broker.Api.Fronts.Vault.Wire;
using Broker.Core.Catalog;

namespace Broker.Api.Fronts.Vault;

/// <summary>
/// A path and the namespace it is asked for in, which clients write into <c>X-Vault-Namespace</c>, before the path, or partly into both. The
/// broker has no namespaces: one tells mounts apart that are configured with it (<c>team-a/database</c>), and what is configured without is in all.
/// </summary>
/// <param name="Space">The namespace, without slashes around it; null: none.</param>
/// <param name="Path">The path in it.</param>
internal readonly record struct PathInNamespace(string? Space, string Path)
{
    // No mount lies deeper, and a path of a thousand slashes is not worth a look.
    private const int Deepest = 10;

    // What Vault does for all namespaces at once, and so for none (OpenBao http/handler.go restrictedSysAPIsNonLogical).
    private static readonly string[] OfAll =
        ["raw", "generate-recovery-token", "init", "seal", "step-down", "unseal", "health", "rekey-recovery-key", "rekey", "storage", "generate-root", "metrics", "pprof", "in-flight-req"];

    /// <summary>Takes the two apart.</summary>
    /// <param name="settings">The mounts there are.</param>
    /// <param name="header">What the header says; null: nothing.</param>
    /// <param name="path">What is behind <c>/v1/</c>.</param>
    /// <exception cref="VaultError">It is none that can be asked for in a namespace.</exception>
    public static PathInNamespace Of(VaultApiSettings settings, string? header, string path)
    {
        var outer = header?.Trim('/') is { Length: > 0 } named && named != "root" ? named : null;
        var (start, depth) = (0, 0);
        do
        {
            var space = start == 0 ? outer : outer is null ? path[..(start - 1)] : $"{outer}/{path[..(start - 1)]}";
            if (IsServed(settings, space, path[start..])) return new PathInNamespace(space, path[start..]).Checked();
            start = path.IndexOf('/', start) + 1;
        }
        while (start > 0 && ++depth <= Deepest);

        return new(outer, path);
    }

    private PathInNamespace Checked() =>
        Space is not null && Path.StartsWith("sys/", StringComparison.Ordinal) && OfAll.Contains(Path.Split('/')[1], StringComparer.Ordinal) ? throw VaultError.Bad("operation unavailable in namespaces") : this;

    private static bool IsServed(VaultApiSettings settings, string? space, string path) =>
        path.StartsWith("sys/", StringComparison.Ordinal) || path.StartsWith("auth/", StringComparison.Ordinal) || settings.MountOf(space, path) is not null;
}
