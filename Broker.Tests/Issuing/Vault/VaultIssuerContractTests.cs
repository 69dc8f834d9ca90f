using Broker.Tests.Contracts;
using LoadTests.Servers.LocalServers;
using Npgsql;

namespace Broker.Tests.Issuing.Vault;

/// <summary>The contract of issuers, on a double of Vault that makes real users in PostgreSQL.</summary>
public sealed class VaultIssuerContractTests(SharedServers servers) : IssuerContract
{
    private const string Creds = "database/creds/app";

    protected override async Task<IssuerBench> SetUpAsync()
    {
        var admin = (await servers.PostgresAsync()).AdminConnectionString;
        var vault = await SimulatedVault.StartAsync();
        vault.AddRole(PostgresRole.On(admin, Creds, TimeSpan.FromHours(1), TimeSpan.FromHours(24)));
        vault.Tokens = new() { Period = TimeSpan.FromHours(24) };
        var bench = new VaultFixture(VaultFixture.DefinitionOf(vault.Address));
        return new(
            bench.Issuer,
            VaultFixture.Role(Creds),
            VaultFixture.Database,
            async login =>
            {
                var settings = new NpgsqlConnectionStringBuilder(admin) { Username = login.Username, Password = login.Password.Reveal(), Pooling = false };
                await using var connection = new NpgsqlConnection(settings.ConnectionString);
                try
                {
                    await connection.OpenAsync(Cancellation);
                    return true;
                }
                catch (PostgresException refused) when (refused.SqlState == "28P01")
                {
                    return false;
                }
            },
            async () =>
            {
                bench.Dispose();
                await vault.DisposeAsync();
            });
    }
}
