using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Broker.Api.Commands;

/// <summary>An option that is a whole number in a range; anything else is refused in a sentence.</summary>
internal static class NumberOption
{
    public static Option<int> Create(string name, string description, int standard, int least, int most) => new(name)
    {
        Description = $"{description} ({least}-{most}).",
        DefaultValueFactory = _ => standard,
        CustomParser = result => Read(name, result, standard, least, most),
    };

    /// <summary>Reads the value; returns the default where it is refused.</summary>
    public static int Read(string name, ArgumentResult result, int standard, int least, int most)
    {
        var text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most) return value;
        result.AddError($"{name} is '{text}'; write a whole number from {least} to {most}.");
        return standard;
    }
}
