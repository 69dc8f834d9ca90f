using System.CommandLine;
using Broker.Api.Authentication.BrokerTokens;
using Broker.Api.Commands.Remote;
using Broker.Core;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Microsoft.AspNetCore.DataProtection;

namespace Broker.Api.Commands;

/// <summary>
/// <c>broker admin-token</c>: for a first start without an identity provider. Anybody who can run it on the server, with the sealing
/// keys, already is an administrator.
/// </summary>
internal static class AdminTokenCommand
{
    /// <summary><c>broker admin-token</c>.</summary>
    public static Command Create() => Create(
        "admin-token", "Prints an administrator's token. It is valid for a few minutes, at every replica with the same Broker:Sealing.", [],
        (tokens, by, lifetime, _) => tokens.Make(by, lifetime).Reveal());

    /// <summary><c>broker admin-link</c>: the same for a browser.</summary>
    public static Command CreateLink()
    {
        var address = AddressOption.Create("The broker's address as your browser reaches it.");
        address.Required = true;
        return Create(
            "admin-link", "Prints a one-time link that signs a browser in to the page as an administrator. It expires within minutes.", [address],
            (tokens, by, lifetime, result) => new Uri(result.GetRequiredValue(address)!, "/signin/link?code=" + Uri.EscapeDataString(tokens.MakeLink(by, lifetime).Reveal())).AbsoluteUri);
    }

    private static Command Create(string name, string description, Option[] more, Func<AdminTokens, string, TimeSpan, ParseResult, string> make)
    {
        var minutes = NumberOption.Create("--minutes", "How many minutes it is valid", standard: 10, least: 1, most: 60);
        var command = new Command(name, description) { minutes };
        foreach (var option in more) command.Options.Add(option);
        command.SetAction(async (result, _) =>
        {
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            if (!builder.AddCatalog(out var catalog)) return ExitCodes.NoAnswer;
            using (catalog)
            {
                if (catalog.Settings.Sealing is null)
                {
                    await Console.Error.WriteLineAsync("Broker:Sealing is not set: the running broker keeps its keys to itself, so no other process can make a token for it.");
                    return ExitCodes.NoAnswer;
                }

                var services = new ServiceCollection().AddLogging().AddSealing(catalog.Settings);
                await using var provider = services.BuildServiceProvider();
                var tokens = new AdminTokens(provider.GetRequiredService<IDataProtectionProvider>(), new ProofHasher(new AuditSettings()), TimeProvider.System);
                var by = $"{Environment.UserName}@{Environment.MachineName}";
                Console.WriteLine(make(tokens, by, TimeSpan.FromMinutes(result.GetValue(minutes)), result));
                return ExitCodes.Done;
            }
        });
        return command;
    }
}
