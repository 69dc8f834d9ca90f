using Broker.Tests.Deployment;
using Broker.Tests.Docs;
using Broker.Tests.Drivers;
using Broker.Tests.Fronts.Vault;
using Broker.Tests.Page;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests;

/// <summary>
/// <c>./test.sh --quick</c> leaves out the classes that start servers, browsers or the tools of other languages, which this reads from their
/// compiled code, and those that take long, which <c>.ci/not-quick</c> names. Besides, a quick run refuses to start any server.
/// </summary>
public sealed class QuickTests
{
    /// <summary>Names the file into which the classes that start programs are written; empty: none.</summary>
    private const string ListVariable = "BROKER_TEST_QUICK_LIST";

    // What starts servers, browsers and the tools of other languages.
    private static readonly Type[] Starters = [typeof(ChildProcess), typeof(ServerProgram), typeof(BrokerProgram), typeof(Browser), typeof(DriverPrograms), typeof(ClientProgram), typeof(ClientPrograms)];

    private static readonly string[] Classes = [.. typeof(QuickTests).Assembly.GetTypes().Where(IsTestClass).Select(static type => type.FullName!).Where(static name => name != typeof(QuickTests).FullName).Order(StringComparer.Ordinal)];

    [Fact]
    public void Classes_that_start_programs_are_known_by_their_compiled_code()
    {
        var users = CompiledUses.Of(typeof(QuickTests).Assembly, typeof(ChildProcess).Assembly).ToLookup(static use => use.Used, static use => use.User);
        var starting = new HashSet<Type>(Starters);
        for (var next = new Queue<Type>(Starters); next.TryDequeue(out var used);)
        {
            foreach (var user in users[used].Where(starting.Add)) next.Enqueue(user);
        }

        string[] found = [.. starting.Select(static type => type.FullName!).Intersect(Classes).Order(StringComparer.Ordinal)];
        foreach (var one in new[] { typeof(Endpoints.CallsTests), typeof(Failure.RolloutTests), typeof(Ledger.RedisLedgerTests), typeof(Databases.PostgreSqlEngineTests), typeof(PageLooksTests), typeof(ClientsTests), typeof(Starting.StartTests) })
            found.ShouldContain(one.FullName!);
        foreach (var other in new[] { typeof(Audit.ChainTests), typeof(Ledger.InProcessLedgerTests), typeof(Security.SharesTests), typeof(Leases.WayOfARequestTests) })
            found.ShouldNotContain(other.FullName!);
        if (Environment.GetEnvironmentVariable(ListVariable) is { Length: > 0 } list) File.WriteAllLines(list, found);
    }

    [Fact]
    public void What_takes_long_is_there_to_be_left_out() =>
        Repository.Read(".ci/not-quick").Split('\n').Where(static line => line.Length > 0 && line[0] != '#').Except(Classes).ShouldBeEmpty();

    private static bool IsTestClass(Type type) =>
        type is { IsAbstract: false, IsNested: false } && type.GetMethods().Any(static method => method.IsDefined(typeof(FactAttribute), inherit: true));
}
