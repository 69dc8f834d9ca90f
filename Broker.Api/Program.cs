using Broker.Api;
using Broker.Api.Authentication;
using Broker.Api.Commands;
using Broker.Api.Fronts.Native.Budgets;
using Broker.Api.Fronts.Native.Credentials;
using Broker.Api.Fronts.Native.Description;
using Broker.Api.Fronts.Native.Explain;
using Broker.Api.Fronts.Native.Holders;
using Broker.Api.Fronts.Native.Leases;
using Broker.Api.Fronts.Native.Problems;
using Broker.Api.Fronts.Native.Sessions;
using Broker.Api.Fronts.Vault;
using Broker.Api.Health;
using Broker.Api.Page;
using Broker.Api.Telemetry;
using Broker.Core;
using Broker.Core.Catalog;

if (BrokerCommands.Run(args) is { } verb) return await verb;

var builder = WebApplication.CreateSlimBuilder(args);
builder.Configuration.AddLogLevels();
if (!builder.AddCatalog(out var catalog)) return 1;

builder.AddKestrel(catalog.Settings);
builder.Services.AddBrokerCore(catalog.Settings);
builder.Services.AddBrokerAuthentication();
builder.Services.AddPodWatch();
builder.Services.AddBrokerTelemetry(builder.Configuration);
builder.Services.AddProblems();
builder.Services.AddVaultFront();
builder.Services.AddHealth();
builder.Services.AddDescription();

var app = builder.Build();
app.UseProxies(catalog.Settings);
app.UseVaultFront();
var guard = app.Services.GetRequiredService<RequestGuard>();
app.Use(next => context => guard.GuardAsync(context, next));
app.UseRouting();
app.UseAuthentication();
app.UseAuthorization();

app.MapCredentials();
app.MapHolders();
app.MapBudgets();
app.MapLeases();
app.MapSessions();
app.MapExplain();
app.MapLeftovers();
app.MapDuties();
app.MapHealth();
app.MapMetrics();
app.MapOpenApi();
app.MapPage();

await app.RunAsync();
return 0;

/// <summary>The broker's entry point.</summary>
public partial class Program;
