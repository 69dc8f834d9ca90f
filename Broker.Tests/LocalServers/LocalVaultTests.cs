using LoadTests.Servers.LocalServers;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.LocalServers;

public sealed class LocalVaultTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Issues_users_that_can_log_in()
    {
        await using var vault = await LocalVault.StartAsync(Cancellation);
        Assert.SkipWhen(vault is null, LocalVault.HowToGetOne);
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 20 }, Cancellation);

        var path = await vault!.ServeAsync(
            postgres,
            "orders-api",
            ["""CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"""],
            TimeSpan.FromMinutes(10),
            TimeSpan.FromHours(1),
            Cancellation);
        var (username, password) = await vault.ReadCredentialsAsync(path, Cancellation);

        var login = new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString) { Username = username, Password = password, Pooling = false };
        await using var connection = new NpgsqlConnection(login.ConnectionString);
        await connection.OpenAsync(Cancellation);
        connection.State.ShouldBe(System.Data.ConnectionState.Open);
    }
}
