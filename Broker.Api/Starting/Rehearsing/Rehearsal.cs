using System.Net;
using Broker.Core.Leases.Rehearsing;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using OpenTelemetry;

namespace Broker.Api.Starting.Rehearsing;

/// <summary>
/// Plays whole cold rollouts before the first pod comes: pods ask two replicas that have nothing to give, over the network, natively and as clients of
/// Vault's, and then this replica's own probe is asked. So all the code that a rollout needs has been run, and compiled: parsing, proving,
/// election, issue, login check, activation, waking across replicas, opening a login that another replica issued, the audit and the answer.
/// </summary>
internal sealed class Rehearsal(IServer server, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<Rehearsal> logger)
{
    private const int Rollouts = 2;
    private const int Pods = 24;

    // After about thirty calls .NET recompiles a method with more optimization.
    private const int Probes = 40;

    // Long enough for a slow machine; a replica whose rehearsal was cut short becomes ready anyway, and logs it.
    private static readonly TimeSpan AtMost = TimeSpan.FromSeconds(10);

    // .NET compiles a method once per process, and so for every broker in the process.
    private static int played;

    /// <summary>Plays, once per process.</summary>
    public async Task PlayAsync(CancellationToken cancellation)
    {
        if (Interlocked.Exchange(ref played, 1) == 1) return;
        using var deadline = new CancellationTokenSource(AtMost, time);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation, deadline.Token);
        using var untraced = SuppressInstrumentationScope.Begin();
        try
        {
            await PlayAsync(Rollouts, Pods, time, over.Token);
            await ProbeAsync(over.Token);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellation.IsCancellationRequested)
        {
            // Whatever went wrong, the first pods only meet slower code, which is no reason not to serve them.
            logger.RehearsalEnded(e.Message);
        }
    }

    /// <summary>Plays this many rollouts of this many pods, each of a role that has no lease yet.</summary>
    /// <exception cref="HttpRequestException">A pod did not get what it wanted, so not everything has been run.</exception>
    public static async Task PlayAsync(int rollouts, int pods, TimeProvider time, CancellationToken cancellation)
    {
        using var rehearsed = new RehearsedPods(pods, time);
        await using var stage = new RehearsalStage(rollouts, time);
        await using RehearsedReplica one = await RehearsedReplica.StartAsync(stage, rehearsed.Keys, time, cancellation), other = await RehearsedReplica.StartAsync(stage, rehearsed.Keys, time, cancellation);
        await RehearsalStage.CountAsync(one.Services, rollouts * pods * 10, cancellation);
        foreach (var role in stage.Roles) await rehearsed.LiveAsync(role, [one, other], cancellation);
    }

    private async Task ProbeAsync(CancellationToken cancellation)
    {
        await Task.Delay(Timeout.InfiniteTimeSpan, time, lifetime.ApplicationStarted).WaitAsync(cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var address = server.Features.Get<IServerAddressesFeature>()?.Addresses.Select(BindingAddress.Parse).FirstOrDefault(known => known.Scheme == "http");
        if (address is null || cancellation.IsCancellationRequested) return;
        var host = IPAddress.TryParse(address.Host, out var one) && !one.Equals(IPAddress.Any) && !one.Equals(IPAddress.IPv6Any) ? address.Host : "localhost";
        using var meters = new RehearsalStage.Silent();
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false, MeterFactory = meters }) { BaseAddress = new UriBuilder("http", host, address.Port).Uri };
        await Parallel.ForAsync(0, Probes, cancellation, async (_, cancel) => await client.GetStringAsync(new Uri("/health/live", UriKind.Relative), cancel));
    }
}
