using System.Collections.Frozen;

namespace Broker.Core.Catalog.Reading;

internal static class AllowReading
{
    public static IReadOnlyList<AllowRule> Read(SectionReader reader, string key, IReadOnlyCollection<string> identityIssuers)
    {
        var rules = new List<AllowRule>();
        foreach (var (_, entry) in reader.Entries(key))
        {
            var issuer = entry.RequiredText("Issuer", "Write the name of an entry of Broker:Identity:Issuers.");
            entry.MustName("Issuer", issuer, identityIssuers, "Broker:Identity:Issuers");
            rules.Add(new AllowRule(issuer, Claims(entry)));
            entry.RefuseUnknownKeys();
        }

        return rules;
    }

    private static FrozenDictionary<string, ClaimMatch> Claims(SectionReader entry)
    {
        var claims = new Dictionary<string, ClaimMatch>(StringComparer.Ordinal);
        var lists = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        var leaves = entry.Leaves("Claims").ToList();
        if (leaves.Count == 0)
            entry.Error("Claims", "names no claim: everybody with a token of this issuer would be let in.", "Name at least one, e.g. \"namespace\": \"orders\".");
        foreach (var (name, value) in leaves)
        {
            if (string.IsNullOrWhiteSpace(value))
                entry.Error($"Claims:{name}", "is empty.", "Write the value the token must have.");
            else if (ListOf(name) is { } list)
                AddToList(entry, name, value, lists, list);
            else if (ClaimMatch.TryParse(value, out var match, out var why))
                claims[name] = match;
            else
                entry.Error($"Claims:{name}", why, "Write the exact value, a prefix such as \"team/*\" that ends with one of / : . - _ @ | and the *, or a list of exact values.");
        }

        foreach (var (name, values) in lists)
        {
            if (claims.ContainsKey(name)) entry.Error($"Claims:{name}", "is both a string and a list.", "Keep one of the two.");
            claims[name] = ClaimMatch.AnyOf(values);
        }

        return claims.ToFrozenDictionary(StringComparer.Ordinal);
    }

    // The configuration system writes the entries of a list as children named 0, 1, …
    private static string? ListOf(string name) =>
        name.LastIndexOf(':') is var at and > 0 && int.TryParse(name[(at + 1)..], out _) ? name[..at] : null;

    private static void AddToList(SectionReader entry, string name, string value, Dictionary<string, List<string>> lists, string list)
    {
        if (!lists.TryGetValue(list, out var values)) lists[list] = values = [];
        if (value.Contains('*', StringComparison.Ordinal))
            entry.Error($"Claims:{name}", "holds a *, but the values of a list are compared exactly.", "Write a rule of its own for a prefix.");
        else if (values.Contains(value, StringComparer.Ordinal))
            entry.Error($"Claims:{name}", "is already in the list.", "Remove it.");
        else
            values.Add(value);
    }
}
