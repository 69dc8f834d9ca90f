using Broker.Core.Databases.PostgreSql;
using Broker.Tests.Databases;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs;

/// <summary>The documented clients where the broker cannot give anything yet, and where it is gone when they stop.</summary>
public sealed class ClientsStartTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(ClientsTests.Languages), MemberType = typeof(ClientsTests))]
    public async Task A_client_waits_for_its_first_grant_as_it_is_told_to_and_stops_without_a_broker(string language)
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 30 }, Cancellation);
        await using var bench = await PostgresFixture.StartAsync(postgres, Cancellation);
        var login = await bench.CreateLoginAsync("first", "", Cancellation);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        var grant = FakeBroker.Grant(login, 4, engine.Describe(bench.Database, login, 4).Drivers);
        await using var broker = await FakeBroker.StartAsync(grant, (503, 2), (502, null), (429, 1)); // full, a proxy's, too many
        var token = Path.GetTempFileName();
        await File.WriteAllTextAsync(token, "token", Cancellation);

        await using var client = await ClientProgram.StartAsync(language, broker.Address, "role", token, Cancellation);
        (await client.AnotherUserAsync("", Cancellation)).ShouldBe(login.Username);

        long[] claims = [.. broker.Claims];
        claims.Length.ShouldBe(4);
        (claims[1] - claims[0]).ShouldBeGreaterThanOrEqualTo(1900, "503 said two seconds");
        (claims[3] - claims[2]).ShouldBeGreaterThanOrEqualTo(900, "429 said one");
        client.Log.ShouldContain("cannot claim yet", Case.Insensitive);

        await broker.DisposeAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(client.Log.Contains("meanwhile", StringComparison.Ordinal)), "it notices that the broker is gone", Cancellation);
        await client.StopAsync(Cancellation);
        client.Failures.ShouldBeEmpty();
        client.Log.ShouldContain("could not release", Case.Insensitive);
        File.Delete(token);
    }
}
