using System.Text.Json;
using System.Text.RegularExpressions;
using Broker.Core.Catalog;
using Broker.Tests.Authentication;
using Broker.Tests.Deployment;
using Shouldly;
using Xunit;

namespace Broker.Tests.Catalog;

/// <summary>docs/configuration.md names every key that is read, with its range and its default, and no other.</summary>
public sealed partial class ConfigurationDocumentTests
{
    internal static readonly string Pem = CertificateFile();

    // Where an example of each group stands in the right configuration; several where what is read depends on a choice.
    private static readonly Dictionary<string, (string Key, string? Value)[][]> Shapes = new()
    {
        ["Broker:Issuers:{name}:Auth"] =
        [
            [],
            [("Issuers:vault:Auth:Method", "AppRole"), ("Issuers:vault:Auth:Token", ""), ("Issuers:vault:Auth:RoleId", "r"), ("Issuers:vault:Auth:SecretId", "s")],
            [("Issuers:vault:Auth:Method", "Kubernetes"), ("Issuers:vault:Auth:Role", "r")],
        ],
        ["Broker:Identity:Issuers:{name}:TokenReview"] =
        [
            [("Identity:Issuers:kubernetes:Authority", ""), ("Identity:Issuers:kubernetes:Issuer", "https://kubernetes.default.svc"), ("Identity:Issuers:kubernetes:TokenReview:Address", "https://api"),
                ("Identity:Issuers:kubernetes:TokenReview:CaFile", Pem), ("Identity:Issuers:kubernetes:TokenReview:TokenFile", Pem)],
        ],
        ["Broker:Identity:Issuers:{name}:Pods"] =
        [
            [("Identity:Issuers:kubernetes:Pods:Address", "https://api"), ("Identity:Issuers:kubernetes:Pods:CaFile", Pem), ("Identity:Issuers:kubernetes:Pods:TokenFile", Pem)],
        ],
        ["Broker:Identity:Teams:{name}"] = [[("Identity:Teams:shop:Members:0:Issuer", "kubernetes"), ("Identity:Teams:shop:Members:0:Claims:namespace", "shop")]],
        ["Broker:Roles:{name}:Static"] =
        [
            [("Roles:orders-api:Issuer", "here"), ("Roles:orders-api:VaultPath", ""), ("Roles:orders-api:Static:Usernames:0", "a"), ("Roles:orders-api:Static:Usernames:1", "b"), ("Roles:orders-api:Static:RotationPeriod", "01:00:00")],
        ],
        ["Broker:VaultApi:SecretMounts:{name}:Roles:{name}"] = [[("VaultApi:SecretMounts:database:Roles:orders-jobs:Role", "orders-jobs")]],
        ["Broker:VaultApi:Upstream"] = [[("VaultApi:Upstream:Address", "https://vault:8200"), ("VaultApi:Upstream:Pass:0", "secret")]],
        ["Broker:Databases:{name}:Pooler"] =
        [
            [("Databases:orders:Pooler:Kind", "PgBouncer"), ("Databases:orders:Pooler:Host", "pooler"), ("Databases:orders:Pooler:PoolSize", "20"), ("Databases:orders:Pooler:ConsoleConnectionString", "Username=c")],
        ],
        ["Broker:Page:SignIn"] = [[("Page:SignIn:Issuer", "kubernetes")]],
        ["Broker:Tls"] = [[("Tls:CertificateFile", Pem), ("Tls:CertificateKeyFile", Pem)]],
        ["Broker:Audit:Syslog"] = [[("Audit:Syslog:Address", "tcp://syslog:514")]],
        ["Broker:Audit:Otlp"] = [[("Audit:Otlp:Endpoint", "https://collector:4318")]],
        ["Broker:VaultApi:AuthMounts:{name}"] = [[("VaultApi:AuthMounts:kubernetes:Type", "Kubernetes"), ("VaultApi:AuthMounts:kubernetes:Issuer", "kubernetes")]],
        ["Broker:VaultApi:AuthMounts:{name}:AppRoles:{name}"] = [AppRole],
        ["Broker:VaultApi:AuthMounts:{name}:AppRoles:{name}:SecretIds:{name}"] = [AppRole],
    };

    private static (string Key, string? Value)[] AppRole =>
    [
        ("VaultApi:AuthMounts:legacy:Type", "AppRole"), ("VaultApi:AuthMounts:legacy:AppRoles:orders-jobs:RoleId", "r"),
        ("VaultApi:AuthMounts:legacy:AppRoles:orders-jobs:SecretIds:one:Hash", new string('0', 64)),
    ];

    private static readonly IReadOnlyList<Row> Rows = Parse(File.ReadAllLines(Repository.PathOf("docs/configuration.md")));

    public static TheoryData<string> Groups => [.. Rows.Select(row => row.Group).Distinct()];

    public static TheoryData<string> Keys => [.. Rows.SelectMany(row => row.Keys.Select(key => $"{row.Group}:{key}"))];

    [Fact]
    public void The_document_has_every_group()
    {
        Rows.Select(row => row.Group).Distinct().Order().ShouldBe(
        [
            "Broker", "Broker:Admission", "Broker:Audit", "Broker:Audit:Otlp", "Broker:Audit:Rotation", "Broker:Audit:Syslog", "Broker:Databases:{name}", "Broker:Databases:{name}:Budget", "Broker:Databases:{name}:Issuing", "Broker:Databases:{name}:Pods", "Broker:Databases:{name}:Pooler", "Broker:Drill", "Broker:Identity",
            "Broker:Identity:Callers", "Broker:Identity:Issuers:{name}", "Broker:Identity:Issuers:{name}:Pods", "Broker:Identity:Issuers:{name}:TokenReview", "Broker:Identity:Sessions",
            "Broker:Identity:Teams:{name}", "Broker:Issuers:{name}", "Broker:Issuers:{name}:Auth", "Broker:Ledger", "Broker:Limits", "Broker:Page", "Broker:Page:SignIn",
            "Broker:Roles:{name}", "Broker:Roles:{name}:Allow:{n}", "Broker:Roles:{name}:Connections", "Broker:Roles:{name}:Pods", "Broker:Roles:{name}:Static", "Broker:Sealing", "Broker:Tls", "Broker:VaultApi", "Broker:VaultApi:AuthMounts:{name}",
            "Broker:VaultApi:AuthMounts:{name}:AppRoles:{name}", "Broker:VaultApi:AuthMounts:{name}:AppRoles:{name}:SecretIds:{name}", "Broker:VaultApi:SecretMounts:{name}",
            "Broker:VaultApi:SecretMounts:{name}:Roles:{name}", "Broker:VaultApi:Tokens", "Broker:VaultApi:Upstream", "Broker:Waiting",
        ]);

        // Every row that says it is a group has its table; lists of rules share one.
        foreach (var row in Rows.Where(row => row.Values.StartsWith("group", StringComparison.Ordinal)))
            Rows.ShouldContain(other => other.Group == $"{row.Group}:{row.Keys[0]}" || other.Group == $"{row.Group}:{row.Keys[0]}:{{name}}", $"{row.Group}:{row.Keys[0]}");
    }

    [Theory]
    [MemberData(nameof(Groups))]
    public void A_group_has_exactly_the_keys_that_are_read(string group)
    {
        var read = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var shape in Shapes.GetValueOrDefault(group, [[]]))
        {
            // Who asks for a key that nobody knows is told all that are known.
            var stranger = $"{At(group)}:zzzzzzzzzzzzzzzzzzzz".TrimStart(':');
            var error = Read(shape, (stranger, "1")).Errors.Single(error => error.Path == $"Broker:{stranger}");
            read.UnionWith(Known().Match(error.Mend).Groups[1].Value.Split(", "));
        }

        Rows.Where(row => row.Group == group).SelectMany(row => row.Keys).Order(StringComparer.Ordinal).ShouldBe(read);
    }

    [Theory]
    [MemberData(nameof(Keys))]
    public void A_key_takes_the_documented_values_and_has_the_documented_default(string key)
    {
        var row = Rows.Single(row => row.Keys.Any(name => $"{row.Group}:{name}" == key));
        var at = At(key);
        var shape = Shapes.GetValueOrDefault(row.Group, [[]]).Last();

        // Who writes nonsense is told what may be written.
        var mend = Read(shape, (at, "~")).Errors.FirstOrDefault(error => error.Path == $"Broker:{at}")?.Mend ?? "";
        if (Range().Match(mend) is { Success: true } range)
        {
            var (least, most) = (Short(range.Groups[1].Value), Short(range.Groups[2].Value));
            row.Values.ShouldStartWith($"{least} to {most}");
            new[] { least, most }.Any(value => Whole(Read(shape, (at, value))) != Whole(Read(shape))).ShouldBeTrue("it changes nothing");
        }
        else if (row.Values != "name" && Choice().Match(mend) is { Success: true } choice)
        {
            choice.Groups[1].Value.Split(", ").Where(name => Read(shape, (at, name)).Errors.All(error => error.Path != $"Broker:{at}"))
                .Order().ShouldBe(Quoted().Matches(row.Values).Select(match => match.Groups[1].Value).Order());
        }
        else if (mend.StartsWith("Write true or false", StringComparison.Ordinal))
        {
            row.Values.ShouldBe("true or false");
        }
        else
        {
            row.Values.ShouldNotMatch(@"\d to \d");
        }

        var defaults = Quoted().Matches(row.Default).Select(match => match.Groups[1].Value).ToArray();
        if (row.Default.StartsWith("needed", StringComparison.Ordinal) || row.Default.StartsWith("with", StringComparison.Ordinal) || defaults.Length == 0) return;
        (string, string?)[] written = defaults.Length == 1 ? [(at, defaults[0])] : [.. defaults.Select((value, i) => ($"{at}:{i}", value))];
        var reading = Read(shape, written);
        reading.Errors.ShouldBeEmpty();
        Whole(reading).ShouldBe(Whole(Read(shape)));
    }

    private static string CertificateFile()
    {
        using var certificate = OidcServer.Certificate();
        var file = Path.Combine(AppContext.BaseDirectory, "documented.crt");
        File.WriteAllText(file, certificate.ExportCertificatePem());
        return file;
    }

    private static CatalogReading Read((string Key, string? Value)[] shape, params (string Key, string? Value)[] changes) =>
        Configured.Read([.. shape.Where(entry => changes.All(change => change.Key != entry.Key)), .. changes]);

    private static string At(string documented) => documented["Broker".Length..].TrimStart(':')
        .Replace("AuthMounts:{name}:AppRoles", "AuthMounts:legacy:AppRoles", StringComparison.Ordinal)
        .Replace("AuthMounts:{name}", "AuthMounts:kubernetes", StringComparison.Ordinal)
        .Replace("SecretIds:{name}", "SecretIds:one", StringComparison.Ordinal)
        .Replace("SecretMounts:{name}", "SecretMounts:database", StringComparison.Ordinal)
        .Replace("Issuers:{name}:Auth", "Issuers:vault:Auth", StringComparison.Ordinal)
        .Replace("Identity:Issuers:{name}", "Identity:Issuers:kubernetes", StringComparison.Ordinal)
        .Replace("Issuers:{name}", "Issuers:vault", StringComparison.Ordinal)
        .Replace("Teams:{name}", "Teams:shop", StringComparison.Ordinal)
        .Replace("Databases:{name}", "Databases:orders", StringComparison.Ordinal)
        .Replace("Roles:{name}:Static", "Roles:orders-api:Static", StringComparison.Ordinal)
        .Replace("Roles:{name}", "Roles:orders-jobs", StringComparison.Ordinal)
        .Replace("{n}", "0", StringComparison.Ordinal);

    // All that was read, as text; mistakes too, so that a bound that clashes with another key is a change as well.
    private static string Whole(CatalogReading reading) => JsonSerializer.Serialize(new
    {
        reading.Settings,
        Databases = reading.Catalog?.Databases.Values.OrderBy(database => database.Name),
        Roles = reading.Catalog?.Roles.Values.OrderBy(role => role.Name),
        Issuers = reading.Catalog?.Issuers.Values.OrderBy(issuer => issuer.Name).Cast<object>(),
        reading.Catalog?.Identity,
        reading.Catalog?.VaultApi,
        reading.Errors,
    });

    private static string Short(string value) => value.Contains(':', StringComparison.Ordinal) && value.Contains('.', StringComparison.Ordinal)
        ? TrailingZeros().Replace(value, "$1")
        : value;

    private static List<Row> Parse(string[] lines)
    {
        var rows = new List<Row>();
        var group = "";
        foreach (var line in lines)
        {
            if (line.StartsWith("## ", StringComparison.Ordinal)) group = line[3..].Trim('`');
            if (!group.StartsWith("Broker", StringComparison.Ordinal) || !line.StartsWith("| `", StringComparison.Ordinal)) continue;
            var cells = line.Trim('|').Split('|', StringSplitOptions.TrimEntries);
            cells.Length.ShouldBe(4, line);
            rows.Add(new(group, [.. Quoted().Matches(cells[0]).Select(match => match.Groups[1].Value)], cells[1], cells[2]));
        }

        return rows;
    }

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Quoted();

    [GeneratedRegex("the settings known here are (.+)\\.$")]
    private static partial Regex Known();

    [GeneratedRegex("from (\\S+) to (\\S+?)\\.?$")]
    private static partial Regex Range();

    [GeneratedRegex("^Write one of (.+)\\.$")]
    private static partial Regex Choice();

    [GeneratedRegex("(\\.[0-9]*[1-9])0+$")]
    private static partial Regex TrailingZeros();

    private sealed record Row(string Group, string[] Keys, string Values, string Default);
}
