using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace LoadTests;

/// <summary>Options of the kinds that the commands share.</summary>
internal static class CommandOptions
{
    public static Option<int> Number(string name, string description, int standard, int least, int most)
    {
        var option = new Option<int>(name) { Description = $"{description} ({least}-{most})", DefaultValueFactory = _ => standard };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<int>() is var value && (value < least || value > most))
                result.AddError($"{name} is {value}; it can be {least} to {most}.");
        });
        return option;
    }

    public static Option<string> Choice(string name, string description, params string[] values)
    {
        var option = new Option<string>(name) { Description = description, DefaultValueFactory = _ => values[0] };
        option.AcceptOnlyFromAmong(values);
        return option;
    }

    public static Option<TimeSpan> Duration(string name, string description, TimeSpan standard) => new(name)
    {
        Description = description,
        DefaultValueFactory = _ => standard,
        CustomParser = result => ParseDuration(name, result),
    };

    private static TimeSpan ParseDuration(string name, ArgumentResult result)
    {
        var text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
        (string Unit, double Seconds)[] units = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)];
        foreach (var (unit, seconds) in units)
        {
            if (text.EndsWith(unit, StringComparison.Ordinal)
                && double.TryParse(text[..^unit.Length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var count)
                && count * seconds <= TimeSpan.FromDays(1).TotalSeconds)
                return TimeSpan.FromSeconds(count * seconds);
        }

        result.AddError($"{name} is '{text}'; write a time such as 500ms, 5s, 2m or 1h, a day at most.");
        return default;
    }
}
