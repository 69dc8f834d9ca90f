using Broker.Core.Catalog;
using Broker.Core.Model;

namespace Broker.Core.Issuing.Vault;

/// <summary>
/// Notices when whoever keeps the token's file (a Vault Agent, a Secret that is mounted, a person) puts another token in the place of
/// the one in use. Replicas may have a file each, with a token each: only one that held the token in use can say what follows it.
/// </summary>
internal sealed class VaultTokenFile(SecretSource source)
{
    private Secret? held;

    /// <summary>The token that took the place of the one in use; null: none did. Says so again until that one is in use.</summary>
    public async ValueTask<Secret?> FollowerOfAsync(Secret used)
    {
        Secret now;
        try
        {
            now = await source.ReadAsync(CancellationToken.None);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            return null; // being written, or gone: the token in use is as good as before
        }

        if (used.Equals(held) && !used.Equals(now)) return now;
        held = now;
        return null;
    }
}
