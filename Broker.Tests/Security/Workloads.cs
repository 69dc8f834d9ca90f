using System.Security.Cryptography.X509Certificates;
using Broker.Tests.Identity;

namespace Broker.Tests.Security;

/// <summary>A replica where callers of one issuer must show the certificate of their workload, and three who ask it.</summary>
/// <param name="world">The replica's world.</param>
/// <param name="bare">Shows no certificate.</param>
/// <param name="own">Shows that of its own workload.</param>
/// <param name="foreign">Shows a good one of another workload.</param>
/// <param name="shown">The certificates that are shown.</param>
internal sealed class Workloads(BrokerWorld world, HttpClient bare, HttpClient own, HttpClient foreign, IReadOnlyList<X509Certificate2> shown) : IAsyncDisposable
{
    /// <summary>The replica's world.</summary>
    public BrokerWorld World => world;

    /// <summary>Shows the certificate of its own workload.</summary>
    public HttpClient Own => own;

    /// <summary>Those who may have stolen a token, but have not its workload's certificate: one shows none, one another's.</summary>
    public IReadOnlyList<HttpClient> Thieves { get; } = [bare, foreign];

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var client in new[] { bare, own, foreign }) client.Dispose();
        foreach (var certificate in shown) certificate.Dispose();
        await world.DisposeAsync();
    }
}
