using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Issuing.Vault;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>A token in a file that somebody else keeps: a Vault Agent's sink, a mounted Secret.</summary>
public sealed class VaultTokenFileTests : IAsyncLifetime
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly SimulatedTokens Periodic = new() { Period = Hour };

    private readonly FakeTimeProvider time = new();
    private readonly string folder = Directory.CreateTempSubdirectory("vault-token").FullName;
    private SimulatedVault vault = null!;

    private string TokenFile => Path.Combine(folder, "token");

    public async ValueTask InitializeAsync()
    {
        vault = await SimulatedVault.StartAsync(time);
        vault.AddRole(new SimulatedRole("database/creds/app", 2 * Hour, 48 * Hour));
    }

    public async ValueTask DisposeAsync()
    {
        await vault.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task Another_token_that_is_put_there_is_used_within_half_a_minute_and_leases_of_the_one_before_run_out()
    {
        var first = await PutAsync(Periodic);
        using var bench = Bench();
        await bench.Issuer.KeepAliveAsync(VaultFixture.Cancellation);
        var early = await bench.IssueAsync();
        early.Term.Duration.ShouldBe(2 * Hour);
        time.Advance(TimeSpan.FromMinutes(10));
        var second = await PutAsync(Periodic);

        (await bench.Issuer.KeepAliveAsync(VaultFixture.Cancellation)).ShouldBe(TimeSpan.FromSeconds(30));
        time.Advance(TimeSpan.FromMinutes(1)); // what is issued while replicas change over counts as the first one's
        var late = await bench.IssueAsync();

        vault.Seen.Last(request => request.Path == "database/creds/app").Token.ShouldBe(second);
        second.ShouldNotBe(first);
        late.Term.Duration.ShouldBe(2 * Hour);

        // Nobody renews the first token any more: its lease is promised for the time that it has.
        (await bench.Issuer.LookUpAsync(VaultFixture.LeaseOf(early.Id), default, VaultFixture.Cancellation))!.Duration.ShouldBe(TimeSpan.FromMinutes(49));
        (await bench.Issuer.LookUpAsync(VaultFixture.LeaseOf(late.Id), default, VaultFixture.Cancellation))!.Duration.ShouldBe(2 * Hour);
        bench.Logger.Events.ShouldContain(3004);
    }

    [Fact]
    public async Task A_token_that_does_not_work_leaves_the_one_before_in_use_and_kept_alive()
    {
        var first = await PutAsync(Periodic);
        using var bench = Bench();
        await bench.Issuer.KeepAliveAsync(VaultFixture.Cancellation);
        await File.WriteAllTextAsync(TokenFile, "hvs.of-nobody", VaultFixture.Cancellation);
        for (var minute = 0; minute < 90; minute++)
        {
            time.Advance(TimeSpan.FromMinutes(1));
            await bench.Issuer.KeepAliveAsync(VaultFixture.Cancellation);
        }

        await bench.IssueAsync();

        vault.Seen.Last(request => request.Path == "database/creds/app").Token.ShouldBe(first);
        bench.Logger.Events.ShouldContain(3018);
        bench.Logger.Text.ShouldNotContain("hvs.of-nobody");
    }

    [Fact]
    public async Task A_file_that_is_empty_or_gone_for_a_while_changes_nothing()
    {
        var first = await PutAsync(Periodic);
        using var bench = Bench();
        await bench.Issuer.KeepAliveAsync(VaultFixture.Cancellation);
        await File.WriteAllTextAsync(TokenFile, "", VaultFixture.Cancellation);
        await bench.Issuer.KeepAliveAsync(VaultFixture.Cancellation);
        File.Delete(TokenFile);
        await bench.Issuer.KeepAliveAsync(VaultFixture.Cancellation);

        await bench.IssueAsync();

        vault.Seen.Last(request => request.Path == "database/creds/app").Token.ShouldBe(first);
    }

    [Fact]
    public async Task Replicas_with_a_file_each_do_not_take_turns_with_their_tokens()
    {
        var store = new InMemoryVaultTokenStore(time);
        var mine = await PutAsync(Periodic);
        using var one = Bench(store);
        await one.Issuer.KeepAliveAsync(VaultFixture.Cancellation);
        await PutAsync(Periodic);
        using var other = Bench(store); // has another file under the same name, with another token

        for (var round = 0; round < 3; round++)
        {
            await PutAsync(Periodic);
            await other.Issuer.KeepAliveAsync(VaultFixture.Cancellation);
        }

        await other.IssueAsync();
        vault.Seen.Last(request => request.Path == "database/creds/app").Token.ShouldBe(mine);
    }

    [Theory]
    [InlineData("""{"token":"hvs.wrapping","accessor":"x","ttl":300,"creation_time":"2026-11-23T21:24:46Z","creation_path":"auth/approle/login","wrapped_accessor":""}""")]
    [InlineData("""{"curve25519_public_key":"AAAA","nonce":"AAAA","encrypted_payload":"AAAA"}""")]
    public async Task What_an_Agent_writes_instead_of_a_token_is_named(string content)
    {
        await File.WriteAllTextAsync(TokenFile, content, VaultFixture.Cancellation);
        using var bench = Bench();

        var refusal = await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());

        refusal.Failure.ShouldBe(IssuerFailure.Refused);
        refusal.Message.ShouldContain("wrap_ttl");
        vault.Seen.ShouldBeEmpty();
    }

    private async Task<string> PutAsync(SimulatedTokens settings)
    {
        var token = vault.CreateToken(settings);
        await File.WriteAllTextAsync(TokenFile, token + "\n", VaultFixture.Cancellation);
        return token;
    }

    private VaultFixture Bench(IVaultTokenStore? store = null) =>
        new(VaultFixture.DefinitionOf(vault.Address, new VaultTokenAuth(new SecretSource(null, TokenFile))), time, store);
}
