using Broker.Api;
using Broker.Api.Authentication;
using Broker.Api.Budgets;
using Broker.Api.Commands;
using Broker.Api.Credentials;
using Broker.Api.Description;
using Broker.Api.Explain;
using Broker.Api.Health;
using Broker.Api.Holders;
using Broker.Api.Leases;
using Broker.Api.Page;
using Broker.Api.Problems;
using Broker.Api.Sessions;
using Broker.Api.Telemetry;
using Broker.Core;
using Broker.Core.Catalog;

if (BrokerCommands.Run(args) is { } verb) return await verb;

var builder = WebApplication.CreateSlimBuilder(args);
if (!builder.AddCatalog(out var catalog)) return 1;

builder.AddKestrel(catalog.Settings);
builder.Services.AddBrokerCore(catalog.Settings);
builder.Services.AddBrokerAuthentication();
builder.Services.AddBrokerTelemetry(builder.Configuration);
builder.Services.AddProblems();
builder.Services.AddHealth();
builder.Services.AddDescription();

var app = builder.Build();
app.UseProxies(catalog.Settings);
var door = app.Services.GetRequiredService<FrontDoor>();
app.Use(next => context => door.GuardAsync(context, next));
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
