using System.Collections.Frozen;
using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;

namespace Broker.Core.Catalog.Reading;

/// <summary>Reads <c>Broker:VaultApi</c>.</summary>
internal static partial class VaultApiReading
{
    private const string DefaultSecretMount = "database";

    /// <summary>The auth mounts whose callers have no identity issuer; rules may name these mounts as issuers.</summary>
    public static IReadOnlyList<string> AppRoleMounts(IConfiguration broker) =>
        [.. broker.GetSection("VaultApi:AuthMounts").GetChildren()
            .Where(mount => string.Equals(mount["Type"], nameof(AuthMountType.AppRole), StringComparison.OrdinalIgnoreCase))
            .Select(mount => mount.Key)];

    public static VaultApiSettings Read(SectionReader reader, IdentitySettings identity, IReadOnlyDictionary<string, Role> roles)
    {
        var authMounts = Mounts(reader, "AuthMounts", (name, entry) => Auth(name, entry, identity, roles.Keys));
        var secretMounts = Mounts(reader, "SecretMounts", (name, entry) => Secrets(name, entry, roles));
        var settings = new VaultApiSettings
        {
            Enabled = reader.Flag("Enabled", true),
            AuthMounts = (authMounts.Count > 0 ? authMounts : identity.Issuers.Values.ToDictionary(issuer => issuer.Name, DefaultOf, StringComparer.Ordinal)).ToFrozenDictionary(StringComparer.Ordinal),
            SecretMounts = (secretMounts.Count > 0 ? secretMounts : new() { [DefaultSecretMount] = new(DefaultSecretMount, FrozenDictionary<string, SecretRole>.Empty) }).ToFrozenDictionary(StringComparer.Ordinal),
            Tokens = Tokens(reader.Child("Tokens")),
            Upstream = UpstreamReading.Read(reader, secretMounts.Count > 0 ? secretMounts.Keys : [DefaultSecretMount]),
        };
        reader.RefuseUnknownKeys();
        return settings;
    }

    // Clients tell the two apart by how they refuse.
    private static AuthMount DefaultOf(IdentityIssuer issuer) => new(
        issuer.Name,
        issuer.TokenReview is not null || issuer.Name.Contains("kubernetes", StringComparison.Ordinal) || issuer.Name.Contains("k8s", StringComparison.Ordinal) ? AuthMountType.Kubernetes : AuthMountType.Jwt)
    {
        Issuer = issuer.Name,
    };

    private static Dictionary<string, T> Mounts<T>(SectionReader reader, string key, Func<string, SectionReader, T> read)
    {
        var mounts = new Dictionary<string, T>(StringComparer.Ordinal);
        foreach (var (name, entry) in reader.Entries(key))
        {
            if (!Path().IsMatch(name) || name is "token") entry.Error("", "is not the path of a mount.", "Write it as clients do, without slashes around it: letters, digits, . _ - and / between them; not token.");
            mounts[name] = read(name, entry);
        }

        return mounts;
    }

    private static AuthMount Auth(string name, SectionReader reader, IdentitySettings identity, IEnumerable<string> roles)
    {
        var type = reader.Choice<AuthMountType>("Type");
        if (type is null && !reader.Has("Type")) reader.Error("Type", "is missing.", "Write one of Kubernetes, Jwt, AppRole.");
        var isAppRole = type is AuthMountType.AppRole;
        var issuer = isAppRole ? null : reader.RequiredText("Issuer", "Write the name of an entry of Broker:Identity:Issuers.");
        if (issuer is not null) reader.MustName("Issuer", issuer, identity.Issuers.Keys, "Broker:Identity:Issuers");
        if (isAppRole && identity.Issuers.ContainsKey(name)) reader.Error("", "has the name of an identity issuer, so rules could not tell their callers apart.", "Give the mount another name.");
        if (isAppRole && reader.Has("Issuer")) reader.Error("Issuer", "is set, but the callers of an AppRole mount have the mount's own name as their issuer.", "Remove it.");
        if (!isAppRole && reader.Has("AppRoles")) reader.Error("AppRoles", "is set, but only a mount of Type AppRole has any.", "Remove it.");
        if (isAppRole && reader.Has("Roles")) reader.Error("Roles", "is set, but a login by AppRole names no role.", "Remove it.");
        var mount = new AuthMount(name, type ?? AuthMountType.Jwt)
        {
            Issuer = issuer,
            DefaultRole = reader.Text("DefaultRole"),
            Roles = LoginRoles(reader, roles),
            AppRoles = AppRoles(reader),
        };
        reader.RefuseUnknownKeys();
        return mount;
    }

    private static FrozenDictionary<string, IReadOnlyList<string>> LoginRoles(SectionReader reader, IEnumerable<string> roles)
    {
        var read = new Dictionary<string, IReadOnlyList<string>>(StringComparer.OrdinalIgnoreCase);
        var group = reader.Child("Roles");
        foreach (var name in reader.Leaves("Roles").Select(leaf => leaf.Name.Split(':')[0]).Distinct(StringComparer.OrdinalIgnoreCase).ToList())
        {
            var named = group.Texts(name) ?? [];
            for (var i = 0; i < named.Count; i++) group.MustName($"{name}:{i}", named[i], roles, "Broker:Roles");
            read[name] = named;
        }

        return read.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase);
    }

    private static FrozenDictionary<string, AppRole> AppRoles(SectionReader reader)
    {
        var read = new Dictionary<string, AppRole>(StringComparer.Ordinal);
        foreach (var (name, entry) in reader.Named("AppRoles"))
        {
            var secrets = new Dictionary<string, AppRoleSecret>(StringComparer.Ordinal);
            foreach (var (secretName, secret) in entry.Named("SecretIds")) secrets[secretName] = SecretId(secretName, secret);
            var role = new AppRole(name, entry.RequiredText("RoleId", "Write what this caller logs in as, e.g. a UUID."), secrets.ToFrozenDictionary(StringComparer.Ordinal));
            if (read.Values.Any(other => other.RoleId == role.RoleId)) entry.Error("RoleId", "is also used by another entry.", "Give each entry its own.");
            read[name] = role;
            entry.RefuseUnknownKeys();
        }

        return read.ToFrozenDictionary(StringComparer.Ordinal);
    }

    private static AppRoleSecret SecretId(string name, SectionReader reader)
    {
        var hash = reader.RequiredText("Hash", "Write the SHA-256 of the secret id in 64 hexadecimal digits; 'broker secret-id' makes both.").ToLowerInvariant();
        if (hash.Length > 0 && !Sha256().IsMatch(hash)) reader.Error("Hash", "is not a SHA-256 hash.", "Write 64 hexadecimal digits; 'broker secret-id' makes a secret id and its hash.");
        var networks = reader.Texts("Networks") ?? [];
        for (var i = 0; i < networks.Count; i++)
        {
            if (!IPNetwork.TryParse(networks[i], out _)) reader.Error($"Networks:{i}", "is not a network.", "Write e.g. 10.0.0.0/8.");
        }

        DateTimeOffset? end = null;
        if (reader.Text("ExpiresAt") is { } text)
        {
            if (DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var read)) end = read;
            else reader.Error("ExpiresAt", "is not a time.", "Write e.g. 2027-01-31T00:00:00Z.");
        }

        var secret = new AppRoleSecret(name, hash) { Networks = networks, ExpiresAt = end, Uses = reader.Int("Uses", 0, 0, 500) };
        reader.RefuseUnknownKeys();
        return secret;
    }

    private static SecretMount Secrets(string name, SectionReader reader, IReadOnlyDictionary<string, Role> roles)
    {
        var read = new Dictionary<string, SecretRole>(StringComparer.Ordinal);
        foreach (var (key, entry) in reader.Entries("Roles"))
        {
            if (!Segment().IsMatch(key)) entry.Error("", "is not a name that a path can end with.", "Write letters, digits, . _ and -.");
            var role = entry.Text("Role") ?? key;
            entry.MustName("Role", role, roles.Keys, "Broker:Roles");
            var connections = roles.TryGetValue(role, out var known) ? entry.OptionalInt("Connections", known.Connections.Min, known.Connections.Max) : entry.OptionalInt("Connections", 1, 10_000);
            read[key] = new SecretRole(key, role, connections) { Shadow = entry.Flag("Shadow", true) };
            entry.RefuseUnknownKeys();
        }

        reader.RefuseUnknownKeys();
        return new SecretMount(name, read.ToFrozenDictionary(StringComparer.Ordinal));
    }

    private static ClientTokenSettings Tokens(SectionReader reader)
    {
        var defaults = new ClientTokenSettings();
        var settings = new ClientTokenSettings
        {
            Ttl = reader.Duration("Ttl", defaults.Ttl, TimeSpan.FromMinutes(1), TimeSpan.FromDays(7)),
            MaxTtl = reader.Duration("MaxTtl", defaults.MaxTtl, TimeSpan.Zero, TimeSpan.FromDays(365)),
        };
        if (settings.MaxTtl > TimeSpan.Zero && settings.MaxTtl < settings.Ttl) reader.Error("MaxTtl", "is shorter than Ttl.", "Write as much as Ttl or more, or 00:00:00 for no limit.");
        reader.RefuseUnknownKeys();
        return settings;
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*\z")]
    private static partial Regex Path();

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9._-]*\z")]
    private static partial Regex Segment();

    [GeneratedRegex(@"\A[0-9a-f]{64}\z")]
    private static partial Regex Sha256();
}
