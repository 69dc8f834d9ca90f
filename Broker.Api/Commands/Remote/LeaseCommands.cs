using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Broker.Api.Fronts.Native.Leases;
using Spectre.Console;

namespace Broker.Api.Commands.Remote;

/// <summary><c>broker leases</c> and <c>broker holders</c>.</summary>
internal static class LeaseCommands
{
    public static Command Leases(IAnsiConsole console)
    {
        var database = new Option<string?>("--database") { Description = "One database's alone." };
        return new RemoteOptions().Showing(
            new("leases", "The leases, oldest first.") { database }, console,
            (broker, result, cancellation) => broker.GetAsync(
                result.GetValue(database) is { } name ? $"api/v1/leases?database={Uri.EscapeDataString(name)}" : "api/v1/leases", cancellation),
            answer => Write(console, answer.Deserialize<LeasesShape>(RemoteBroker.Json)!));
    }

    public static Command Holders(IAnsiConsole console)
    {
        var lease = new Argument<string>("lease") { Description = "The lease's id." };
        return new RemoteOptions().Showing(
            new("holders", "Who holds a lease, those that end first.") { lease }, console,
            (broker, result, cancellation) => broker.GetAsync($"api/v1/leases/{Uri.EscapeDataString(result.GetRequiredValue(lease))}", cancellation),
            answer => Write(console, answer.Deserialize<LeaseWithHoldersShape>(RemoteBroker.Json)!));
    }

    private static int Write(IAnsiConsole console, LeasesShape leases)
    {
        var table = new Table().AddColumns("lease", "database", "role", "state", "user", "holders", "connections", "verified", "ends", "why");
        foreach (var lease in leases.Leases)
        {
            table.AddRow(new[]
            {
                lease.Id, lease.Database, lease.Role, lease.State, lease.Username ?? "", Text(lease.Holders), Text(lease.Connections), Text(lease.VerifiedAt), Text(lease.ExpiresAt), lease.Reason ?? "",
            }.Select(Markup.Escape).ToArray());
        }

        console.Write(table);
        return 0;
    }

    private static int Write(IAnsiConsole console, LeaseWithHoldersShape lease)
    {
        var table = new Table().AddColumns("holder", "who", "connections", "ends", "");
        foreach (var holder in lease.HolderList)
            table.AddRow(new[] { holder.Id, holder.Caller, Text(holder.Connections), Text(holder.EndsAt), holder.Waiting ? "waits for its login" : "" }.Select(Markup.Escape).ToArray());
        console.Write(table);
        return 0;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Text(DateTimeOffset? time) => time?.ToString("u", CultureInfo.InvariantCulture) ?? "";
}
