using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Broker.Api.Commands;

namespace LoadTests;

/// <summary>Options of the kinds that the commands share.</summary>
internal static class CommandOptions
{
    public static Option<int> Number(string name, string description, int standard, int least, int most) => NumberOption.Create(name, description, standard, least, most);

    /// <summary>Several numbers, as words of their own or with commas or bars between them, as help prints those that hold when nothing is said.</summary>
    public static Option<int[]> Numbers(string name, string description, params int[] standard) => new(name)
    {
        Description = description,
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => standard,
        CustomParser = result => ParseNumbers(name, result),
    };

    /// <inheritdoc cref="Numbers(string, string, int[])"/>
    public static Option<int[]> NumbersWithin(string name, string description, int least, int most, params int[] standard)
    {
        var option = Numbers(name, $"{description} ({least}-{most}).", standard);
        option.CustomParser = result =>
        {
            var numbers = ParseNumbers(name, result);
            if (!result.Errors.Any() && numbers.Any(number => number < least || number > most)) result.AddError($"{name} is '{string.Join(' ', result.Tokens)}'; write whole numbers from {least} to {most}.");
            return numbers;
        };
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

    private static int[] ParseNumbers(string name, ArgumentResult result)
    {
        var numbers = new List<int>();
        foreach (var word in result.Tokens.SelectMany(static token => token.Value.Split('|', ',')))
        {
            if (int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) numbers.Add(number);
            else result.AddError($"{name} is '{word}'; write whole numbers.");
        }

        return [.. numbers];
    }

    private static TimeSpan ParseDuration(string name, ArgumentResult result)
    {
        var text = result.Tokens.Count == 1 ? result.Tokens[0].Value : "";
        // As help prints what holds when nothing is said.
        if (TimeSpan.TryParseExact(text, "c", CultureInfo.InvariantCulture, out var printed) && printed >= TimeSpan.Zero && printed <= TimeSpan.FromDays(1)) return printed;
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
