using System.Net;

namespace Broker.Core.Catalog;

/// <summary>
/// The Vault-compatible API: the meaning of its paths. Without auth mounts each identity issuer is a mount with its own name;
/// without secret mounts every role is readable under its own name at <c>database</c>.
/// </summary>
public sealed record VaultApiSettings
{
    /// <summary>Whether <c>/v1/…</c> is answered (default true).</summary>
    public bool Enabled { get; init; } = true;

    /// <summary>Where clients log in, by the path after <c>auth/</c>.</summary>
    public IReadOnlyDictionary<string, AuthMount> AuthMounts { get; init; } = new Dictionary<string, AuthMount>();

    /// <summary>Where clients read, by the path before <c>/creds/</c>.</summary>
    public IReadOnlyDictionary<string, SecretMount> SecretMounts { get; init; } = new Dictionary<string, SecretMount>();

    /// <summary>The upstream Vault, to which the listed paths pass; null (the default): nothing passes.</summary>
    public VaultUpstream? Upstream { get; init; }

    /// <summary>The tokens that logins give.</summary>
    public ClientTokenSettings Tokens { get; init; } = new();

    /// <summary>The secret id of a login; null: it was made with none, or that one is there no more.</summary>
    /// <param name="mount">The login's mount.</param>
    /// <param name="name">The secret id's name, as <c>role/name</c>; null: none.</param>
    internal AppRoleSecret? SecretIdOf(string mount, string? name) =>
        name?.Split('/') is [var role, var secret] && AuthMounts.TryGetValue(mount, out var known) && known.AppRoles.TryGetValue(role, out var appRole) ? appRole.SecretIds.GetValueOrDefault(secret) : null;
}

/// <summary>How a login proves who logs in.</summary>
public enum AuthMountType
{
    /// <summary>A pod's service account token; refusals are like those of Vault's Kubernetes auth method.</summary>
    Kubernetes,

    /// <summary>Any token of an identity issuer; refusals are like those of Vault's JWT auth method.</summary>
    Jwt,

    /// <summary>A role id and a secret id, for callers that have no token of their own.</summary>
    AppRole,
}

/// <summary>One path to log in at.</summary>
/// <param name="Name">The path after <c>auth/</c>, without slashes around it.</param>
/// <param name="Type">What callers log in with.</param>
public sealed record AuthMount(string Name, AuthMountType Type)
{
    /// <summary>The identity issuer whose tokens log in; null with <see cref="AuthMountType.AppRole"/>, whose callers have the mount's name as their issuer.</summary>
    public string? Issuer { get; init; }

    /// <summary>The role of a login that names none; null: it has to name one.</summary>
    public string? DefaultRole { get; init; }

    /// <summary>
    /// The names that logins use for broker roles, each for one or several: a login succeeds when its caller may have one of them.
    /// Empty: a login names a broker role. Large and small letters are the same in them, as in Vault.
    /// </summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Roles { get; init; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>With <see cref="AuthMountType.AppRole"/>: who may log in, by name.</summary>
    public IReadOnlyDictionary<string, AppRole> AppRoles { get; init; } = new Dictionary<string, AppRole>();
}

/// <summary>A caller without its own token. The claim <c>role_name</c> identifies it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="RoleId">What it logs in as; not secret.</param>
/// <param name="SecretIds">What it proves itself with, by name; removing one also ends its tokens.</param>
public sealed record AppRole(string Name, string RoleId, IReadOnlyDictionary<string, AppRoleSecret> SecretIds);

/// <summary>A secret id, as its hash.</summary>
/// <param name="Name">Its name, shown in the audit.</param>
/// <param name="Hash">The SHA-256 of the secret id, in hexadecimal digits.</param>
public sealed record AppRoleSecret(string Name, string Hash)
{
    /// <summary>The networks (<c>10.0.0.0/8</c>) from where it may be used; empty: from anywhere.</summary>
    public IReadOnlyList<string> Networks { get; init; } = [];

    /// <summary>Until when; null: no end.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    /// <summary>How many logins it allows (0: no limit; default 0).</summary>
    public int Uses { get; init; }

    /// <summary>Whether it, and what was made with it, is good now and from there.</summary>
    public bool IsGood(DateTimeOffset now, IPAddress? from) =>
        !(ExpiresAt <= now)
        && (Networks.Count == 0 || (from is not null && Networks.Any(network => IPNetwork.Parse(network).Contains(from.IsIPv4MappedToIPv6 ? from.MapToIPv4() : from))));
}

/// <summary>One path to read below.</summary>
/// <param name="Name">The path before <c>/creds/</c>, without slashes around it.</param>
/// <param name="Roles">The names that clients use; empty: those of the broker's roles.</param>
public sealed record SecretMount(string Name, IReadOnlyDictionary<string, SecretRole> Roles);

/// <summary>A name that clients read.</summary>
/// <param name="Name">The name after <c>/creds/</c>.</param>
/// <param name="Role">The broker role of the name.</param>
/// <param name="Connections">How many connections a read claims; null: the role's default. A request header takes precedence.</param>
public sealed record SecretRole(string Name, string Role, int? Connections)
{
    /// <summary>In shadow mode: whether reads of it pass to the upstream Vault (default true); false: the broker issues.</summary>
    public bool Shadow { get; init; } = true;
}

/// <summary>How long the tokens of the Vault-compatible API live.</summary>
public sealed record ClientTokenSettings
{
    /// <summary>How long one lives that is not renewed (1 min to 7 days, default 1 h).</summary>
    public TimeSpan Ttl { get; init; } = TimeSpan.FromHours(1);

    /// <summary>
    /// The longest lifetime of a token (0: as long as it is renewed; otherwise <see cref="Ttl"/> to 365 days; default 0). Some clients restart
    /// what they manage when they have to log in again.
    /// </summary>
    public TimeSpan MaxTtl { get; init; } = TimeSpan.Zero;
}
