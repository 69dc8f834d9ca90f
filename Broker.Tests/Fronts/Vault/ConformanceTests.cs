using System.Text.Json.Nodes;
using Broker.Tests.Security;
using LoadTests.FromOutside.Conformance;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Fronts.Vault;

/// <summary>What <c>loadtests vault-conformance</c> finds: nothing at the broker, and each deviation of another server.</summary>
public sealed class ConformanceTests
{
    [Fact]
    public async Task The_broker_is_as_Vault_is_in_everything_that_is_tried()
    {
        await using var world = new BrokerWorld();
        using var client = new HttpClient { BaseAddress = await world.ListeningReplicaAsync() };

        var found = await ConformanceChecks.RunAsync(new(client, Settings("database/creds/orders-api", new() { ["role"] = "orders-api", ["jwt"] = world.Pod() }), TestContext.Current.CancellationToken));

        found.Where(row => row.Found is not null).Select(row => $"{row.Check.Name}: {row.Found}").ShouldBeEmpty();
    }

    [Fact]
    public async Task Each_deviation_of_another_server_is_found()
    {
        await using var vault = await SimulatedVault.StartAsync();
        vault.AddRole(new SimulatedRole("database/creds/app", TimeSpan.FromHours(1), TimeSpan.FromHours(24)));
        using var client = new HttpClient { BaseAddress = vault.Address };

        var found = await ConformanceChecks.RunAsync(new(client, Settings("database/creds/app", new() { ["role"] = "app", ["jwt"] = SimulatedVault.Jwt }), TestContext.Current.CancellationToken));

        // The double does what the broker's own client asks for, and not more.
        var wrong = found.Where(row => row.Found is not null).Select(row => row.Check.Name).ToList();
        wrong.ShouldContain("sys/seal-status answers without a token");
        wrong.ShouldContain("what a client sends is wrapped");
        wrong.ShouldNotContain("a read has a lease id below its path, a duration, a user and a password");
        wrong.ShouldNotContain("an increment beyond the last end is cut, with a warning");
    }

    private static ConformanceSettings Settings(string path, JsonObject login) => new() { Path = path, LoginPath = "auth/kubernetes/login", Login = login };
}
