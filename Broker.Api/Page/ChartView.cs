using System.Globalization;
using System.Text;
using Broker.Api.Fronts;
using Broker.Core.Leases.History;
using Broker.Core.Ledger;

namespace Broker.Api.Page;

/// <summary>A database's history as a chart: foreign connections, granted ones on top, and a line for the most that could be in use.</summary>
/// <param name="Foreign">The points of the lower area.</param>
/// <param name="Granted">The points of the upper area.</param>
/// <param name="Most">The points of the line.</param>
/// <param name="Words">The same as text, for screen readers.</param>
public sealed record ChartView(string Foreign, string Granted, string Most, string Words)
{
    /// <summary>The drawing's width.</summary>
    public const int Width = 600;

    /// <summary>The drawing's height.</summary>
    public const int Height = 60;

    private const int Columns = 60;

    /// <summary>Draws a history; null: nothing was counted.</summary>
    public static ChartView? Of(DatabaseHistory history)
    {
        var counted = history.Record.Stretches.Where(stretch => stretch.Limit >= 0).ToArray();
        if (counted.Length == 0 || history.Fullest is not { } fullest) return null;
        var whole = history.Span switch { HistorySpan.Hour => 1.0, HistorySpan.SixHours => 6, HistorySpan.Day => 24, _ => 168 } * 3600;
        var end = history.Record.Now;
        var columns = counted
            .GroupBy(stretch => Math.Clamp((int)(Columns - 1 - Math.Floor((end - stretch.Start).TotalSeconds / whole * Columns)), 0, Columns - 1))
            .OrderBy(column => column.Key)
            .Select(column => (At: column.Key, Foreign: column.Max(each => each.Foreign), Granted: column.Max(each => each.Granted), Most: column.Max(each => each.Foreign + each.Capacity)))
            .ToArray();
        var high = Math.Max(1, columns.Max(column => Math.Max(column.Foreign + column.Granted, column.Most)));
        StringBuilder foreign = new(), granted = new(), back = new(), most = new();
        foreach (var column in columns)
        {
            var (left, right) = (X(column.At), X(column.At + 1));
            Add(foreign, left, Y(column.Foreign), right);
            Add(granted, left, Y(column.Foreign + column.Granted), right);
            Add(most, left, Y(column.Most), right);
        }

        foreach (var column in columns.Reverse()) Add(back, X(column.At + 1), Y(column.Foreign), X(column.At));
        var (first, last) = (X(columns[0].At), X(columns[^1].At + 1));
        return new(
            $"{Text(first)},{Height} {foreign}{Text(last)},{Height}", $"{granted}{back}", most.ToString().TrimEnd(),
            $"{history.Database} over the last {Span(history.Span)}: at most {Wording.Number(fullest.Used)} connections in use at {PageText.Moment(fullest.Start)}, now {Wording.Number(counted[^1].Used)}; at least {Wording.Number(counted.Min(stretch => stretch.Free))} free; at most {Wording.Number(counted.Max(stretch => stretch.Waiting))} claims waiting; {Wording.Number(history.Refused)} refused.");

        double X(int column) => (double)column * Width / Columns;

        double Y(int connections) => Height - ((double)connections * (Height - 2) / high);
    }

    /// <summary>How far back a span goes, in words.</summary>
    public static string Span(HistorySpan span) => span switch { HistorySpan.Hour => "hour", HistorySpan.SixHours => "6 hours", HistorySpan.Day => "day", _ => "week" };

    private static void Add(StringBuilder points, double left, double y, double right) =>
        points.Append(Text(left)).Append(',').Append(Text(y)).Append(' ').Append(Text(right)).Append(',').Append(Text(y)).Append(' ');

    private static string Text(double number) => number.ToString("0.#", CultureInfo.InvariantCulture);
}
