using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using Broker.Core.Databases.PostgreSql;
using Broker.Core.Model;
using Broker.Tests.Databases;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs;

/// <summary>What the documented clients do when both logins' connections may not be open at once, and when they are given fewer: told by a broker of the test's own.</summary>
public sealed class ClientsOverlapTests
{
    private static readonly PostgreSqlEngine Engine = new(TimeProvider.System);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(ClientsTests.Languages), MemberType = typeof(ClientsTests))]
    public async Task Without_an_overlap_the_old_connections_are_closed_first_and_fewer_are_fewer(string language)
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 30 }, Cancellation);
        await using var bench = await PostgresFixture.StartAsync(postgres, Cancellation);
        var (old, next) = (await bench.CreateLoginAsync("old", "", Cancellation), await bench.CreateLoginAsync("next", "", Cancellation));
        await using var broker = await FakeBroker.StartAsync(Grant(bench, old, 4));
        var token = Path.GetTempFileName();
        await File.WriteAllTextAsync(token, "token", Cancellation);
        await using var client = await ClientProgram.StartAsync(language, broker.Address, "role", token, Cancellation);
        (await client.AnotherUserAsync("", Cancellation)).ShouldBe(old.Username);
        await Eventually.HoldsAsync(async () => (await CountAsync(bench)).Old >= 2, "it works with several connections", Cancellation);

        var both = new ConcurrentQueue<(long Old, long OldAtWork, long Next)>();
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var watch = Task.Run(
            async () =>
            {
                while (!watching.IsCancellationRequested) both.Enqueue(await CountAsync(bench));
            },
            Cancellation);
        broker.Tell("rotate", Grant(bench, next, 2, rotate: true));
        (await client.AnotherUserAsync(old.Username, Cancellation)).ShouldBe(next.Username);
        await Eventually.HoldsAsync(async () => (await CountAsync(bench)).Next == 2, "it works with both of its connections", Cancellation);
        broker.Tell("renewed", Grant(bench, next, 1));
        await Eventually.HoldsAsync(async () => (await CountAsync(bench)).Next == 1, "it keeps one", Cancellation);
        await watching.CancelAsync();
        await watch;

        // The server needs a moment to see a closed connection off: what is at work counts. A look reads one session after the other, and
        // may be interrupted between two: what two in a row show was so.
        var inARow = both.Zip(both.Skip(1)).ToArray();
        inARow.ShouldAllBe(looks => looks.First.OldAtWork == 0 || looks.First.Next == 0 || looks.Second.OldAtWork == 0 || looks.Second.Next == 0);
        inARow.ShouldAllBe(looks => Math.Min(looks.First.Old, looks.Second.Old) <= 4 && Math.Min(looks.First.Next, looks.Second.Next) <= 2);
        await Eventually.HoldsAsync(async () => (await CountAsync(bench)).Old == 0, "the server has seen off the old connections", Cancellation);
        client.Failures.ShouldBeEmpty();
        await client.StopAsync(Cancellation);
        broker.Released.ShouldBeTrue();
        File.Delete(token);
    }

    /// <summary>A pool may be opening a connection at the very moment at which it is made smaller: that one counts as well.</summary>
    [Theory]
    [MemberData(nameof(ClientsTests.Languages), MemberType = typeof(ClientsTests))]
    public async Task A_size_is_confirmed_when_no_more_are_open_nor_being_opened(string language)
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 30 }, Cancellation);
        await using var bench = await PostgresFixture.StartAsync(postgres, Cancellation);
        var login = await bench.CreateLoginAsync("old", "", Cancellation);
        await using var broker = await FakeBroker.StartAsync(Grant(bench, login, 1));
        var token = Path.GetTempFileName();
        await File.WriteAllTextAsync(token, "token", Cancellation);
        await using var client = await ClientProgram.StartAsync(language, broker.Address, "role", token, Cancellation, (4, 1));
        (await client.AnotherUserAsync("", Cancellation)).ShouldBe(login.Username);

        for (var allotment = 2; allotment <= 20; allotment += 2)
        {
            broker.Tell("resize", Grant(bench, login, 4, allotment: allotment - 1));
            await Eventually.HoldsAsync(async () => (await CountAsync(bench)).Old > 1, $"it grows: {client.Log}", Cancellation);
            broker.Tell("resize", Grant(bench, login, 1, allotment: allotment));
            await Eventually.HoldsAsync(() => Task.FromResult(broker.Confirmed == allotment), $"it confirms size {allotment}: {client.Log}", Cancellation);

            // The server needs a moment to see a closed connection off; one that stays is one too many.
            await Eventually.HoldsAsync(async () => (await CountAsync(bench)).Old <= 1, $"it keeps one of size {allotment}: {client.Log}", Cancellation);
        }

        await client.StopAsync(Cancellation);
        client.Failures.ShouldBeEmpty();
        File.Delete(token);
    }

    private static JsonObject Grant(PostgresFixture bench, Login login, int connections, bool rotate = false, long allotment = 0) =>
        FakeBroker.Grant(login, connections, Engine.Describe(bench.Database, login, connections).Drivers, rotate, allotment);

    private static async Task<(long Old, long OldAtWork, long Next)> CountAsync(PostgresFixture bench)
    {
        var text = await bench.AskAsync<string>(
            """
            SELECT (count(*) FILTER (WHERE usename LIKE '%-old')) || ' ' || (count(*) FILTER (WHERE usename LIKE '%-old' AND state = 'active')) || ' ' || (count(*) FILTER (WHERE usename LIKE '%-next')) FROM pg_stat_activity
            """,
            CancellationToken.None);
        var counts = text!.Split(' ').Select(count => long.Parse(count, null)).ToArray();
        return (counts[0], counts[1], counts[2]);
    }
}
