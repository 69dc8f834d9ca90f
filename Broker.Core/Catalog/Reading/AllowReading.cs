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

    private static FrozenDictionary<string, string> Claims(SectionReader entry)
    {
        var claims = new Dictionary<string, string>(StringComparer.Ordinal);
        var leaves = entry.Leaves("Claims").ToList();
        if (leaves.Count == 0)
            entry.Error("Claims", "names no claim: everybody that this issuer knows would be let in.", "Name at least one, e.g. \"namespace\": \"orders\".");
        foreach (var (name, value) in leaves)
        {
            if (int.TryParse(name[(name.LastIndexOf(':') + 1)..], out _))
                entry.Error($"Claims:{name}", "is an entry of a list, but a claim has one value here.", "Write one rule for each value.");
            else if (string.IsNullOrWhiteSpace(value))
                entry.Error($"Claims:{name}", "is empty.", "Write the exact value the token must have.");
            else if (value.Contains('*', StringComparison.Ordinal))
                entry.Error($"Claims:{name}", "holds a *, but values are compared exactly.", "Write one rule for each value.");
            else
                claims[name] = value;
        }

        return claims.ToFrozenDictionary(StringComparer.Ordinal);
    }
}
