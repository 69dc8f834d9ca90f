using System.CommandLine;
using System.Globalization;
using Broker.Api.Fronts.Native.Budgets;
using Broker.Core.Budgets;
using Spectre.Console;

namespace Broker.Api.Commands.Remote;

/// <summary><c>broker budgets</c>, <c>broker forecast</c> and <c>broker ceiling</c>.</summary>
internal static class BudgetCommands
{
    public static Command Budgets(IAnsiConsole console) => new RemoteOptions().Showing(
        new("budgets", "Shows the connections of every database."), console,
        (broker, _, cancellation) => broker.GetAsync("api/v1/budgets", cancellation),
        (BudgetsShape budgets) => Write(console, budgets));

    public static Command Forecast(IAnsiConsole console)
    {
        var database = new Option<string>("--database") { Description = "The database.", Required = true };
        var pods = new Option<int>("--pods") { Description = "Pods that run after the rollout.", Required = true };
        var connections = new Option<int>("--connections") { Description = "Connections that each pod opens: its pool's size.", Required = true };
        var role = new Option<string?>("--role") { Description = "The role that the pods claim; what its pods hold already counts towards the rollout." };
        var surge = new Option<string>("--surge") { Description = "Extra pods during the rollout, like Kubernetes' maxSurge: a number, or a percentage such as 25%.", DefaultValueFactory = _ => $"{PlannedRollout.UsualSurgePercent}%" };
        var at = new Option<string?>("--at") { Description = "The time of day in UTC at which the rollout begins, such as 02:30. The forecast then uses the connections at that time in the last week. Default: now." };
        var command = new Command("forecast", "Tells whether a rollout would fit. Exit code 0 when it fits, 1 when it does not, so that a pipeline can decide by it.") { database, pods, connections, role, surge, at };
        return new RemoteOptions().Showing(
            command, console,
            (broker, result, cancellation) =>
            {
                var (number, percent) = SurgeOf(result.GetRequiredValue(surge));
                return broker.SendAsync(
                    HttpMethod.Post,
                    $"api/v1/budgets/{Uri.EscapeDataString(result.GetRequiredValue(database))}/forecast",
                    new ForecastBody(result.GetValue(pods), result.GetValue(connections), result.GetValue(role), number, percent, result.GetValue(at)),
                    cancellation);
            },
            (ForecastShape forecast) =>
            {
                console.Write(new Text(forecast.Fits ? "It fits. " : "It does not fit. ", new Style(forecast.Fits ? Color.Green : Color.Red)));
                console.WriteLine(forecast.Summary);
            },
            static forecast => !forecast.Fits);
    }

    public static Command Ceiling(IAnsiConsole console)
    {
        var database = new Argument<string>("database") { Description = "The database." };
        var connections = new Argument<string>("connections") { Description = "The most connections that may be promised, or 'configured' to restore the configured ceiling." };
        var reason = OrderCommands.Reason();
        return new RemoteOptions().Ordering(
            new("ceiling", "Overrides a database's configured ceiling.") { database, connections, reason }, console,
            async (broker, result, cancellation) =>
            {
                var text = result.GetRequiredValue(connections);
                int? ceiling = text == "configured" ? null
                    : int.TryParse(text, CultureInfo.InvariantCulture, out var number) ? number
                    : throw new RemoteException($"'{text}' is neither a number of connections nor 'configured'; write one of the two.");
                await broker.SendAsync(
                    HttpMethod.Put, $"api/v1/budgets/{Uri.EscapeDataString(result.GetRequiredValue(database))}/ceiling",
                    new { ceiling, reason = result.GetRequiredValue(reason) }, cancellation);
                return "The ceiling takes effect with the next count of connections.";
            });
    }

    private static (int? Number, int? Percent) SurgeOf(string text)
    {
        var percent = text.EndsWith('%');
        return int.TryParse(percent ? text[..^1] : text, CultureInfo.InvariantCulture, out var number) && number >= 0
            ? percent ? (null, number) : (number, null)
            : throw new RemoteException($"'{text}' is not a surge; write a number of pods or a percentage such as 25%.");
    }

    private static void Write(IAnsiConsole console, BudgetsShape budgets)
    {
        var table = new Table().AddColumns("database", "limit", "ceiling", "foreign", "capacity", "granted", "open", "free", "kept", "waiting", "counted");
        var said = new List<string>();
        foreach (var budget in budgets.Budgets)
        {
            // While the count is stale nothing is granted, however much was free at the last count.
            table.AddRow(
                Markup.Escape(budget.Database), N(budget.Limit), N(budget.Ceiling), N(budget.Foreign), N(budget.Capacity), N(budget.Granted), N(budget.Open),
                budget.Stale ? "[red]stale[/]" : N(budget.Free), Kept(budget), N(budget.Waiting), budget.SampledAt?.ToString("u", CultureInfo.InvariantCulture) ?? "never");
            foreach (var role in budget.Roles)
                table.AddRow(Markup.Escape($"  {role.Role}"), "", "", role.Over > 0 ? $"[red]{N(role.Over)} over[/]" : "", $"{N(role.Holders)} holders", N(role.Connections), N(role.Open), "", "", "", "");
            if (budget.CeilingOrder is { } order)
                said.Add($"The ceiling of {budget.Database} was set to {N(order.Ceiling)}{(order.By.Length > 0 ? $" by {order.By}" : "")}{(order.Since is { } since ? $" at {since.ToString("u", CultureInfo.InvariantCulture)}" : "")}{(order.Reason.Length > 0 ? $": {order.Reason}" : "")}. `broker ceiling {budget.Database} configured` restores the configured one.");
            if (budget.Pooler is { } pooler) said.Add($"{budget.Database}: {pooler.InWords()}");
        }

        console.Write(table);
        foreach (var sentence in said) console.WriteLine(sentence);
    }

    // Free connections that are kept for parties with a guarantee, and connections of the server kept for its other databases.
    private static string Kept(BudgetShape budget) => budget.KeptElsewhere > 0 ? $"{N(budget.Kept)} + {N(budget.KeptElsewhere)} elsewhere" : N(budget.Kept);

    private static string N(int number) => number.ToString(CultureInfo.InvariantCulture);
}
