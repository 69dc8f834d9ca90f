using System.CommandLine;
using System.Globalization;
using Broker.Api.Fronts.Native.Leases;
using Spectre.Console;

namespace Broker.Api.Commands.Remote;

/// <summary><c>broker leases</c>.</summary>
internal static class LeaseCommands
{
    public static Command Leases(IAnsiConsole console)
    {
        var database = new Option<string?>("--database") { Description = "Only this database's." };
        return new RemoteOptions().Showing(
            new("leases", "Lists the leases, oldest first.") { database }, console,
            (broker, result, cancellation) => broker.GetAsync(
                result.GetValue(database) is { } name ? $"api/v1/leases?database={Uri.EscapeDataString(name)}" : "api/v1/leases", cancellation),
            (LeasesShape leases) => Write(console, leases));
    }

    private static void Write(IAnsiConsole console, LeasesShape leases)
    {
        var table = new Table().AddColumns("lease", "database", "role", "state", "user", "holders", "connections", "verified", "ends", "why");
        foreach (var lease in leases.Leases)
        {
            table.AddRow(new[]
            {
                lease.Id, lease.Database, lease.Role, lease.State, lease.Username ?? "", Text(lease.Holders), Text(lease.Connections), Text(lease.VerifiedAt), Text(lease.ExpiresAt), lease.Rotation is { } rotation ? $"{Text(rotation.Left)} still use it, {Text(rotation.Moved)} have moved. {lease.Reason}" : lease.Reason ?? "",
            }.Select(Markup.Escape).ToArray());
        }

        console.Write(table);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Text(DateTimeOffset? time) => time?.ToString("u", CultureInfo.InvariantCulture) ?? "";
}
