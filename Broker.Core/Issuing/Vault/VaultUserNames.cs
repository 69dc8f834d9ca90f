using System.Globalization;

namespace Broker.Core.Issuing.Vault;

/// <summary>
/// The names that Vault's database engine gives users by its default templates:
/// <c>v-DISPLAYNAME-ROLE-20 random-UNIX TIME</c>, the parts cut to the engine's lengths (PostgreSQL 8 and 8, MySQL 10 and 10,
/// MongoDB 15 and 15; the whole cut to 63, 32 and 100). Source: plugins/database/*/ in hashicorp/vault,
/// <c>defaultUserNameTemplate</c>. A role with a <c>username_template</c> of its own is not recognised.
/// </summary>
internal static class VaultUserNames
{
    /// <summary>The beginning of all of them.</summary>
    public const string Prefix = "v-";

    private const int ShortestRole = 8;
    private const int LongestRole = 15;
    private const int RandomLength = 20;

    /// <summary>Whether a user's name is one that Vault gives to users of this path's role.</summary>
    /// <param name="username">The user.</param>
    /// <param name="vaultPath">The path that issues; its last part is the role in Vault.</param>
    public static bool IsOf(string username, string vaultPath)
    {
        if (!username.StartsWith(Prefix, StringComparison.Ordinal)) return false;
        var role = vaultPath[(vaultPath.LastIndexOf('/') + 1)..];
        for (var length = Math.Min(ShortestRole, role.Length); length <= Math.Min(LongestRole, role.Length); length++)
        {
            var part = $"-{role[..length]}-";

            // The last one: a display name can contain the same. The text after the role is random and has no dash of its own; the
            // time follows, if there was room for it.
            var at = username.LastIndexOf(part, StringComparison.Ordinal);
            if (at > 0 && IsTail(username.AsSpan(at + part.Length))) return true;
        }

        return false;
    }

    /// <summary>When a user was created, by the time at the end of its name; null if there is none.</summary>
    public static DateTimeOffset? CreatedAt(string username)
    {
        if (!username.StartsWith(Prefix, StringComparison.Ordinal)) return null;
        var time = username.AsSpan(username.LastIndexOf('-') + 1);
        return time.Length == 10 && long.TryParse(time, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            ? DateTimeOffset.FromUnixTimeSeconds(seconds)
            : null;
    }

    private static bool IsTail(ReadOnlySpan<char> tail)
    {
        var dash = tail.IndexOf('-');
        var random = dash < 0 ? tail : tail[..dash];
        return random.Length is > 0 and <= RandomLength && !random.ContainsAnyExceptInRange('0', 'z') && (dash < 0 || !tail[(dash + 1)..].ContainsAnyExceptInRange('0', '9'));
    }
}
