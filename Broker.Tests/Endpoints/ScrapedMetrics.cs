using System.Globalization;

namespace Broker.Tests.Endpoints;

/// <summary>The numbers in what <c>/metrics</c> answers.</summary>
/// <param name="text">The answer.</param>
internal sealed class ScrapedMetrics(string text)
{
    /// <summary>Asks for them.</summary>
    public static async Task<ScrapedMetrics> OfAsync(HttpClient viewer, CancellationToken cancellation) => new(await viewer.GetStringAsync(new Uri("/metrics", UriKind.Relative), cancellation));

    /// <summary>A number; null: there is none of that name with a tag of one of these values.</summary>
    public int? Number(string name, params string[] tagged)
    {
        var line = text.Split('\n').FirstOrDefault(line => line.StartsWith(name + "{", StringComparison.Ordinal) && tagged.Any(value => line.Contains($"\"{value}\"", StringComparison.Ordinal)));
        return line is null ? null : (int)double.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture);
    }
}
