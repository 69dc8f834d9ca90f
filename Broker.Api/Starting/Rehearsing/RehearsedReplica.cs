using System.Diagnostics;
using System.Net;
using Broker.Api.Authentication;
using Broker.Api.Fronts.Native.Credentials;
using Broker.Api.Fronts.Native.Holders;
using Broker.Api.Fronts.Vault;
using Broker.Api.Health;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Leases.Rehearsing;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging.Abstractions;
using OpenTelemetry;

namespace Broker.Api.Starting.Rehearsing;

/// <summary>
/// A replica that has nothing to give: a web server on a loopback port of its own, with the whole pipeline of a real one, on the core of a
/// <see cref="RehearsalStage"/>.
/// </summary>
internal sealed class RehearsedReplica : IAsyncDisposable
{
    private readonly WebApplication app;

    private RehearsedReplica(WebApplication app) => this.app = app;

    /// <summary>Where it listens.</summary>
    public Uri Address => new(app.Urls.First());

    /// <summary>Its services.</summary>
    public IServiceProvider Services => app.Services;

    /// <summary>Starts one.</summary>
    /// <param name="stage">The parts that it shares with other replicas.</param>
    /// <param name="keys">The keys of the issuer whose tokens it trusts.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public static async Task<RehearsedReplica> StartAsync(RehearsalStage stage, SigningKeys keys, TimeProvider time, CancellationToken cancellation)
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.AddKestrel(RehearsalStage.Settings);
        stage.AddCore(builder.Services);
        builder.Services.AddRouting();
        builder.Services.AddBrokerAuthentication();
        builder.Services.AddProblems();
        builder.Services.AddVaultFront();
        builder.Services.AddSingleton<Readiness>();
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        builder.Services.AddSingleton(new ActivitySource(RehearsalStage.Name)); // nobody traces a rehearsal
        builder.Services.Replace(ServiceDescriptor.Singleton(provider => new CallerProver(
            provider.GetRequiredService<ICatalog>(), provider.GetRequiredService<ProofHasher>(), time, NullLogger<CallerProver>.Instance, _ => keys)));

        var app = builder.Build();
        app.Services.GetRequiredService<Readiness>().Ready();
        app.Use(next => async context =>
        {
            using var untraced = SuppressInstrumentationScope.Begin();
            await next(context);
        });
        app.UseBroker(RehearsalStage.Settings);
        app.MapCredentials();
        app.MapHolders();
        var replica = new RehearsedReplica(app);
        try
        {
            await app.StartAsync(cancellation);
            return replica;
        }
        catch
        {
            await replica.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => app.DisposeAsync();

    // The process's signals are for the real replica.
    private sealed class NoSignals : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
