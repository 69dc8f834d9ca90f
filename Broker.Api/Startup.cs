using System.Net;
using System.Text.Json.Serialization;
using Broker.Api.Authentication.Certificates;
using Broker.Api.Fronts;
using Broker.Api.Fronts.Native.Explain;
using Broker.Api.Fronts.Native.Problems;
using Broker.Api.Fronts.Vault;
using Broker.Api.Health;
using Broker.Api.Starting;
using Broker.Api.Starting.Rehearsing;
using Broker.Core.Catalog;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Broker.Api;

/// <summary>The steps that come before anything is served.</summary>
internal static class Startup
{
    /// <summary>
    /// Reads the whole configuration: <c>appsettings.json</c>, the file named by <c>BROKER_CONFIG</c> (default
    /// <c>config/broker.json</c>), environment variables, the command line. False when it has mistakes, which have been printed.
    /// </summary>
    public static bool AddCatalog(this WebApplicationBuilder builder, out LiveCatalog catalog)
    {
        var file = Environment.GetEnvironmentVariable("BROKER_CONFIG");
        // Without this the configuration system would watch the nearest existing directory, which may be the whole disk.
        if (file is not null && !File.Exists(file)) throw new FileNotFoundException($"BROKER_CONFIG names {Path.GetFullPath(file)}, which does not exist");
        builder.Configuration.AddJsonFile(Path.GetFullPath(file ?? "config/broker.json"), optional: file is null, reloadOnChange: builder.Configuration.GetValue("hostBuilder:reloadConfigOnChange", true));
        builder.Configuration.AddEnvironmentVariables();
        builder.Configuration.LeaveBrokenFilesToTheCatalog();
        builder.Services.AddSingleton(TimeProvider.System);
        catalog = null!;
        try
        {
            using var logging = LoggerFactory.Create(log => log.AddConfiguration(builder.Configuration.GetSection("Logging")).AddSimpleConsole());
            catalog = new LiveCatalog(builder.Configuration, TimeProvider.System, logging.CreateLogger<LiveCatalog>());
        }
        catch (CatalogException e)
        {
            Console.Error.WriteLine(e.Message);
            return false;
        }

        // Handed over by a factory, so that the container disposes of it: its timer would look at the files for as long as the process lives.
        var live = catalog;
        builder.Services.AddSingleton(_ => live).AddSingleton<ICatalog>(static provider => provider.GetRequiredService<LiveCatalog>()).AddSingleton(catalog.Settings.Limits);
        if (catalog.Settings.Tls is { } tls) builder.Services.AddSingleton(tls).AddSingleton<LiveCertificates>();
        return true;
    }

    /// <summary>Limits what a client can make the broker store or wait for.</summary>
    public static void AddKestrel(this WebApplicationBuilder builder, BrokerSettings settings)
    {
        // The slim builder leaves out TLS; answers contain passwords, so endpoints with a certificate must be possible.
        builder.WebHost.UseKestrelHttpsConfiguration();
        // A rollout's pods connect in one moment: who does not fit here sends again after a second. The system has a limit of its own (net.core.somaxconn).
        builder.WebHost.UseSockets(static sockets => sockets.Backlog = 4096);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = settings.Limits.MaxBodyBytes;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(240, TimeSpan.FromSeconds(5));
            kestrel.Limits.MaxRequestHeadersTotalSize = settings.Limits.MaxHeaderBytes;
            kestrel.Limits.MaxConcurrentConnections = settings.Limits.MaxConnections;
            kestrel.Limits.MaxConcurrentUpgradedConnections = settings.Limits.MaxConnections;
            if (settings.Tls is not null) kestrel.ConfigureHttpsDefaults(kestrel.ApplicationServices.GetRequiredService<LiveCertificates>().Apply);
        });
    }

    /// <summary>The part of the pipeline that every request passes before its endpoint.</summary>
    public static void UseBroker(this WebApplication app, BrokerSettings settings)
    {
        app.Use(static next => context =>
        {
            ShownPath.Trace(context.Request);
            return next(context);
        });
        app.UseUnreadBodies();
        app.UseProxies(settings);
        app.UseVaultFront();
        var guard = app.Services.GetRequiredService<RequestGuard>();
        app.Use(next => context => guard.GuardAsync(context, next));
        app.UseRouting();
        app.UseAuthentication();
        app.UseAuthorization();
    }

    /// <summary>
    /// Trusts the forwarded address and scheme of the configured proxies only, and no more hops than there are
    /// proxies: where pods are in a proxy's network, what they write themselves is further down the list. Nothing else is ever read
    /// from a forwarding header.
    /// </summary>
    public static void UseProxies(this WebApplication app, BrokerSettings settings)
    {
        if (settings.Proxies.Count == 0) return;
        var options = new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto, ForwardLimit = settings.ProxyHops };
        options.KnownIPNetworks.Clear();
        options.KnownProxies.Clear();
        foreach (var network in settings.Proxies) options.KnownIPNetworks.Add(System.Net.IPNetwork.Parse(network));
        app.UseForwardedHeaders(options);
    }

    /// <summary>Adds the writing of refusals.</summary>
    public static void AddProblems(this IServiceCollection services)
    {
        services.AddSingleton<Explainer>().AddSingleton<Fronts.Admission.AdmissionDesk>();
        services.AddSingleton<UnrecordedLines>().AddSingleton<RequestGuard>().AddSingleton<IAuthorizationMiddlewareResultHandler>(provider => provider.GetRequiredService<RequestGuard>());
        services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.DefaultIgnoreCondition = JsonIgnoreCondition.Never;
            json.SerializerOptions.NumberHandling = JsonNumberHandling.Strict; // numbers are not strings, in the description either
        });
    }

    /// <summary>Adds the probes and the warm-up.</summary>
    public static void AddHealth(this IServiceCollection services) => services.AddSingleton<Readiness>().AddSingleton<Rehearsal>().AddSingleton<ServerTries>().AddHostedService<WarmUp>();
}
