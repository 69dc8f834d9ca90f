using System.Reflection;
using System.Text.RegularExpressions;
using Broker.Core.Databases;
using Broker.Core.Issuing;
using Broker.Core.Ledger;
using Broker.Tests.Contracts;
using Broker.Tests.Deployment;
using Shouldly;
using Xunit;

namespace Broker.Tests;

/// <summary>Each driver stays in its folder, and every implementation of a seam is held to its contract.</summary>
public class ArchitectureTests
{
    private static readonly string Core = Repository.PathOf("Broker.Core");

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

    private static bool IsSource(string file) =>
        !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
        && !file.Contains($"{Path.DirectorySeparatorChar}bin{Path.DirectorySeparatorChar}", StringComparison.Ordinal);
}
