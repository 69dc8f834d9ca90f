using BitFaster.Caching.Lru;

namespace Broker.Core.Leases.Claims;

/// <summary>
/// The pods whose cluster said last that they are gone. A request of such a pod may still be on its way or wait in line, and nobody is
/// left to use what it would be given. A UID never comes back, so that the last ones are enough.
/// </summary>
internal sealed class GonePods
{
    private const int Most = 10_000;

    private readonly FastConcurrentLru<string, bool> owners = new(Environment.ProcessorCount, Most, StringComparer.Ordinal);

    /// <summary>A pod is gone.</summary>
    /// <param name="owner">What owns its holders.</param>
    public void Add(string owner) => owners.AddOrUpdate(owner, true);

    /// <summary>Whether it is.</summary>
    /// <param name="owner">What owns its holders.</param>
    public bool Contains(string owner) => owners.TryGet(owner, out _);
}
