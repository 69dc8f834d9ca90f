using System.Reflection;
using System.Text.RegularExpressions;
using Broker.Api.Authentication;
using Broker.Core.Databases;
using Broker.Core.Issuing;
using Broker.Core.Ledger;
using Broker.Tests.Contracts;
using Broker.Tests.Deployment;
using Shouldly;
using Xunit;

namespace Broker.Tests;

/// <summary>Imports run one way, each driver stays in its folder, and every implementation of a seam is held to its contract.</summary>
public partial class ArchitectureTests
{
    private static readonly string Core = Repository.PathOf("Broker.Core");

    // The rooms of leases and their upkeep may use every room; all others only these, beside themselves and the libraries.
    private static readonly string[] Plain = ["Model", "Catalog", "Databases"];

    public static TheoryData<string, string> Drivers => new()
    {
        { "Npgsql", "Databases/PostgreSql" },
        { "MySqlConnector", "Databases/MySql" },
        { "MongoDB", "Databases/MongoDb" },
        { "Org.BouncyCastle", "Databases/MySql" },
        { "StackExchange.Redis", "Ledger/Redis" },
        { "KeraLua", "Ledger/InProcess" },
        { "Microsoft.Data.Sqlite", "Ledger/OnDisk" },
        { "SQLitePCL", "Ledger/OnDisk" },
    };

    [Fact]
    public void A_room_uses_only_databases_catalog_and_plain_types()
    {
        var wrong = new List<string>();
        foreach (var (room, file, used) in Uses())
        {
            if (room is not ("Leases" or "Duties" or "Limits" or "Sessions") && used != room && !Plain.Contains(used)) wrong.Add($"{file} uses {used}");
        }

        wrong.ShouldBeEmpty();
    }

    [Theory]
    [MemberData(nameof(Drivers))]
    public void A_driver_is_named_in_its_own_folder_alone(string driver, string folder)
    {
        var users = Directory.EnumerateFiles(Core, "*.cs", SearchOption.AllDirectories)
            .Concat(Directory.EnumerateFiles(Repository.PathOf("Broker.Api"), "*.cs", SearchOption.AllDirectories))
            .Where(IsSource)
            .Where(file => Regex.IsMatch(File.ReadAllText(file), $@"^\s*using (static )?{Regex.Escape(driver)}\b", RegexOptions.Multiline))
            .Select(file => Path.GetRelativePath(Core, file).Replace('\\', '/'))
            .ToArray();
        users.ShouldNotBeEmpty();
        users.ShouldAllBe(file => file.StartsWith(folder + "/", StringComparison.Ordinal));
    }

    [Fact]
    public void The_core_knows_no_web_server() =>
        typeof(SharedLedger).Assembly.GetReferencedAssemblies().Select(name => name.Name!)
            .ShouldNotContain(name => name.StartsWith("Microsoft.AspNetCore.Http", StringComparison.Ordinal) || name.StartsWith("Microsoft.AspNetCore.Routing", StringComparison.Ordinal));

    [Theory]
    [InlineData(typeof(ILedgerStore), typeof(LedgerContract))]
    [InlineData(typeof(IDatabaseEngine), typeof(DatabaseEngineContract))]
    [InlineData(typeof(IIssuer), typeof(IssuerContract))]
    public void Every_implementation_of_a_seam_has_a_suite_that_inherits_its_contract(Type seam, Type contract)
    {
        var implementations = typeof(SharedLedger).Assembly.GetTypes().Where(type => type is { IsClass: true, IsAbstract: false, IsNestedPrivate: false } && seam.IsAssignableFrom(type)).ToArray();
        implementations.ShouldNotBeEmpty();
        var suites = Assembly.GetExecutingAssembly().GetTypes().Where(type => !type.IsAbstract && contract.IsAssignableFrom(type)).ToArray();
        foreach (var implementation in implementations)
        {
            // A suite is named after what it tests: RedisLedgerTests tests RedisLedgerStore.
            var name = implementation.Name.Replace("Store", "", StringComparison.Ordinal);
            suites.ShouldContain(suite => suite.Name.StartsWith(name, StringComparison.Ordinal), $"no suite of {contract.Name} tests {implementation.Name}");
        }
    }

    /// <summary>Seen in the compiled code: a room is a folder of the project, and each front a room of its own.</summary>
    [Fact]
    public void The_rooms_of_the_API_use_each_other_in_no_circle()
    {
        var uses = CompiledUses.Of(typeof(CallerProver).Assembly)
            .Select(use => (User: ApiRoomOf(use.User), Used: ApiRoomOf(use.Used)))
            .Where(use => use.User is not null && use.Used is not null && use.User != use.Used)
            .Distinct()
            .ToArray();
        uses.ShouldContain(("Fronts.Native", "Authentication"));

        // Who uses nobody that is left is in no circle, and who is used by nobody but those neither.
        for (var before = 0; before != uses.Length;)
        {
            before = uses.Length;
            var left = uses;
            uses = [.. left.Where(use => left.Any(other => other.User == use.Used) && left.Any(other => other.Used == use.User))];
        }

        uses.ShouldBeEmpty();
    }

    private static string? ApiRoomOf(Type type) => (type.Namespace ?? "").Split('.') switch
    {
        ["Broker", "Api", "Fronts", var front, ..] => "Fronts." + front,
        ["Broker", "Api", var room, ..] => room,
        _ => null,
    };

    private static IEnumerable<(string Room, string File, string Used)> Uses()
    {
        foreach (var file in Directory.EnumerateFiles(Core, "*.cs", SearchOption.AllDirectories).Where(IsSource))
        {
            var path = Path.GetRelativePath(Core, file).Replace('\\', '/');
            if (!path.Contains('/', StringComparison.Ordinal)) continue; // the composition root
            foreach (Match use in RoomInUsing().Matches(File.ReadAllText(file))) yield return (path[..path.IndexOf('/', StringComparison.Ordinal)], path, use.Groups[1].Value);
        }
    }

    private static bool IsSource(string file) =>
        !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
        && !file.Contains($"{Path.DirectorySeparatorChar}bin{Path.DirectorySeparatorChar}", StringComparison.Ordinal);

    [GeneratedRegex(@"^\s*using Broker\.Core\.(\w+)", RegexOptions.Multiline)]
    private static partial Regex RoomInUsing();
}
