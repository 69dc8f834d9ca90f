using System.Text.Json;
using Broker.Core.Catalog.Statements;
using Broker.Core.Model;

namespace Broker.Core.Catalog.Reading;

internal static class RoleReading
{
    internal const int MaxConnections = 10_000;
    internal const int MaxWeight = 1000;
    internal const int MaxPriority = 9;
    private static readonly TimeSpan HolderTtlOfJobs = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan ShortestVerify = TimeSpan.FromSeconds(10);

    public static Role Read(
        string name,
        SectionReader reader,
        IReadOnlyDictionary<string, Database> databases,
        IReadOnlyDictionary<string, IssuerDefinition?> issuers,
        IReadOnlyCollection<string> identityIssuers)
    {
        var defaults = new Role { Name = name, Database = "", Issuer = "" };
        var shortLived = reader.Flag("ShortLivedPods", defaults.ShortLivedPods);
        var users = StaticReading.Read(reader);
        var role = new Role
        {
            Name = name,
            Database = reader.RequiredText("Database", "Write the name of an entry of Broker:Databases."),
            Issuer = reader.RequiredText("Issuer", "Write the name of an entry of Broker:Issuers."),
            VaultPath = reader.Text("VaultPath")?.Trim('/'),
            CreationStatements = reader.Texts("CreationStatements") ?? [],
            RevocationStatements = reader.Texts("RevocationStatements") ?? [],
            RenewStatements = reader.Texts("RenewStatements") ?? [],
            OwnerRole = reader.Text("OwnerRole"),
            Static = users,
            LeaseTtl = reader.Duration("LeaseTtl", defaults.LeaseTtl, TimeSpan.FromMinutes(1), TimeSpan.FromDays(30)),
            LeaseMaxTtl = reader.Duration("LeaseMaxTtl", defaults.LeaseMaxTtl, TimeSpan.FromMinutes(1), TimeSpan.FromDays(365)),
            Sharing = reader.Choice<SharingScope>("Sharing") ?? defaults.Sharing,
            MaxHoldersPerLease = reader.Int("MaxHoldersPerLease", users is null ? defaults.MaxHoldersPerLease : 100_000, 1, 100_000),
            Connections = Connections(reader.Child("Connections")),
            ShortLivedPods = shortLived,
            HolderTtl = reader.Duration("HolderTtl", users is not null ? StaticReading.HolderTtlOf(users.Rotation) : shortLived ? HolderTtlOfJobs : defaults.HolderTtl, TimeSpan.FromSeconds(30), TimeSpan.FromDays(7)),
            IdleTtl = reader.Duration("IdleTtl", defaults.IdleTtl, TimeSpan.Zero, TimeSpan.FromHours(24)),
            // A password changes on schedule whether or not anybody asks.
            KeepReady = reader.Flag("KeepReady", defaults.KeepReady) || users is not null,
            VerifyEvery = reader.Duration("VerifyEvery", defaults.VerifyEvery, TimeSpan.Zero, TimeSpan.FromHours(24)),
            EndSessions = reader.Flag("EndSessions", defaults.EndSessions),
            VaultPathExclusive = reader.Flag("VaultPathExclusive", defaults.VaultPathExclusive),
            Pods = PodsReading.ReadOfRole(reader, databases.GetValueOrDefault(reader.Text("Database") ?? "")?.Engine),
            Allow = AllowReading.Read(reader, "Allow", identityIssuers),
        };
        reader.RefuseUnknownKeys();

        reader.MustName("Database", role.Database, (IReadOnlyCollection<string>)databases.Keys, "Broker:Databases");
        reader.MustName("Issuer", role.Issuer, issuers.Keys, "Broker:Issuers");
        if (role.LeaseMaxTtl < role.LeaseTtl)
            reader.Error("LeaseMaxTtl", $"is {role.LeaseMaxTtl:c}, shorter than LeaseTtl ({role.LeaseTtl:c}).", "Make it at least as long.");
        if (role.KeepReady && role.Sharing != SharingScope.Role)
            reader.Error("KeepReady", $"is set, but Sharing is {role.Sharing}: whose lease to keep ready is not known before somebody asks.", "Set Sharing to Role, or remove KeepReady.");
        if (role.VerifyEvery > TimeSpan.Zero && role.VerifyEvery < ShortestVerify)
            reader.Error("VerifyEvery", $"is {role.VerifyEvery:c}.", $"Make it {ShortestVerify:c} or more, or 00:00:00 for never.");
        if (role.Allow.Count == 0 && !reader.Entries("Allow").Any())
            reader.Error("Allow", "is empty: nobody may have this role.", "Name at least one { \"Issuer\": …, \"Claims\": { … } }.");
        if (users is not null)
        {
            StaticReading.Check(role, issuers.GetValueOrDefault(role.Issuer), databases.GetValueOrDefault(role.Database)?.Engine, reader);
            return role;
        }

        CheckOwner(role, databases.GetValueOrDefault(role.Database)?.Engine, reader);
        switch (issuers.GetValueOrDefault(role.Issuer))
        {
            case VaultIssuerDefinition:
                CheckVault(role, reader);
                break;
            case BuiltInIssuerDefinition:
                CheckBuiltIn(role, databases.GetValueOrDefault(role.Database)?.Engine, reader);
                break;
        }

        return role;
    }

    private static ConnectionSettings Connections(SectionReader reader)
    {
        var defaults = new ConnectionSettings();
        var connections = new ConnectionSettings
        {
            Default = reader.Int("Default", defaults.Default, 1, MaxConnections),
            Min = reader.Int("Min", defaults.Min, 1, MaxConnections),
            Max = reader.Int("Max", defaults.Max, 1, MaxConnections),
            ExpectedHolders = reader.Int("ExpectedHolders", defaults.ExpectedHolders, 0, 1_000_000),
            SurgePercent = reader.Int("SurgePercent", defaults.SurgePercent, 0, 100),
            Weight = reader.Int("Weight", defaults.Weight, 1, MaxWeight),
            Guaranteed = reader.Int("Guaranteed", defaults.Guaranteed, 0, MaxConnections),
            Priority = reader.Int("Priority", defaults.Priority, 0, MaxPriority),
        };
        reader.RefuseUnknownKeys();

        if (connections.Min > connections.Max)
            reader.Error("Min", $"is {connections.Min}, more than Max ({connections.Max}).", "Make Min at most Max.");
        else if (connections.Default < connections.Min || connections.Default > connections.Max)
            reader.Error("Default", $"is {connections.Default}, not between Min ({connections.Min}) and Max ({connections.Max}).",
                "Make Min <= Default <= Max.");
        return connections;
    }

    private static void CheckOwner(Role role, DatabaseEngineKind? engine, SectionReader reader)
    {
        if (role.OwnerRole is null) return;
        if (engine is not (null or DatabaseEngineKind.PostgreSql))
            reader.Error("OwnerRole", $"is set, but the database's engine is {engine}, where nothing has an owner.", "Remove it: only PostgreSql has owners.");
        else if (role.RevocationStatements.Count > 0)
            reader.Error("OwnerRole", "is set together with RevocationStatements, which decide what happens to what a user owns.", "Remove one of the two.");
    }

    private static void CheckVault(Role role, SectionReader reader)
    {
        if (role.VaultPath is null)
            reader.Error("VaultPath", "is missing, but the role's issuer is a Vault.", "Write the path that issues, e.g. database/creds/orders-api.");
        else if (!VaultPaths.Issues(role.VaultPath))
            reader.Error("VaultPath", "is not a path that issues users.", "Write mount/creds/role, without v1/, e.g. database/creds/orders-api.");

        // Somebody would believe that silently ignored statements are in force.
        foreach (var (key, statements) in new[]
        {
            ("CreationStatements", role.CreationStatements),
            ("RevocationStatements", role.RevocationStatements),
            ("RenewStatements", role.RenewStatements),
        })
        {
            if (statements.Count > 0)
                reader.Error(key, "is set, but Vault runs its own statements.", "Move them to the role in Vault, or use a BuiltIn issuer.");
        }
    }

    private static void CheckBuiltIn(Role role, DatabaseEngineKind? engine, SectionReader reader)
    {
        if (role.VaultPath is not null)
            reader.Error("VaultPath", "is set, but the role's issuer is BuiltIn.", "Remove it, or name a Vault issuer.");
        if (role.VaultPathExclusive)
            reader.Error("VaultPathExclusive", "is set, but the role's issuer is BuiltIn.", "Remove it, or name a Vault issuer.");
        if (role.CreationStatements.Count == 0)
        {
            if (reader.IsEmpty("CreationStatements"))
                reader.Error("CreationStatements", "is missing, but the role's issuer is BuiltIn.",
                    "Write the statements that create a user, with {{name}}, {{password}} and {{expiration}}.");
            return;
        }

        if (engine == DatabaseEngineKind.MongoDb)
        {
            CheckMongoDb(role, reader);
            return;
        }

        foreach (var (key, texts) in new[]
        {
            ("CreationStatements", role.CreationStatements),
            ("RevocationStatements", role.RevocationStatements),
            ("RenewStatements", role.RenewStatements),
        })
        {
            try
            {
                var statements = StatementTexts.Read(engine ?? DatabaseEngineKind.PostgreSql, texts);
                if (texts.Count > 0 && statements.Count == 0)
                    reader.Error(key, "contain no statement, at most comments.", "Write a statement, or remove the key.");
            }
            catch (FormatException exception)
            {
                reader.Error(key, $"cannot be run: {exception.Message}.", "Write only the statements; the broker begins and commits the transaction.");
            }
        }

        if (!StatementTexts.Names(role.CreationStatements, "name", "username"))
            reader.Error("CreationStatements", "never name {{name}}, so they do not create the broker's user.", engine == DatabaseEngineKind.MySql ? "Write CREATE USER '{{name}}'@'%' …." : "Write CREATE ROLE \"{{name}}\" ….");
        if (!StatementTexts.Names(role.CreationStatements, "password"))
            reader.Error("CreationStatements", "never name {{password}}, so the user could not log in.", "Write … PASSWORD '{{password}}' ….");
    }

    // For MongoDB the statement contains only the user's rights; name and password are passed separately.
    private static void CheckMongoDb(Role role, SectionReader reader)
    {
        const string Example = """Write one: [ "{\"db\":\"admin\",\"roles\":[{\"role\":\"readWrite\",\"db\":\"app\"}]}" ].""";
        var statements = StatementTexts.Read(DatabaseEngineKind.MongoDb, role.CreationStatements);
        if (statements.Count != 1)
        {
            reader.Error("CreationStatements", $"are {statements.Count}, but the database's engine is MongoDb, which takes one.", Example);
            return;
        }

        try
        {
            using var statement = JsonDocument.Parse(statements[0]);
            if (statement.RootElement.ValueKind == JsonValueKind.Object && statement.RootElement.EnumerateObject().Any(member => member.Name.Equals("roles", StringComparison.OrdinalIgnoreCase))) return;
        }
        catch (JsonException)
        {
            // Reported below, together with JSON of another kind.
        }

        reader.Error("CreationStatements", "give the user no roles, but the database's engine is MongoDb.", Example);
    }
}
