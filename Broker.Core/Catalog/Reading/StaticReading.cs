using Broker.Core.Model;

namespace Broker.Core.Catalog.Reading;

/// <summary>Reads <c>Static</c> of a role.</summary>
internal static class StaticReading
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Longest = TimeSpan.FromDays(365);
    private static readonly TimeSpan ShortestWindow = TimeSpan.FromHours(1);

    /// <summary>The two users of a static role; null: it is none.</summary>
    public static StaticUsers? Read(SectionReader role)
    {
        if (!role.HasGroup("Static")) return null;
        var reader = role.Child("Static");
        var users = reader.Texts("Usernames") ?? [];
        if (users.Count != 2 || users[0] == users[1])
            reader.Error("Usernames", $"has {users.Distinct(StringComparer.Ordinal).Count()} users.", "Write two existing users with the same rights: they take turns, so that no rotation cuts anybody off.");
        for (var i = 0; i < users.Count; i++)
        {
            if (users[i].Any(char.IsControl)) reader.Error($"Usernames:{i}", "contains a control character.", "Name another user.");
        }

        var rotation = RotationOf(reader);
        reader.RefuseUnknownKeys();
        return new(users, rotation);
    }

    /// <summary>How long a holder of a static role lives without its own time: until it should have read again, 30 seconds to 7 days.</summary>
    public static TimeSpan HolderTtlOf(Rotation rotation)
    {
        var (own, spare) = rotation.TurnsFrom(DateTimeOffset.UnixEpoch);
        return TimeSpan.FromTicks(Math.Clamp(Math.Max(own.Ticks, spare.Ticks), TimeSpan.FromSeconds(30).Ticks, TimeSpan.FromDays(7).Ticks));
    }

    /// <summary>Notes settings that are incompatible with it.</summary>
    public static void Check(Role role, IssuerDefinition? issuer, DatabaseEngineKind? engine, SectionReader reader)
    {
        if (issuer is not null and not BuiltInIssuerDefinition)
            reader.Error("Static", "is set, but the role's issuer is a Vault, which has its own static roles.", "Name a BuiltIn issuer.");
        if (engine == DatabaseEngineKind.MongoDb)
            reader.Error("Static", "is set, but the database's engine is MongoDb, where a user that is shut out loses its roles for good.", "Use CreationStatements.");
        foreach (var (key, isThere) in new[]
        {
            ("CreationStatements", role.CreationStatements.Count > 0), ("RevocationStatements", role.RevocationStatements.Count > 0), ("RenewStatements", role.RenewStatements.Count > 0),
            ("OwnerRole", role.OwnerRole is not null), ("EndSessions", role.EndSessions), ("VaultPath", role.VaultPath is not null), ("VaultPathExclusive", role.VaultPathExclusive),
        })
        {
            if (isThere) reader.Error(key, "is set, but the users of a static role are neither made nor dropped.", "Remove it, or remove Static.");
        }

        if (role.Sharing != SharingScope.Role)
            reader.Error("Sharing", $"is {role.Sharing}, but a static role has only its two users.", "Remove it, or remove Static.");
    }

    /// <summary>Two roles that change one user's password would cut each other's holders off.</summary>
    public static void CheckTogether(IEnumerable<Role> roles, SectionReader broker)
    {
        var known = new Dictionary<(string Database, string User), string>();
        foreach (var role in roles.Where(role => role.Static is not null))
        {
            foreach (var user in role.Static!.Usernames.Distinct(StringComparer.Ordinal))
            {
                if (!known.TryAdd((role.Database, user), role.Name))
                    broker.Error($"Roles:{role.Name}:Static:Usernames", $"has '{user}', which role {known[(role.Database, user)]} has too.", "Give each role its own users.");
            }
        }
    }

    private static Rotation RotationOf(SectionReader reader)
    {
        var period = reader.Duration("RotationPeriod", TimeSpan.Zero, Shortest, Longest);
        var schedule = reader.Text("RotationSchedule");

        // Vault's minimum: with less, a rotation would be missed needlessly.
        TimeSpan? window = reader.Has("RotationWindow") ? reader.Duration("RotationWindow", TimeSpan.Zero, ShortestWindow, Longest) : null;
        if (schedule is null)
        {
            if (window is not null) reader.Error("RotationWindow", "is set, but RotationSchedule is not.", "Remove it: a period begins when the password has changed, however late.");
            if (!reader.Has("RotationPeriod")) reader.Error("RotationPeriod", "is missing, and so is RotationSchedule.", "Write how often the password changes, e.g. 1.00:00:00.");
            return Rotation.Every(period > TimeSpan.Zero ? period : Longest);
        }

        if (reader.Has("RotationPeriod")) reader.Error("RotationSchedule", "is set, and so is RotationPeriod.", "Remove one of the two.");
        if (Rotation.TryBy(schedule, window) is { } rotation) return rotation;
        reader.Error("RotationSchedule", "is not a schedule.", "Write five fields as in cron, in UTC, e.g. 0 3 * * SAT.");
        return Rotation.Every(Longest);
    }
}
