using System.CommandLine;
using System.Globalization;
using Broker.Api.Fronts.Native.Leases;
using Spectre.Console;

namespace Broker.Api.Commands.Remote;

/// <summary><c>broker shadow</c>.</summary>
internal static class ShadowCommand
{
    public static Command Create(IAnsiConsole console) => new RemoteOptions().Showing(
        new("shadow", "Shows what sharing would have saved while the broker only observed (shadow mode)."), console,
        (broker, _, cancellation) => broker.GetAsync("api/v1/shadow", cancellation),
        (ShadowShape report) => Write(console, report));

    private static void Write(IAnsiConsole console, ShadowShape report)
    {
        var table = new Table().AddColumns("path", "since", "users made", "shared", "leases now", "shared", "connections now", "shared", "at most", "shared");
        foreach (var row in report.Paths)
        {
            table.AddRow(
                Markup.Escape(row.Path), row.Since.ToString("u", CultureInfo.InvariantCulture), N(row.Users), N(row.UsersShared), N(row.Leases), N(row.LeasesShared),
                N(row.Connections), N(row.ConnectionsShared), N(row.MostConnections), N(row.MostConnectionsShared));
        }

        if (report.Paths.Count == 0) console.WriteLine("Nothing has been read in shadow mode yet (Broker:VaultApi:Upstream:Shadow).");
        else console.Write(table);
    }

    private static string N(long number) => number.ToString("#,0", CultureInfo.InvariantCulture);
}
