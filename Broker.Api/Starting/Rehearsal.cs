using System.Net;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Credentials;
using Broker.Api.Health;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Leases.Logins;
using Broker.Core.Leases.Rehearsing;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.Logging.Abstractions;

namespace Broker.Api.Starting;

/// <summary>
/// Runs the parts of a claim's path without effect, so that their code is compiled before the first pod needs it: a
/// token signed with a throw-away key, a grant of nothing to nobody, its audit record on the null device, and this replica's own probe.
/// </summary>
internal sealed class Rehearsal(CallerProver prover, IServer server, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<Rehearsal> logger)
{
    // After about thirty calls .NET recompiles a method with more optimization.
    private const int Times = 40;
    private const int Rollouts = 3;

    // Long enough for a slow machine; a replica whose rehearsal was cut short becomes ready anyway, and logs it.
    private static readonly TimeSpan AtMost = TimeSpan.FromSeconds(10);

    // .NET compiles a method once per process, and so for every broker in the process.
    private static int played;

    /// <summary>Runs them, once per process.</summary>
    public async Task PlayAsync(CancellationToken cancellation)
    {
        if (Interlocked.Exchange(ref played, 1) == 1) return;
        using var deadline = new CancellationTokenSource(AtMost, time);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation, deadline.Token);
        try
        {
            var caller = await prover.RehearseAsync(Times, over.Token);
            await AnswerAsync(caller, over.Token);
            if (await IssueRehearsal.PlayAsync(Rollouts, time, over.Token) is { } refusal) logger.RehearsalEnded(refusal.Detail);
            await ProbeAsync(over.Token);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellation.IsCancellationRequested)
        {
            // Whatever went wrong, the first pods only meet slower code, which is no reason not to serve them.
            logger.RehearsalEnded(e.Message);
        }
    }

    private async Task AnswerAsync(Caller caller, CancellationToken cancellation)
    {
        await using var nowhere = new JsonLinesAudit(new AuditSettings { Path = AuditSettings.Nowhere }, time, NullLogger<JsonLinesAudit>.Instance);
        var audit = new DeskAudit(nowhere, time);
        var now = time.GetUtcNow();
        var strings = new ConnectionStrings([new("", 1)], [new("", HolderSlot.Mark, null)]) { Named = new("", "", "", "", "") };
        var grant = new Grant("", "", new("", now, now, now), new("", now, 1, ""), 1, new(new("", new("nobody's")), "", strings), default);
        for (var i = 0; i < Times; i++)
        {
            GrantWriter.Write(new DefaultHttpContext().Response, grant);
            await audit.WriteAsync(AuditAction.Claim, new(caller, "", null, null, null, null, new("", null)), grant, cancellation);
        }
    }

    private async Task ProbeAsync(CancellationToken cancellation)
    {
        await Task.Delay(Timeout.InfiniteTimeSpan, time, lifetime.ApplicationStarted).WaitAsync(cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var address = server.Features.Get<IServerAddressesFeature>()?.Addresses.Select(BindingAddress.Parse).FirstOrDefault(known => known.Scheme == "http");
        if (address is null || cancellation.IsCancellationRequested) return;
        var host = IPAddress.TryParse(address.Host, out var one) && !one.Equals(IPAddress.Any) && !one.Equals(IPAddress.IPv6Any) ? address.Host : "localhost";
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = new UriBuilder("http", host, address.Port).Uri };
        await Parallel.ForAsync(0, Times, cancellation, async (_, cancel) => await client.GetStringAsync(new Uri("/health/live", UriKind.Relative), cancel));
    }
}
