using System.CommandLine;
using System.Globalization;

namespace Broker.Api.Commands;

/// <summary>An option that is a whole number in a range; anything else is refused in a sentence.</summary>
internal static class NumberOption
{
    public static Option<int> Create(string name, string description, int standard, int least, int most) => new(name)
    {
        Description = $"{description} ({least}-{most}).",
        DefaultValueFactory = _ => standard,
        CustomParser = result =>
        {
            var text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
            if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most) return value;
            result.AddError($"{name} is '{text}'; write a whole number from {least} to {most}.");
            return standard;
        },
    };
}
