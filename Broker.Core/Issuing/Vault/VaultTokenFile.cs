using Broker.Core.Catalog;
using Broker.Core.Model;

namespace Broker.Core.Issuing.Vault;

/// <summary>
/// Notices when the maintainer of the token's file (a Vault Agent, a mounted Secret, a person) replaces
/// the token in use. Replicas may have different files with different tokens: only a file that held the token in use can say what replaces it.
/// </summary>
internal sealed class VaultTokenFile(SecretSource source)
{
    private Secret? held;

    /// <summary>The token that replaced the one in use; null when none did. Returned again until that one is in use.</summary>
    public async ValueTask<Secret?> FollowerOfAsync(Secret used)
    {
        Secret now;
        try
        {
            now = await source.ReadAsync(CancellationToken.None);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            return null; // being written, or gone: the token in use is still valid
        }

        if (used.Equals(held) && !used.Equals(now)) return now;
        held = now;
        return null;
    }
}
