using Broker.Core.Databases;
using Broker.Core.Databases.MySql;
using Broker.Core.Databases.PostgreSql;
using MongoDB.Bson;
using MySqlConnector;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Databases;

/// <summary>What sessions do, on real servers.</summary>
public sealed class SessionListTests(SharedServers servers)
{
    private const string Name = "orders/orders-api-6f7c9d-x2x9q~sfSfGIpv";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task On_PostgreSQL_idle_transactions_running_statements_and_names_are_told()
    {
        await using var bench = await PostgresFixture.StartAsync(await servers.PostgresAsync(), Cancellation);
        await using var engine = new PostgreSqlEngine(TimeProvider.System);
        var login = await bench.CreateLoginAsync("pod", "", Cancellation);
        var source = new NpgsqlConnectionStringBuilder
        {
            Host = bench.Database.Host,
            Port = bench.Database.Port,
            Database = bench.Database.DatabaseName,
            Username = login.Username,
            Password = login.Password.Reveal(),
            ApplicationName = Name,
            Pooling = false,
        }.ConnectionString;
        await using var forgotten = new NpgsqlConnection(source);
        await using var busy = new NpgsqlConnection(source);
        await using var idle = new NpgsqlConnection(source);
        foreach (var connection in new[] { forgotten, busy, idle }) await connection.OpenAsync(Cancellation);
        await using (var begin = new NpgsqlCommand("BEGIN; SELECT 1", forgotten)) await begin.ExecuteNonQueryAsync(Cancellation);
        await using var sleep = new NpgsqlCommand("SELECT pg_sleep(60)", busy);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var sleeping = sleep.ExecuteNonQueryAsync(enough.Token);

        OpenSessions? seen = null;
        await Eventually.HoldsAsync(
            async () =>
            {
                seen = (await engine.SessionsAsync(bench.Database, Cancellation)).SingleOrDefault(alike => alike.Username == login.Username && alike.Program == Name);
                return seen is { LongestQuery.TotalSeconds: > 0.2, LongestIdleInTransaction.TotalSeconds: > 0.2 };
            },
            "the sessions show", Cancellation);

        seen!.ShouldSatisfyAllConditions(
            alike => alike.Address.ShouldBe("127.0.0.1"), alike => alike.Open.ShouldBe(3), alike => alike.Idle.ShouldBe(1), alike => alike.IdleInTransaction.ShouldBe(1));
        await enough.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(sleeping);
    }

    [Fact]
    public async Task On_MariaDB_idle_transactions_and_running_statements_are_told()
    {
        await using var bench = await MySqlFixture.StartAsync(MySqlServer.Of(await servers.MariaDbAsync()), Cancellation);
        await using var engine = new MySqlEngine(TimeProvider.System);
        var login = await bench.CreateLoginAsync("pod", "", Cancellation);
        await bench.DoAsync($"CREATE TABLE {bench.Name}.t (id int PRIMARY KEY) ENGINE=InnoDB", Cancellation);
        await bench.DoAsync($"INSERT INTO {bench.Name}.t VALUES (1)", Cancellation);
        await using var forgotten = await bench.OpenAsync(login, Cancellation);
        await using var busy = await bench.OpenAsync(login, Cancellation);
        await bench.OpenAsync(login, Cancellation);
        await using (var begin = new MySqlCommand($"START TRANSACTION; SELECT * FROM {bench.Name}.t", forgotten)) await begin.ExecuteScalarAsync(Cancellation);
        await using var sleep = new MySqlCommand("SELECT SLEEP(60)", busy);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var sleeping = sleep.ExecuteNonQueryAsync(enough.Token);

        IReadOnlyList<OpenSessions> seen = [];
        await Eventually.HoldsAsync(
            async () =>
            {
                seen = [.. (await engine.SessionsAsync(bench.Database, Cancellation)).Where(alike => alike.Username == login.Username)];
                return seen.Any(alike => alike.LongestQuery >= TimeSpan.FromSeconds(1)) && seen.Any(alike => alike.LongestIdleInTransaction is not null);
            },
            "the sessions show", Cancellation);

        (seen.Sum(alike => alike.Open), seen.Sum(alike => alike.Idle), seen.Sum(alike => alike.IdleInTransaction)).ShouldBe((3, 1, 1));
        seen.ShouldAllBe(alike => alike.Address == "127.0.0.1");
        await enough.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(sleeping);
    }

    [Fact]
    public void What_MongoDB_answers_is_read_whatever_it_leaves_out()
    {
        var reply = BsonDocument.Parse("""
            { "cursor": { "firstBatch": [
              { "_id": { "user": "b-api", "program": "orders/api-1~sfSfGIpv", "client": "10.1.2.3:51000" }, "open": 1, "busy": 1, "longest": 12 },
              { "_id": { "user": "b-api", "program": "orders/api-1~sfSfGIpv", "client": "10.1.2.3:51001" }, "open": 1, "busy": 0, "longest": null },
              { "_id": { "user": null, "client": "[fd00::1]:51002" }, "open": 1, "busy": 0 } ] } }
            """);

        Core.Databases.MongoDb.SessionList.Read(reply).ShouldBe(
        [
            new("b-api", "orders/api-1~sfSfGIpv", "10.1.2.3", 2, 1, 0, TimeSpan.FromSeconds(12), null),
            new(null, "", "fd00::1", 1, 1, 0, null, null),
        ]);
    }
}
