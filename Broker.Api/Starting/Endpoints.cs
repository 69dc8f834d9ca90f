using Broker.Api.Fronts.Admission;
using Broker.Api.Fronts.Native.Budgets;
using Broker.Api.Fronts.Native.Credentials;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Explain;
using Broker.Api.Fronts.Native.History;
using Broker.Api.Fronts.Native.Holders;
using Broker.Api.Fronts.Native.Holdings;
using Broker.Api.Fronts.Native.Indicators;
using Broker.Api.Fronts.Native.Leases;
using Broker.Api.Fronts.Native.Sessions;
using Broker.Api.Health;
using Broker.Api.Page;
using Broker.Api.Telemetry;
using Broker.Core.Catalog;

namespace Broker.Api.Starting;

/// <summary>The addresses that the broker serves, and its warnings about its configuration.</summary>
internal static class Endpoints
{
    /// <summary>Maps all addresses.</summary>
    public static void MapBroker(this WebApplication app)
    {
        app.MapCredentials();
        app.MapHolders();
        app.MapBudgets();
        app.MapLeases();
        app.MapHoldings();
        app.MapHistory();
        app.MapFindings();
        app.MapSessions();
        app.MapExplain();
        app.MapLeftovers();
        app.MapDuties();
        app.MapIndicators();
        app.MapShadow();
        app.MapHealth();
        app.MapMetrics();
        app.MapDescription();
        app.MapPage();
        app.MapAdmission(app.Services.GetRequiredService<LiveCatalog>().Settings.Admission);
    }

    /// <summary>Logs configuration that is valid but has no effect, now and after each reload.</summary>
    public static void TellWhatMeansNothing(this WebApplication app, LiveCatalog catalog, bool filesArePolled, IReadOnlyList<string> unused)
    {
        var log = app.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Broker.Api.Starting");
        if (filesArePolled) log.FilesArePolled();
        foreach (var variable in unused) log.NotUsed(variable);
        Tell(catalog.Current);
        catalog.Swapped += Tell;

        void Tell(CatalogSnapshot current)
        {
            foreach (var warning in CatalogWarnings.Of(current, catalog.Settings)) log.ReadsWellAndMeansNothing(warning.Path, warning.Text);
        }
    }
}
