using System.CommandLine;
using Broker.Api.Fronts;
using Broker.Api.Starting;
using Broker.Core;
using Broker.Core.Catalog;
using Spectre.Console;

namespace Broker.Api.Commands;

/// <summary><c>broker check</c>: tries a whole configuration against its servers, and reports what works and what does not.</summary>
internal static class CheckCommand
{
    public static Command Create(IAnsiConsole console)
    {
        var noUsers = new Option<bool>("--no-users") { Description = "Make no users; creation statements, Vault's roles and logins are then not tried." };
        var command = new Command(
            "check",
            "Reads the configuration as the broker does when it starts, and tries it: where the audit is written, the ledger, each identity issuer's keys, each database, and for each role one user, which it makes, logs in with and drops. Exit code 1 when something would fail.") { noUsers };
        command.SetAction((result, cancellation) => StartFaults.GuardAsync(() => RunAsync(console, !result.GetValue(noUsers), cancellation)));
        return command;
    }

    private static async Task<int> RunAsync(IAnsiConsole console, bool withUsers, CancellationToken cancellation)
    {
        ProxyExceptions.Apply();
        foreach (var variable in ClientVariables.Forget()) console.MarkupLineInterpolated($"[yellow]warning[/]  {variable}");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        if (!builder.AddCatalog(out var catalog)) return ExitCodes.No;
        foreach (var warning in CatalogWarnings.Of(catalog.Current, catalog.Settings)) console.MarkupLineInterpolated($"[yellow]warning[/]  {PlainText.Of(warning.Path)}: {PlainText.Of(warning.Text)}");

        builder.Services.AddBrokerCore(catalog.Settings).AddMetrics();
        await using var app = builder.Build();
        var failed = 0;
        await foreach (var found in new Checks(app.Services, catalog).RunAsync(withUsers, cancellation))
        {
            if (!found.IsGood) failed++;
            console.MarkupLineInterpolated($"{(found.IsGood ? "good    " : "FAILS   ")} {PlainText.Of(found.What)}: {PlainText.Of(found.Text)}");
        }

        console.WriteLine(failed == 0 ? "The broker would start and serve with this configuration." : $"{Wording.Count(failed, "check")} failed. Fix what the lines marked FAILS say, and check again.");
        return failed == 0 ? ExitCodes.Done : ExitCodes.No;
    }
}
