using BitFaster.Caching.Lru;

namespace Broker.Core.Leases.Claims;

/// <summary>
/// The pods that their cluster most recently reported gone. A request of such a pod may still be on its way or wait in line, and nobody is
/// left to use what it would be granted. A UID never comes back, so remembering the last ones is enough.
/// </summary>
internal sealed class GonePods
{
    private const int Most = 10_000;

    private readonly FastConcurrentLru<string, bool> owners = new(Environment.ProcessorCount, Most, StringComparer.Ordinal);

    /// <summary>Notes that a pod is gone.</summary>
    /// <param name="owner">The owner of its holders (<see cref="Identity.Caller.OwnerHash"/>).</param>
    public void Add(string owner) => owners.AddOrUpdate(owner, true);

    /// <summary>Whether a pod is gone.</summary>
    /// <param name="owner">The owner of its holders (<see cref="Identity.Caller.OwnerHash"/>).</param>
    public bool Contains(string owner) => owners.TryGet(owner, out _);
}
