using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Issuing.Vault;
using Broker.Core.Model;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>How the broker gets a token, and gets another when that one is dead.</summary>
public sealed class VaultLoginTests : IAsyncLifetime
{
    private readonly string folder = Directory.CreateTempSubdirectory("vault-login").FullName;
    private SimulatedVault vault = null!;

    public async ValueTask InitializeAsync()
    {
        vault = await SimulatedVault.StartAsync();
        vault.AddRole(new SimulatedRole("database/creds/app", TimeSpan.FromMinutes(10), TimeSpan.FromHours(1)));
    }

    public async ValueTask DisposeAsync()
    {
        await vault.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData("approle")]
    [InlineData("team-a/approle")]
    public async Task AppRole_logs_in_at_its_mount_with_the_secret_id_from_a_file(string mount)
    {
        vault.Mounts[mount] = "approle";
        using var bench = Bench(new VaultAppRoleAuth(SimulatedVault.RoleId, File("secret-id", SimulatedVault.SecretId + "\n"), mount));

        await bench.IssueAsync();

        vault.Count("POST", $"auth/{mount}/login").ShouldBe(1);
    }

    [Fact]
    public async Task Kubernetes_logs_in_at_its_mount_with_the_service_accounts_token()
    {
        vault.Mounts["cluster-1"] = "kubernetes";
        using var bench = Bench(new VaultKubernetesAuth("broker", File("jwt", SimulatedVault.Jwt), "cluster-1"));

        await bench.IssueAsync();

        var login = vault.Seen.First(request => request.Path == "auth/cluster-1/login");
        ((string?)login.Body["role"], login.Token).ShouldBe(("broker", null));
    }

    [Fact]
    public async Task A_given_token_is_used_without_a_login()
    {
        var token = vault.CreateToken(new SimulatedTokens());
        using var bench = Bench(VaultFixture.TokenAuth(token));

        await bench.IssueAsync();

        vault.Seen.ShouldAllBe(request => request.Token == token);
    }

    [Fact]
    public async Task A_token_file_is_read_again_when_its_token_is_refused()
    {
        var file = File("token", vault.CreateToken(new SimulatedTokens()));
        using var bench = Bench(new VaultTokenAuth(file));
        await bench.IssueAsync();
        await vault.RevokeAllTokensAsync();
        var second = vault.CreateToken(new SimulatedTokens());
        File("token", second);

        await bench.IssueAsync();

        vault.Seen.Last().Token.ShouldBe(second);
    }

    [Fact]
    public async Task A_token_file_that_still_holds_the_refused_token_says_what_to_do()
    {
        using var bench = Bench(new VaultTokenAuth(File("token", "hvs.nobody-knows-this")));

        var failure = await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());

        failure.Failure.ShouldBe(IssuerFailure.Refused);
        failure.Message.ShouldContain("Replace it with a new one");
        failure.ToString().ShouldNotContain("hvs.nobody");
    }

    [Theory]
    [InlineData("")]
    [InlineData("two words")]
    [InlineData("naïve")]
    public async Task A_token_file_without_a_token_is_refused(string content)
    {
        using var bench = Bench(new VaultTokenAuth(File("token", content)));

        (await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync())).Failure.ShouldBe(IssuerFailure.Refused);
    }

    [Fact]
    public async Task A_secret_file_that_is_missing_is_named()
    {
        using var bench = Bench(new VaultAppRoleAuth(SimulatedVault.RoleId, new SecretSource(null, Path.Combine(folder, "not-there"))));

        var failure = await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());

        failure.Failure.ShouldBe(IssuerFailure.Refused);
        failure.Message.ShouldContain("not-there");
    }

    [Fact]
    public async Task A_refused_login_is_not_repeated_at_once()
    {
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        using var bench = new VaultFixture(
            VaultFixture.DefinitionOf(vault.Address, new VaultAppRoleAuth(SimulatedVault.RoleId, new SecretSource(new Secret("wrong"), null))), time);

        for (var ask = 0; ask < 5; ask++)
        {
            var failure = await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());
            failure.Failure.ShouldBe(IssuerFailure.Refused);
            failure.Message.ShouldContain("invalid role or secret ID");
        }

        vault.Count("POST", "auth/approle/login").ShouldBe(1);
        time.Advance(TimeSpan.FromSeconds(6));
        await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());
        vault.Count("POST", "auth/approle/login").ShouldBe(2);
    }

    [Fact]
    public async Task Fifty_calls_without_a_token_log_in_once()
    {
        vault.Slow = TimeSpan.FromMilliseconds(20);
        using var bench = Bench(VaultFixture.AppRole);

        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => bench.IssueAsync()));

        vault.Count("POST", "auth/approle/login").ShouldBe(1);
        vault.Users.Count.ShouldBe(50);
    }

    [Fact]
    public async Task Fifty_calls_with_a_dead_token_log_in_once_and_all_succeed()
    {
        using var bench = Bench(VaultFixture.AppRole);
        await bench.IssueAsync();
        await vault.RevokeAllTokensAsync();
        vault.Slow = TimeSpan.FromMilliseconds(20);

        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => bench.IssueAsync()));

        vault.Count("POST", "auth/approle/login").ShouldBe(2);
        vault.Users.Count.ShouldBe(50);
        bench.Logger.Events.Count(id => id == 3005).ShouldBe(1);
    }

    [Fact]
    public async Task A_caller_that_leaves_does_not_stop_the_login_of_the_others()
    {
        vault.Slow = TimeSpan.FromMilliseconds(500); // the caller has long left by then
        using var bench = Bench(VaultFixture.AppRole);
        using var leaving = new CancellationTokenSource();

        var first = bench.Issuer.LookUpAsync(VaultFixture.LeaseOf("database/creds/app/none"), default, leaving.Token);
        var second = bench.IssueAsync();
        await leaving.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => first);
        await second;
        vault.Count("POST", "auth/approle/login").ShouldBe(1);
    }

    [Fact]
    public async Task A_token_another_replica_stored_is_used_instead_of_a_login()
    {
        var store = new InMemoryVaultTokenStore(TimeProvider.System);
        using var one = new VaultFixture(VaultFixture.DefinitionOf(vault.Address), store: store);
        using var other = new VaultFixture(VaultFixture.DefinitionOf(vault.Address), store: store);

        await one.IssueAsync();
        await other.IssueAsync();
        await vault.RevokeAllTokensAsync();
        await Task.WhenAll(one.IssueAsync(), other.IssueAsync());

        vault.Count("POST", "auth/approle/login").ShouldBeInRange(2, 3); // at the same moment both may log in; one token stays
        vault.Seen.Where(request => request.Method == "GET" && request.Path == "database/creds/app").Select(request => request.Token).Distinct().Count().ShouldBe(2);
    }

    [Fact]
    public async Task A_token_is_never_sent_to_another_server_than_the_one_it_is_for()
    {
        await using var elsewhere = await SimulatedVault.StartAsync();
        elsewhere.AddRole(new SimulatedRole("database/creds/app", TimeSpan.FromMinutes(10), TimeSpan.FromHours(1)));
        var store = new InMemoryVaultTokenStore(TimeProvider.System);
        using var before = new VaultFixture(VaultFixture.DefinitionOf(vault.Address), store: store);
        using var moved = new VaultFixture(VaultFixture.DefinitionOf(elsewhere.Address), store: store);

        await before.IssueAsync();
        await moved.IssueAsync();

        elsewhere.Seen.Select(request => request.Token).Intersect(vault.Seen.Select(request => request.Token)).ShouldBe([null]);
    }

    [Fact]
    public async Task The_token_lives_on_when_the_issuer_is_disposed_of()
    {
        var bench = Bench(VaultFixture.AppRole);
        var issued = await bench.IssueAsync();

        bench.Dispose();

        vault.LeaseIds.ShouldBe([issued.Id]);
        vault.Count("POST", "auth/token/revoke").ShouldBe(0);
    }

    private VaultFixture Bench(VaultAuth auth) => new(VaultFixture.DefinitionOf(vault.Address, auth));

    private SecretSource File(string name, string content)
    {
        var path = Path.Combine(folder, name);
        System.IO.File.WriteAllText(path, content);
        return new SecretSource(null, path);
    }
}
