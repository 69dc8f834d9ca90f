using BitFaster.Caching.Lru;
using Broker.Core.Model;

namespace Broker.Api.Fronts.Vault.Endpoints;

/// <summary>
/// Answers a client that renews what is over no faster than once a second. Watchers of leases in the field renew in a loop without a pause then, until the time that
/// they were told is nearly over (hashicorp/vault#20645, until 1.17; openbao/openbao#3747): when a shared login is revoked, all its clients do at once.
/// </summary>
internal sealed class RenewalPace(TimeProvider time)
{
    private const int Most = 20_000;
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private readonly FastConcurrentLru<(string Token, string Lease), Moment> last = new(Environment.ProcessorCount, Most, EqualityComparer<(string, string)>.Default);

    /// <summary>Waits until a second has passed since this client was told so of this lease.</summary>
    public async ValueTask WaitAsync(VaultClient client, string lease, CancellationToken cancellation)
    {
        var about = (client.Live.Id, lease);
        if (last.TryGet(about, out var told) && Second - told.Elapsed(time) is { Ticks: > 0 } left) await Task.Delay(left, time, cancellation);
        last.AddOrUpdate(about, Moment.Now(time));
    }
}
