namespace Broker.Core.Catalog.Reading;

/// <summary>Reads how long sessions live, and what callers and teams may take.</summary>
internal static class SharesReading
{
    private const int Most = 1_000_000;

    public static SessionSettings Sessions(SectionReader reader)
    {
        var defaults = new SessionSettings();
        var max = reader.Duration("MaxLifetime", defaults.MaxLifetime, TimeSpan.FromMinutes(1), TimeSpan.FromDays(7));
        var sessions = new SessionSettings
        {
            MaxLifetime = max,
            Lifetime = reader.Duration("Lifetime", defaults.Lifetime < max ? defaults.Lifetime : max, TimeSpan.FromMinutes(1), max),
            Most = reader.Int("Most", defaults.Most, 1, Most),
        };
        reader.RefuseUnknownKeys();
        return sessions;
    }

    public static IReadOnlyList<Team> Teams(SectionReader reader, IReadOnlyCollection<string> identityIssuers)
    {
        var teams = new List<Team>();
        foreach (var (name, entry) in reader.Named("Teams"))
        {
            var members = AllowReading.Read(entry, "Members", identityIssuers);
            if (members.Count == 0 && !entry.Entries("Members").Any())
                entry.Error("Members", "is empty: nobody is in this team.", "Name at least one { \"Issuer\": …, \"Claims\": { … } }.");
            teams.Add(new(name, members, Limits(entry, last: false)) { Division = Division(entry) });
            entry.RefuseUnknownKeys();
        }

        return teams;
    }

    private static TeamDivision? Division(SectionReader reader)
    {
        var division = new TeamDivision(
            reader.Int("Weight", 1, 1, RoleReading.MaxWeight),
            reader.Int("Priority", 0, 0, RoleReading.MaxPriority),
            reader.Numbers("Guaranteed", 0, RoleReading.MaxConnections));
        return division is { Weight: 1, Priority: 0, Guaranteed.Count: 0 } ? null : division;
    }

    public static ShareLimits Limits(SectionReader reader, bool last)
    {
        var rate = reader.Number("ClaimsPerSecond", 0, 0, Most);
        var limits = new ShareLimits
        {
            ClaimsPerSecond = rate,
            Burst = reader.Int("Burst", Math.Max(1, (int)(rate * 2)), 1, Most),
            Holders = reader.Int("Holders", 0, 0, Most),
            Connections = reader.Int("Connections", 0, 0, Most),
        };
        if (rate == 0 && reader.Has("Burst")) reader.Error("Burst", "is set without ClaimsPerSecond, so nothing would use it.", "Remove it.");
        if (last) reader.RefuseUnknownKeys();
        return limits;
    }
}
