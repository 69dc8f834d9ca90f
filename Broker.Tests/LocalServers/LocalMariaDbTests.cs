using LoadTests.Servers.LocalServers;
using MySqlConnector;
using Shouldly;
using Xunit;

namespace Broker.Tests.LocalServers;

public sealed class LocalMariaDbTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_at_once_have_the_limits_they_were_given_and_leave_nothing()
    {
        var small = LocalMariaDb.StartAsync(new() { MaxConnections = 20 }, Cancellation);
        var large = LocalMariaDb.StartAsync(
            new() { MaxConnections = 60, Settings = new Dictionary<string, string> { ["max_user_connections"] = "7" } }, Cancellation);
        await using (var first = await small)
        await using (var second = await large)
        {
            (await AskAsync(first, "SELECT @@max_connections")).ShouldBe("20");
            (await AskAsync(second, "SELECT @@max_connections")).ShouldBe("60");
            (await AskAsync(second, "SELECT @@max_user_connections")).ShouldBe("7");
            (await AskAsync(second, "SELECT DATABASE()")).ShouldBe("app");
        }

        await NothingLeft.OfAsync((await small).Port, (await small).Directory, Cancellation);
        await NothingLeft.OfAsync((await large).Port, (await large).Directory, Cancellation);
    }

    [Fact]
    public async Task Keeps_its_data_and_its_port_when_stopped_and_started()
    {
        await using var mariaDb = await LocalMariaDb.StartAsync(new() { MaxConnections = 20 }, Cancellation);
        await AskAsync(mariaDb, "CREATE TABLE kept AS SELECT 42 AS answer");

        await mariaDb.StopAsync();
        await Should.ThrowAsync<MySqlException>(() => AskAsync(mariaDb, "SELECT 1"));
        await mariaDb.StartAgainAsync(Cancellation);

        (await AskAsync(mariaDb, "SELECT answer FROM kept")).ShouldBe("42");
    }

    [Fact]
    public async Task Says_what_is_wrong_when_it_does_not_start()
    {
        var failure = await Should.ThrowAsync<ServerStartException>(() => LocalMariaDb.StartAsync(
            new() { Settings = new Dictionary<string, string> { ["no_such_setting"] = "1" } }, Cancellation));

        failure.Message.ShouldContain("no-such-setting");
    }

    [Theory]
    [InlineData("admin", "wrong")]
    [InlineData("root", "")]
    [InlineData("", "")]
    public async Task Refuses_whoever_is_not_the_administrator_with_its_password(string username, string password)
    {
        await using var mariaDb = await LocalMariaDb.StartAsync(new() { MaxConnections = 20 }, Cancellation);
        var wrong = new MySqlConnectionStringBuilder(mariaDb.AdminConnectionString) { UserID = username, Password = password, Pooling = false };
        await using var connection = new MySqlConnection(wrong.ConnectionString);

        (await Should.ThrowAsync<MySqlException>(() => connection.OpenAsync(Cancellation))).ErrorCode.ShouldBe(MySqlErrorCode.AccessDenied);
    }

    private static async Task<string?> AskAsync(LocalMariaDb mariaDb, string sql)
    {
        await using var connection = new MySqlConnection(mariaDb.AdminConnectionString + ";Pooling=false");
        await connection.OpenAsync(Cancellation);
        await using var command = new MySqlCommand(sql, connection);
        return Convert.ToString(await command.ExecuteScalarAsync(Cancellation), System.Globalization.CultureInfo.InvariantCulture);
    }
}
