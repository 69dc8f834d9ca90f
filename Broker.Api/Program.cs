using Broker.Api;
using Broker.Api.Authentication;
using Broker.Api.Commands;
using Broker.Api.Fronts;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Problems;
using Broker.Api.Fronts.Vault;
using Broker.Api.Health;
using Broker.Api.Page;
using Broker.Api.Starting;
using Broker.Api.Telemetry;
using Broker.Core;

if (BrokerCommands.Run(args) is { } verb) return await verb;
return await StartFaults.GuardAsync(ServeAsync);

async Task<int> ServeAsync()
{
    ProxyExceptions.Apply();
    var unused = ClientVariables.Forget();
    var polled = FileWatching.PollWhereNeeded();
    var builder = WebApplication.CreateSlimBuilder(args);
    builder.Configuration.AddLogLevels();
    builder.WatchStart();
    if (!builder.AddCatalog(out var catalog)) return StartFaults.ExitCode;

    builder.AddKestrel(catalog.Settings);
    builder.Services.AddBrokerCore(catalog.Settings);
    builder.Services.AddBrokerAuthentication();
    builder.Services.AddPodWatch();
    builder.Services.AddBrokerTelemetry(builder.Configuration, catalog.Current.Roles.Count);
    builder.Services.AddProblems();
    builder.Services.AddVaultFront();
    builder.Services.AddHealth();
    builder.Services.AddDescription();
    builder.Services.AddPage(catalog);

    var app = builder.Build();
    app.UseBroker(catalog.Settings);
    app.MapBroker();
    app.TellWhenStarted();
    app.TellWhatMeansNothing(catalog, polled, unused);
    await app.ServeAsync();
    return 0;
}

/// <summary>The broker's entry point.</summary>
public partial class Program;
