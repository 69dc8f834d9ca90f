using Spectre.Console;

namespace LoadTests;

/// <summary>A table of figures: names on the left, numbers on the right of their columns, and no drawn lines where the output is not a terminal.</summary>
internal static class FigureTable
{
    /// <summary>An empty one.</summary>
    /// <param name="console">Where it is written.</param>
    /// <param name="first">What stands above the names.</param>
    /// <param name="columns">What stands above the figures.</param>
    public static Table New(IAnsiConsole console, string first, params string[] columns)
    {
        var table = new Table().Border(console.Profile.Out.IsTerminal ? TableBorder.Rounded : TableBorder.Ascii).AddColumn(first);
        foreach (var column in columns) table.AddColumn(new TableColumn(column).RightAligned());
        return table;
    }
}
