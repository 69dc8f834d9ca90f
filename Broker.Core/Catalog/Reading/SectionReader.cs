using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Broker.Core.Catalog.Reading;

/// <summary>
/// Reads one section: every value has its range and default where it is read, every mistake is noted instead of
/// thrown, and at the end every key that was not read is a mistake too. The standard binder is not used because it stops at
/// its first mistake and quotes the offending value, which may be a secret.
/// </summary>
internal sealed class SectionReader(IConfiguration section, string path, Findings findings)
{
    private readonly SortedSet<string> known = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Notes the file whose content went into the reading.</summary>
    public void Took(string file) => findings.Files.Add(file);

    /// <summary>Whether the key is present at all, with a value or with children.</summary>
    public bool Has(string key) => Section(key) is var child && (child.Value is { Length: > 0 } || child.GetChildren().Any());

    /// <summary>Whether a group is present at all, even if it is empty: <c>{}</c> asks for its defaults.</summary>
    public bool HasGroup(string key) => Has(key) || section.GetChildren().Any(child => child.Value is null && string.Equals(child.Key, key, StringComparison.OrdinalIgnoreCase));

    public void Error(string key, string problem, string mend) =>
        findings.Errors.Add(new CatalogError(key.Length == 0 ? path : $"{path}:{key}", problem, mend));

    /// <summary>A string, or null when it is missing or empty.</summary>
    public string? Text(string key)
    {
        var child = Section(key);
        if (child.GetChildren().Any())
        {
            Error(key, "has values below it, but must be a single string.", "Write one value.");
            return null;
        }

        return string.IsNullOrWhiteSpace(child.Value) ? null : child.Value.Trim();
    }

    /// <summary>A required string; the empty string when it is missing (noted).</summary>
    public string RequiredText(string key, string mend)
    {
        var child = Section(key);
        var text = Text(key);
        if (text is null && !child.GetChildren().Any()) Error(key, "is missing.", mend);
        return text ?? "";
    }

    public int Int(string key, int fallback, int min, int max) => OptionalInt(key, min, max) ?? fallback;

    public int? OptionalInt(string key, int min, int max)
    {
        if (Text(key) is not { } text) return null;
        if (!int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value))
            Error(key, "is not a whole number.", $"Write a number from {min} to {max}.");
        else if (value < min || value > max)
            Error(key, $"is {value}, out of range.", $"Write a number from {min} to {max}.");
        else
            return value;
        return null;
    }

    /// <summary>A number by name, e.g. { "orders": 10 }.</summary>
    public IReadOnlyDictionary<string, int> Numbers(string key, int min, int max)
    {
        var group = Child(key);
        return Section(key).GetChildren()
            .Select(child => (child.Key, Value: group.OptionalInt(child.Key, min, max)))
            .Where(entry => entry.Value is not null)
            .ToDictionary(entry => entry.Key, entry => entry.Value!.Value, StringComparer.Ordinal);
    }

    public double Number(string key, double fallback, double min, double max)
    {
        if (Text(key) is not { } text) return fallback;
        var range = string.Create(CultureInfo.InvariantCulture, $"Write a number from {min} to {max}.");
        if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) || !double.IsFinite(value))
            Error(key, "is not a number.", range);
        else if (value < min || value > max)
            Error(key, string.Create(CultureInfo.InvariantCulture, $"is {value}, out of range."), range);
        else
            return value;
        return fallback;
    }

    public bool Flag(string key, bool fallback)
    {
        if (Text(key) is not { } text) return fallback;
        if (bool.TryParse(text, out var value)) return value;
        Error(key, "is neither true nor false.", "Write true or false.");
        return fallback;
    }

    public TimeSpan Duration(string key, TimeSpan fallback, TimeSpan min, TimeSpan max)
    {
        if (Text(key) is not { } text) return fallback;

        // Only the strict format: otherwise "30" would mean 30 days, and "24:00:00" 24 days.
        if (!TimeSpan.TryParseExact(text, "c", CultureInfo.InvariantCulture, out var value) || !text.Contains(':', StringComparison.Ordinal))
            Error(key, "is not a duration.", $"Write hh:mm:ss, or d.hh:mm:ss for a day or more, from {min:c} to {max:c}.");
        else if (value < min || value > max)
            Error(key, $"is {value:c}, out of range.", $"Write a duration from {min:c} to {max:c}.");
        else
            return value;
        return fallback;
    }

    /// <summary>One of an enumeration's names; null when missing or wrong (noted).</summary>
    public T? Choice<T>(string key) where T : struct, Enum
    {
        if (Text(key) is not { } text) return null;
        if (!char.IsAsciiLetter(text[0]) || !Enum.TryParse<T>(text, ignoreCase: true, out var value) || !Enum.IsDefined(value))
        {
            Error(key, "is not one of the known values.", $"Write one of {string.Join(", ", Enum.GetNames<T>())}.");
            return null;
        }

        return value;
    }

    /// <summary>A list of strings; null when the key is missing.</summary>
    public IReadOnlyList<string>? Texts(string key)
    {
        if (!Has(key)) return null;
        var child = Section(key);
        if (child.Value is { Length: > 0 })
        {
            Error(key, "is a single string, but must be a list.", "Write it as [ \"…\" ].");
            return null;
        }

        var texts = new List<string>();
        foreach (var item in child.GetChildren())
        {
            if (item.GetChildren().Any() || string.IsNullOrWhiteSpace(item.Value))
                Error($"{key}:{item.Key}", "is not a string.", "Write a non-empty string, or remove the entry.");
            else
                texts.Add(item.Value);
        }

        return texts;
    }

    /// <summary>Whether the key is missing, or an empty list.</summary>
    public bool IsEmpty(string key) => string.IsNullOrEmpty(Section(key).Value) && !Section(key).GetChildren().Any();

    /// <summary>The section below a key; also when the key is missing, so that defaults apply.</summary>
    public SectionReader Child(string key)
    {
        if (Section(key).Value is { Length: > 0 })
            Error(key, "is a single value, but must be a group of settings.", "Write it as { … }.");
        return new SectionReader(Section(key), $"{path}:{key}", findings);
    }

    /// <summary>The entries of a list, or of a group whose keys are names, in the order of the configuration.</summary>
    public IEnumerable<(string Key, SectionReader Reader)> Entries(string key)
    {
        Child(key);
        foreach (var child in Section(key).GetChildren())
        {
            if (child.Value is { Length: > 0 })
                Error($"{key}:{child.Key}", "is a single value, but must be a group of settings.", "Write it as { … }.");
            yield return (child.Key, new SectionReader(child, $"{path}:{key}:{child.Key}", findings));
        }
    }

    /// <summary>
    /// The leaves below a key by their full names. The configuration system splits a name with a colon (<c>cognito:groups</c>, a URL)
    /// into parts; they are joined again here.
    /// </summary>
    public IEnumerable<(string Name, string? Value)> Leaves(string key)
    {
        static IEnumerable<(string, string?)> Below(IConfigurationSection at, string prefix)
        {
            foreach (var child in at.GetChildren())
            {
                var name = prefix.Length == 0 ? child.Key : $"{prefix}:{child.Key}";
                if (child.Value is { Length: > 0 } || !child.GetChildren().Any()) yield return (name, child.Value);
                foreach (var leaf in Below(child, name)) yield return leaf;
            }
        }

        return Below(Section(key), "");
    }

    /// <summary>Call last: notes every key that was not read as a mistake.</summary>
    public void RefuseUnknownKeys()
    {
        foreach (var child in section.GetChildren().Where(child => !known.Contains(child.Key)))
        {
            var meant = known.MinBy(name => Spelling.Distance(name, child.Key));
            Error(child.Key, "is not a known setting.",
                meant is not null && Spelling.Distance(meant, child.Key) <= 2
                    ? $"Did you mean {meant}?"
                    : $"Remove it; the settings known here are {string.Join(", ", known)}.");
        }
    }

    private IConfigurationSection Section(string key)
    {
        known.Add(key);
        return section.GetSection(key);
    }
}
