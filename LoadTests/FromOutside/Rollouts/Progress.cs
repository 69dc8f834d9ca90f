using System.Globalization;
using Spectre.Console;

namespace LoadTests.FromOutside.Rollouts;

/// <summary>Says how far a rollout is: a live table on a terminal, a line a second elsewhere.</summary>
internal static class Progress
{
    public static async Task ShowAsync(
        IAnsiConsole console, RolloutSettings settings, Tally tally, DatabaseWatch? watch, Task run, TimeProvider time)
    {
        if (console.Profile.Out.IsTerminal)
        {
            await console.Live(Draw(settings, tally, watch)).AutoClear(true).StartAsync(async live =>
            {
                while (await RunsAfterAsync(TimeSpan.FromMilliseconds(100), run, time))
                    live.UpdateTarget(Draw(settings, tally, watch));
            });
            return;
        }

        while (await RunsAfterAsync(TimeSpan.FromSeconds(1), run, time))
        {
            // Not through Spectre, which would wrap it.
            await console.Profile.Out.Writer.WriteLineAsync(
                string.Join("  ", Facts(settings, tally, watch).Select(fact => $"{fact.Name} {fact.Value}")));
        }
    }

    private static Table Draw(RolloutSettings settings, Tally tally, DatabaseWatch? watch)
    {
        var table = new Table().Border(TableBorder.Rounded).HideHeaders().AddColumn("").AddColumn(new TableColumn("").RightAligned());
        foreach (var (name, value) in Facts(settings, tally, watch))
            table.AddRow(Markup.Escape(name), Markup.Escape(value));
        return table;
    }

    private static IEnumerable<(string Name, string Value)> Facts(RolloutSettings settings, Tally tally, DatabaseWatch? watch)
    {
        yield return ("seconds", tally.Elapsed.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture));
        yield return ("pods at work", $"{tally.Working - tally.Left}/{settings.Pods}");
        yield return ("told to come back", Number(tally.Refusals.Values.Sum()));
        yield return ("connections opened", Number(tally.ConnectionsOpened));
        yield return ("refused", Number(tally.ConnectionsRefused));
        if (watch is not null)
        {
            yield return ("in the database", $"{Number(watch.Connections)}/{Number(watch.Limit)}");
            yield return ("users created", Number(watch.UsersCreated));
        }
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static async Task<bool> RunsAfterAsync(TimeSpan pause, Task run, TimeProvider time)
    {
        using var stop = new CancellationTokenSource();
        await Task.WhenAny(run, Task.Delay(pause, time, stop.Token));
        await stop.CancelAsync();
        return !run.IsCompleted;
    }
}
