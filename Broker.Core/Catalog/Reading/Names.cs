using System.Text.RegularExpressions;

namespace Broker.Core.Catalog.Reading;

/// <summary>Names of databases, roles and issuers: they become parts of user names, ledger keys, URLs and metrics.</summary>
internal static partial class Names
{
    /// <summary>The entries of a group whose keys are names; each bad name is noted.</summary>
    public static IEnumerable<(string Name, SectionReader Reader)> Named(this SectionReader reader, string key)
    {
        foreach (var (name, entry) in reader.Entries(key))
        {
            if (!Name().IsMatch(name))
                entry.Error("", "is not a name.", "Names are 1-63 of a-z 0-9 - _ and start with a letter or digit.");
            yield return (name, entry);
        }
    }

    /// <summary>Notes a reference to something that is not configured.</summary>
    public static void MustName(this SectionReader reader, string key, string name, IEnumerable<string> known, string group)
    {
        var names = known.Order(StringComparer.Ordinal).ToList();
        if (name.Length == 0 || names.Contains(name, StringComparer.Ordinal)) return;
        var meant = names.MinBy(candidate => Spelling.Distance(candidate, name));
        reader.Error(key, $"names nothing under {group}.",
            meant is null ? $"Add an entry to {group} first."
            : Spelling.Distance(meant, name) <= 2 ? $"Did you mean {meant}?"
            : $"Write one of {string.Join(", ", names.Take(20))}.");
    }

    [GeneratedRegex(@"\A[a-z0-9][a-z0-9_-]{0,62}\z")]
    private static partial Regex Name();
}
