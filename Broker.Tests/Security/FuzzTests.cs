using LoadTests.FromOutside.Fuzz;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>A small run of what <c>loadtests fuzz</c> does a million times.</summary>
public sealed class FuzzTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Whatever_is_sent_to_whatever_address_is_answered_and_with_nobody_elses_data(int seed)
    {
        await using var world = new BrokerWorld(
            ("Admission:Mode", "Warn"), ("Waiting:MaxWait", "00:00:01"), ("Waiting:Default", "00:00:01"), ("Limits:FailedProofs", "1000000"),
            ("Roles:bob:Database", "orders"), ("Roles:bob:Issuer", "here"), ("Roles:bob:CreationStatements:0", "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"),
            ("Roles:bob:Allow:0:Issuer", "kubernetes"), ("Roles:bob:Allow:0:Claims:namespace", "bob"));
        var replica = await world.ReplicaAsync();
        var viewer = new FuzzCaller("viewer", world.Person("viewers"));
        FuzzCaller[] callers =
        [
            new("nobody", null), new("alice", world.Pod("alice"), "orders-api"), new("bob", world.Pod("bob", "bob"), "bob"),
            new("job", world.Job(seconds: 3600), "deploy", "migrate"), viewer, new("operator", world.Person("operators")), new("admin", world.Person("admins")),
        ];

        var result = await new FuzzRun(replica, callers, seed).RunAsync(2000, 8, viewer, TestContext.Current.CancellationToken);

        result.Faults.ShouldBeEmpty();
        result.Requests.ShouldBeGreaterThan(1900);
        result.Grants.ShouldBeGreaterThan(0, "a run without a grant has looked at locked doors alone");
        result.Statuses.Keys.ShouldContain(status => status == 400);
        result.Statuses.Keys.ShouldContain(status => status == 401);
        result.Statuses.Keys.ShouldContain(status => status == 403);
        result.Statuses.Keys.ShouldContain(status => status == 404);
    }
}
