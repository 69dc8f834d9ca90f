namespace Broker.Core.Catalog.Reading;

/// <summary>Reads <c>Broker:VaultApi:Upstream</c>.</summary>
internal static class UpstreamReading
{
    // Paths that the broker always answers itself.
    private static readonly string[] Own = ["auth", "sys"];

    /// <summary>The upstream Vault; null when there is none.</summary>
    public static VaultUpstream? Read(SectionReader api, IReadOnlyCollection<string> secretMounts)
    {
        if (!api.HasGroup("Upstream")) return null;
        var reader = api.Child("Upstream");
        var insecure = reader.Flag("AllowInsecureTransport", false);
        var upstream = new VaultUpstream
        {
            Address = reader.ServerAddress("Address", "Write Vault's address, e.g. https://vault:8200.", insecure, " Or set AllowInsecureTransport if nobody can listen on the way.") ?? new Uri("https://missing"),
            Namespace = reader.Text("Namespace"),
            CaFile = reader.CertificateFile("CaFile"),
            Timeout = reader.Duration("Timeout", TimeSpan.FromSeconds(10), TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(2)),
            Shadow = reader.Flag("Shadow", false),
            Pass = [.. (reader.Texts("Pass") ?? []).Select(path => path.Trim('/'))],
        };
        if (upstream.Pass.Count == 0 && !upstream.Shadow && !reader.Has("Pass")) reader.Error("Pass", "is missing, so nothing would pass.", "List the paths, each of which includes all below it, e.g. [ \"secret\", \"pki/issue\" ].");
        for (var i = 0; i < upstream.Pass.Count; i++)
        {
            var path = upstream.Pass[i];
            if (!VaultPaths.IsPath(path)) reader.Error($"Pass:{i}", "is not a path.", "Write a mount or a path below one, e.g. secret or pki/issue.");
            else if (Own.Contains(path.Split('/')[0])) reader.Error($"Pass:{i}", "is answered by the broker itself.", "Remove it.");
            else if (secretMounts.FirstOrDefault(mount => IsWithin(path, mount) || IsWithin(mount, path)) is { } mount)
                reader.Error($"Pass:{i}", $"overlaps with the broker's own secret mount '{mount}'.", "Remove it, or give the mount another path in SecretMounts.");
        }

        reader.RefuseUnknownKeys();
        return upstream;
    }

    private static bool IsWithin(string path, string other) => path == other || path.StartsWith(other + "/", StringComparison.Ordinal);
}
