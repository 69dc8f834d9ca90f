using System.CommandLine;
using System.Globalization;
using Broker.Api.Authentication;
using Broker.Api.Commands.Remote;
using Broker.Api.Fronts.Native.Explain;
using Broker.Core;
using Broker.Core.Catalog;
using Spectre.Console;

namespace Broker.Api.Commands;

/// <summary><c>broker explain</c>: explains, from this configuration, why a caller may or may not have a role.</summary>
internal static class ExplainCommand
{
    public static Command Create(IAnsiConsole console)
    {
        var token = new Option<string>("--token") { Description = "The caller's token; - reads it from standard input, @FILE from a file, so that no process list shows it.", Required = true };
        var role = new Option<string>("--role") { Description = "The role.", Required = true };
        var command = new Command("explain", "Explains why a caller may or may not have a role. Exit code 1 when it may not, 2 when the configuration or the token cannot be read.") { token, role };
        command.SetAction(async (result, cancellation) =>
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            if (!builder.AddCatalog(out var catalog)) return ExitCodes.NoAnswer;
            string text;
            try
            {
                text = await TokenText.ReadAsync(result.GetRequiredValue(token), cancellation);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                console.MarkupLineInterpolated($"[red]{e.Message}[/]");
                return ExitCodes.NoAnswer;
            }

            builder.Services.AddBrokerCore(catalog.Settings).AddBrokerAuthentication().AddSingleton<Explainer>();
            await using var app = builder.Build();
            var explained = await app.Services.GetRequiredService<Explainer>().ExplainAsync(text, result.GetRequiredValue(role), "", cancellation);
            Write(console, explained);
            return explained.Allowed ? ExitCodes.Done : ExitCodes.No;
        });
        return command;
    }

    internal static void Write(IAnsiConsole console, ExplanationShape explained)
    {
        if (explained.Caller is { } caller)
            console.WriteLine(PlainText.Of($"{caller.Issuer}: {caller.Subject}{(caller.PodUid is { } pod ? $", pod {pod}" : "")}, until {caller.ExpiresAt.ToString("u", CultureInfo.InvariantCulture)}"));
        else
            console.WriteLine(explained.Proof!);
        console.Write(new Text(explained.Allowed ? "Allowed." : "Not allowed.", new Style(explained.Allowed ? Color.Green : Color.Red)));
        console.WriteLine(PlainText.Of(" " + explained.Reason));
        if (explained.Rules.Count == 0) return;
        var table = new Table().AddColumns("rule", "issuer", "claim", "wanted", "found", "");
        for (var number = 0; number < explained.Rules.Count; number++)
        {
            var rule = explained.Rules[number];
            foreach (var claim in rule.Claims)
            {
                table.AddRow(new[]
                {
                    number.ToString(CultureInfo.InvariantCulture), rule.Issuer, claim.Claim, claim.Wanted, claim.Found.Count == 0 ? "-" : string.Join(", ", claim.Found),
                    rule.IssuerMatches ? claim.Matches ? "matches" : "differs" : "other issuer",
                }.Select(static cell => Markup.Escape(PlainText.Of(cell))).ToArray());
            }
        }

        console.Write(table);
    }
}
