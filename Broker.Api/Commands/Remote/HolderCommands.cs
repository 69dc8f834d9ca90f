using System.CommandLine;
using System.Globalization;
using Broker.Api.Fronts.Native.Holdings;
using Broker.Core.Operators.Holdings;
using Spectre.Console;

namespace Broker.Api.Commands.Remote;

/// <summary><c>broker holders</c>, <c>broker others</c> and <c>broker line</c>: who has connections, and who waits for some.</summary>
internal static class HolderCommands
{
    public static Command Holders(IAnsiConsole console)
    {
        var lease = new Argument<string?>("lease") { Description = "The lease's id. Default: all leases.", Arity = ArgumentArity.ZeroOrOne };
        Option<string?>[] filters =
        [
            new("--database") { Description = "Only this database's." },
            new("--search") { Description = "Text that a holder's name, id, node, user or team contains." },
            new("--namespace") { Description = "Its namespace." },
            new("--team") { Description = "Its team." },
            new("--role") { Description = "Its role." },
            new("--node") { Description = "The node it runs on." },
            new("--sort") { Description = $"One of {string.Join(", ", HoldingFilter.Sorts)}. Default: {new HoldingFilter().Sort}." },
            new("--page") { Description = "Which page, from 1." },
        ];
        var over = new Option<bool>("--over") { Description = "Only holders with more connections open than granted." };
        var command = new Command("holders", "Lists who holds connections: granted, open now, idle, idle in a transaction.") { lease, over };
        foreach (var filter in filters) command.Options.Add(filter);
        return new RemoteOptions().Showing(
            command, console,
            (broker, result, cancellation) =>
            {
                var query = new List<string> { "pageSize=100" };
                foreach (var filter in filters) Add(filter.Name[2..], result.GetValue(filter));
                Add("lease", result.GetValue(lease));
                if (result.GetValue(over)) Add("over", "true");
                return broker.GetAsync("api/v1/holders?" + string.Join('&', query), cancellation);

                void Add(string name, string? value)
                {
                    if (value is not null) query.Add($"{name}={Uri.EscapeDataString(value)}");
                }
            },
            (HoldingsShape found) => Write(console, found));
    }

    public static Command Others(IAnsiConsole console)
    {
        var database = new Argument<string>("database") { Description = "The database." };
        return new RemoteOptions().Showing(
            new("others", "Lists who else has connections to a database: user, program and address.") { database }, console,
            (broker, result, cancellation) => broker.GetAsync($"api/v1/budgets/{Uri.EscapeDataString(result.GetRequiredValue(database))}/others", cancellation),
            (OthersShape found) => Write(console, found));
    }

    public static Command Line(IAnsiConsole console)
    {
        var database = new Argument<string>("database") { Description = "The database." };
        return new RemoteOptions().Showing(
            new("line", "Lists who waits in line for a database's connections: for how many, and since when.") { database }, console,
            (broker, result, cancellation) => broker.GetAsync($"api/v1/budgets/{Uri.EscapeDataString(result.GetRequiredValue(database))}/line", cancellation),
            (LineShape line) =>
            {
                var table = new Table().AddColumns("who", "wants", "at least", "since", "until", "holder");
                foreach (var one in line.Waiting)
                    table.AddRow(new[] { one.Caller, N(one.Want), N(one.Least), Time(one.Since), Time(one.Until), one.Holder }.Select(Markup.Escape).ToArray());
                console.Write(table);
            });
    }

    private static void Write(IAnsiConsole console, HoldingsShape found)
    {
        var table = new Table().AddColumns("who", "team", "role", "node", "granted", "open", "over", "idle", "idle in tx", "longest query", "since", "ends", "holder");
        foreach (var holder in found.Holders)
        {
            table.AddRow(new[]
            {
                holder.Caller, holder.Team ?? "", holder.Role, holder.Node ?? "", N(holder.Granted) + (holder.Moving > 0 ? $" (+{N(holder.Moving)} moving)" : ""),
                holder.Waiting ? "waits for its login" : holder.Open is { } open ? N(open.Connections) : "not known", holder.Over > 0 ? N(holder.Over) : "",
                holder.Open is { } now ? N(now.Idle) : "", holder.Open is { IdleInTransaction: > 0 } idle ? $"{N(idle.IdleInTransaction)}, {Seconds(idle.LongestIdleInTransactionSeconds)}" : "",
                Seconds(holder.Open?.LongestQuerySeconds), Time(holder.Since), Time(holder.EndsAt), holder.Id,
            }.Select(Markup.Escape).ToArray());
        }

        console.Write(table);
        console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{found.Total} holders, page {found.Page} of {found.Pages}."));
        foreach (var unseen in found.Unseen) console.WriteLine($"The open connections of {unseen.Database} are not known: {unseen.Why}");
    }

    private static void Write(IAnsiConsole console, OthersShape found)
    {
        var table = new Table().AddColumns("user", "program", "address", "of role", "open", "idle", "idle in tx", "longest query");
        foreach (var other in found.Others)
        {
            table.AddRow(new[]
            {
                other.Username ?? "not known", other.Program ?? "", other.Address ?? "", other.Role ?? "", N(other.Open.Connections), N(other.Open.Idle),
                other.Open.IdleInTransaction > 0 ? $"{N(other.Open.IdleInTransaction)}, {Seconds(other.Open.LongestIdleInTransactionSeconds)}" : "", Seconds(other.Open.LongestQuerySeconds),
            }.Select(Markup.Escape).ToArray());
        }

        console.Write(table);
        if (found.Unseen is { } why) console.WriteLine($"The open connections of {found.Database} are not known: {why}");
    }

    private static string N(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static string Seconds(double? seconds) => seconds is { } known ? string.Create(CultureInfo.InvariantCulture, $"{known:0} s") : "";

    private static string Time(DateTimeOffset? time) => time?.ToString("u", CultureInfo.InvariantCulture) ?? "";
}
