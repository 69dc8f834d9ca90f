using Broker.Tests.Deployment;
using Broker.Tests.Docs;
using Broker.Tests.Drivers;
using Broker.Tests.Fronts.Vault;
using Broker.Tests.Page;
using LoadTests.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests;

/// <summary>
/// <c>./test.sh --quick</c> leaves out the classes that <c>.ci/not-quick</c> names. Whether one starts a program is read from its compiled
/// code, so that none can be forgotten there; besides, a quick run refuses to start any.
/// </summary>
public sealed class QuickTests
{
    // What starts servers, browsers and the tools of other languages.
    private static readonly Type[] Starters = [typeof(ChildProcess), typeof(ServerProgram), typeof(BrokerProgram), typeof(Browser), typeof(DriverPrograms), typeof(ClientProgram), typeof(ClientPrograms)];

    private static readonly string[] Classes = [.. typeof(QuickTests).Assembly.GetTypes().Where(IsTestClass).Select(static type => type.FullName!).Where(static name => name != typeof(QuickTests).FullName).Order(StringComparer.Ordinal)];

    private static Dictionary<string, string> Left =>
        Repository.Read(".ci/not-quick").Split('\n').Where(static line => line.Length > 0 && line[0] != '#').Select(static line => line.Split(' ', 2)).ToDictionary(static words => words[0], static words => words[1]);

    [Fact]
    public void A_quick_run_leaves_out_each_class_that_starts_a_program_and_says_so_of_no_other()
    {
        var users = CompiledUses.Of(typeof(QuickTests).Assembly, typeof(ChildProcess).Assembly).ToLookup(static use => use.Used, static use => use.User);
        var starting = new HashSet<Type>(Starters);
        for (var next = new Queue<Type>(Starters); next.TryDequeue(out var used);)
        {
            foreach (var user in users[used].Where(starting.Add)) next.Enqueue(user);
        }

        var expected = starting.Select(static type => type.FullName!).Intersect(Classes).ToArray();
        var said = Left.Where(static left => left.Value == "servers").Select(static left => left.Key).ToArray();
        expected.Except(said).ShouldBeEmpty("add a line with 'servers' for each to .ci/not-quick");
        said.Except(expected).ShouldBeEmpty("take their lines out of .ci/not-quick");
    }

    [Fact]
    public void It_leaves_out_nothing_that_is_not_there_and_gives_one_of_two_reasons()
    {
        Left.Keys.Except(Classes).ShouldBeEmpty();
        Left.Values.Distinct().Order(StringComparer.Ordinal).ShouldBe(["long", "servers"]);
    }

    private static bool IsTestClass(Type type) =>
        type is { IsAbstract: false, IsNested: false } && type.GetMethods().Any(static method => method.IsDefined(typeof(FactAttribute), inherit: true));
}
