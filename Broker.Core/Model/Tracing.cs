using System.Diagnostics;

namespace Broker.Core.Model;

/// <summary>
/// The spans of a claim and of an issue, within the web server's own span of the request; nothing is made while nobody listens.
/// docs/operations.md lists them.
/// </summary>
internal static class Tracing
{
    /// <summary>The source's name, which is the meter's as well.</summary>
    public const string Name = "Broker";

    private static readonly ActivitySource Source = new(Name);

    /// <summary>Begins a step; null: nobody listens.</summary>
    public static Activity? Start(string step) => Source.StartActivity(step);
}
