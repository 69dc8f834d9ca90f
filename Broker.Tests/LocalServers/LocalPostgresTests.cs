using LoadTests.Servers.LocalServers;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.LocalServers;

public sealed class LocalPostgresTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_at_once_have_the_limits_they_were_given_and_leave_nothing()
    {
        var small = LocalPostgres.StartAsync(new() { MaxConnections = 20, SuperuserReservedConnections = 5 }, Cancellation);
        var large = LocalPostgres.StartAsync(
            new() { MaxConnections = 60, Settings = new Dictionary<string, string> { ["work_mem"] = "2MB" } }, Cancellation);
        await using (var first = await small)
        await using (var second = await large)
        {
            (await AskAsync(first, "SHOW max_connections")).ShouldBe("20");
            (await AskAsync(first, "SHOW superuser_reserved_connections")).ShouldBe("5");
            (await AskAsync(second, "SHOW max_connections")).ShouldBe("60");
            (await AskAsync(second, "SHOW work_mem")).ShouldBe("2MB");
            (await AskAsync(second, "SELECT current_database()::text")).ShouldBe("app");
        }

        await NothingLeft.OfAsync((await small).Port, (await small).Directory, Cancellation);
        await NothingLeft.OfAsync((await large).Port, (await large).Directory, Cancellation);
    }

    [Fact]
    public async Task Keeps_its_data_and_its_port_when_stopped_and_started()
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 20 }, Cancellation);
        await AskAsync(postgres, "CREATE TABLE kept AS SELECT 42 AS answer; SELECT ''");

        await postgres.StopAsync();
        await Should.ThrowAsync<NpgsqlException>(() => AskAsync(postgres, "SELECT ''"));
        await postgres.StartAgainAsync(Cancellation);

        (await AskAsync(postgres, "SELECT answer::text FROM kept")).ShouldBe("42");
    }

    [Fact]
    public async Task Says_what_is_wrong_when_it_does_not_start()
    {
        var failure = await Should.ThrowAsync<ServerStartException>(() => LocalPostgres.StartAsync(
            new() { Settings = new Dictionary<string, string> { ["no_such_setting"] = "1" } }, Cancellation));

        failure.Message.ShouldContain("no_such_setting");
    }

    [Fact]
    public async Task Refuses_a_login_without_the_password()
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 20 }, Cancellation);
        var wrong = new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString) { Password = "wrong", Pooling = false };
        await using var connection = new NpgsqlConnection(wrong.ConnectionString);

        (await Should.ThrowAsync<PostgresException>(() => connection.OpenAsync(Cancellation))).SqlState.ShouldBe("28P01");
    }

    private static async Task<string?> AskAsync(LocalPostgres postgres, string sql)
    {
        await using var connection = new NpgsqlConnection(postgres.AdminConnectionString + ";Pooling=false");
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand(sql, connection);
        return (string?)await command.ExecuteScalarAsync(Cancellation);
    }
}
