using System.CommandLine;
using System.Globalization;
using Broker.Api.Fronts;
using Broker.Api.Fronts.Native.History;
using Spectre.Console;

namespace Broker.Api.Commands.Remote;

/// <summary><c>broker history</c>.</summary>
internal static class HistoryCommand
{
    private const string Blocks = " ▁▂▃▄▅▆▇█";
    private const int Columns = 60;

    public static Command Create(IAnsiConsole console)
    {
        var database = new Argument<string>("database") { Description = "The database." };
        var span = new Option<string>("--span") { Description = "1h, 6h (default), 1d or 7d.", DefaultValueFactory = _ => "6h" };
        return new RemoteOptions().Showing(
            new("history", "Shows a database's connections over time: peaks by role, time until it is full, and who was refused what.") { database, span }, console,
            (broker, result, cancellation) => broker.GetAsync(
                $"api/v1/budgets/{Uri.EscapeDataString(result.GetRequiredValue(database))}/history?span={Uri.EscapeDataString(result.GetRequiredValue(span))}", cancellation),
            (HistoryShape history) => Write(console, history));
    }

    internal static void Write(IAnsiConsole console, HistoryShape history)
    {
        if (history.Stretches.Count == 0)
        {
            console.WriteLine("Nothing has been counted yet.");
            return;
        }

        var fullest = history.Stretches.MaxBy(stretch => stretch.Used)!;
        console.WriteLine(Line(history));
        console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"At most {fullest.Used} in use ({fullest.Granted} granted, {fullest.Foreign} foreign) at {fullest.Start:u}, now {history.Stretches[^1].Used}; at least {history.Stretches.Min(stretch => stretch.Free)} free; {history.Stretches.Sum(stretch => stretch.Refused)} claims refused."));
        console.WriteLine(history.FullInSeconds is { } seconds ? $"Full in {Wording.Span(TimeSpan.FromSeconds(seconds))} at the rate of the last half hour." : "It is not filling up at the present rate.");
        var peaks = new Table().AddColumns("role", "most connections", "at");
        foreach (var peak in history.Peaks) peaks.AddRow(Markup.Escape(peak.Role), peak.Connections.ToString(CultureInfo.InvariantCulture), peak.At.ToString("u", CultureInfo.InvariantCulture));
        if (history.Peaks.Count > 0) console.Write(peaks);
        var refused = new Table().AddColumns("refused", "role", "to whom", "times", "first", "last", "words");
        foreach (var refusal in history.Refusals)
        {
            refused.AddRow(new[]
            {
                refusal.Code, refusal.Role, refusal.Caller, refusal.Count.ToString(CultureInfo.InvariantCulture), refusal.First.ToString("u", CultureInfo.InvariantCulture),
                refusal.Last.ToString("u", CultureInfo.InvariantCulture), refusal.Words,
            }.Select(Markup.Escape).ToArray());
        }

        if (history.Refusals.Count > 0) console.Write(refused);
    }

    // A line of blocks whose height is the part of the limit in use; a dot where nothing was counted.
    internal static string Line(HistoryShape history)
    {
        var (first, last) = (history.Stretches[0].Start, history.Stretches[^1].Start);
        var whole = Math.Max(1, (last - first).TotalSeconds + history.StretchSeconds);
        var most = new double?[Columns];
        foreach (var stretch in history.Stretches)
        {
            var from = (stretch.Start - first).TotalSeconds;
            var end = Math.Min(Columns, (int)Math.Ceiling((from + history.StretchSeconds) / whole * Columns));
            for (var column = (int)(from / whole * Columns); column < end; column++)
                most[column] = Math.Max(most[column] ?? 0, (double)stretch.Used / Math.Max(1, stretch.Limit));
        }

        return string.Concat(most.Select(share => share is { } high ? Blocks[(int)Math.Ceiling(Math.Min(1, high) * (Blocks.Length - 1))] : '·'));
    }
}
