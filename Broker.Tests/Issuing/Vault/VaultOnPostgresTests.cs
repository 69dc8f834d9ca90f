using Broker.Core.Issuing;
using LoadTests.Servers.LocalServers;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>The issuer from end to end: a Vault, a PostgreSQL behind it, and users that log in.</summary>
public sealed class VaultOnPostgresTests
{
    private static readonly TimeSpan Ttl = TimeSpan.FromMinutes(10);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_user_of_a_simulated_Vault_lives_as_long_as_its_lease()
    {
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 20 }, Cancellation);
        await using var vault = await SimulatedVault.StartAsync();
        vault.AddRole(PostgresRole.On(postgres.AdminConnectionString, "database/creds/app", Ttl, 6 * Ttl));
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(vault.Address));

        await LiveAndDieAsync(bench, postgres, "database/creds/app");

        var orphan = await bench.IssueAsync();
        await vault.RevokeAllTokensAsync();
        await ShouldNotLogInAsync(postgres, orphan);
    }

    [Fact]
    public async Task A_user_of_a_real_Vault_lives_as_long_as_its_lease()
    {
        await using var vault = await LocalVault.StartAsync(Cancellation);
        Assert.SkipWhen(vault is null, LocalVault.HowToGetOne);
        await using var postgres = await LocalPostgres.StartAsync(new() { MaxConnections = 20 }, Cancellation);
        var path = await vault!.ServeAsync(postgres, "app", [PostgresRole.CreationStatement], Ttl, 6 * Ttl, Cancellation);
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(vault.Address, VaultFixture.TokenAuth(vault.Token)));

        await LiveAndDieAsync(bench, postgres, path);
    }

    private static async Task LiveAndDieAsync(VaultFixture bench, LocalPostgres postgres, string path)
    {
        var issued = await bench.IssueAsync(path);
        var lease = new IssuerLease(VaultFixture.Role(path), VaultFixture.Database, issued.Id);

        await LogInAsync(postgres, issued);
        issued.Term.Duration.ShouldBe(Ttl);
        (await bench.Issuer.LookUpAsync(lease, default, Cancellation)).ShouldNotBeNull().Duration.ShouldBeInRange(Ttl - TimeSpan.FromMinutes(1), Ttl);
        (await bench.Issuer.ListAsync(lease.Role, lease.Database, Cancellation)).ShouldBe([issued.Id]);
        (await bench.Issuer.RenewAsync(lease, 2 * Ttl, default, Cancellation)).Duration.ShouldBe(2 * Ttl);
        var capped = await bench.Issuer.RenewAsync(lease, 100 * Ttl, default, Cancellation);
        capped.Duration.ShouldBeInRange(5 * Ttl, 6 * Ttl);
        capped.Warning.ShouldNotBeNull().ShouldContain("max_ttl");

        await bench.Issuer.RevokeAsync(lease, Cancellation);

        await ShouldNotLogInAsync(postgres, issued);
        (await bench.Issuer.LookUpAsync(lease, default, Cancellation)).ShouldBeNull();
        await bench.Issuer.RevokeAsync(lease, Cancellation);
        (await Should.ThrowAsync<IssuerException>(() => bench.Issuer.RenewAsync(lease, Ttl, default, Cancellation))).Failure.ShouldBe(IssuerFailure.LeaseUnknown);

        await postgres.StopAsync();
        (await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync(path))).Failure.ShouldBe(IssuerFailure.DatabaseUnavailable);
        await postgres.StartAgainAsync(Cancellation);
    }

    private static async Task LogInAsync(LocalPostgres postgres, IssuedLease issued)
    {
        var login = new NpgsqlConnectionStringBuilder(postgres.AdminConnectionString)
        {
            Username = issued.Login.Username,
            Password = issued.Login.Password.Reveal(),
            Pooling = false,
        };
        await using var connection = new NpgsqlConnection(login.ConnectionString);
        await connection.OpenAsync(Cancellation);
    }

    private static async Task ShouldNotLogInAsync(LocalPostgres postgres, IssuedLease issued) =>
        (await Should.ThrowAsync<PostgresException>(() => LogInAsync(postgres, issued))).SqlState.ShouldBe("28P01");
}
