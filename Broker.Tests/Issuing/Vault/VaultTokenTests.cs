using Broker.Core.Issuing;
using Broker.Core.Issuing.Vault;
using LoadTests.Servers.LocalServers;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>A lease dies with the token that created it: the token is kept alive, and no lease is promised beyond it.</summary>
public sealed class VaultTokenTests : IAsyncLifetime
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private readonly FakeTimeProvider time = new();
    private SimulatedVault vault = null!;

    public async ValueTask InitializeAsync()
    {
        vault = await SimulatedVault.StartAsync(time);
        vault.AddRole(new SimulatedRole("database/creds/app", 2 * Hour, 48 * Hour));
    }

    public ValueTask DisposeAsync() => vault.DisposeAsync();

    [Fact]
    public async Task A_periodic_token_that_is_kept_alive_holds_leases_of_any_length()
    {
        vault.Tokens = new SimulatedTokens { Period = Hour };
        using var bench = Bench();
        var issued = await bench.IssueAsync();
        issued.Term.ShouldBe(new LeaseTerm(2 * Hour, Renewable: true));

        for (var passed = TimeSpan.Zero; passed < 80 * Minute;)
        {
            var next = (await bench.Issuer.KeepAliveAsync(VaultFixture.Cancellation)).ShouldNotBeNull();
            next.ShouldBeInRange(TimeSpan.FromSeconds(1), Hour / 2);
            time.Advance(next + TimeSpan.FromSeconds(1));
            passed += next;
        }

        (await bench.Issuer.LookUpAsync(VaultFixture.LeaseOf(issued.Id), default, VaultFixture.Cancellation)).ShouldNotBeNull();
        vault.Count("POST", "auth/approle/login").ShouldBe(1);
        vault.Count("POST", "auth/token/renew-self").ShouldBe(3); // one of them tells that it is periodic
    }

    [Fact]
    public async Task L4_a_lease_is_capped_at_the_life_of_a_token_that_is_not_periodic()
    {
        vault.Tokens = new SimulatedTokens { Ttl = Hour / 4, MaxTtl = Hour };
        using var bench = Bench();

        var issued = await bench.IssueAsync();

        issued.Term.Duration.ShouldBe(Hour); // all that the token can ever have, not what it was given first
        issued.Term.Warning.ShouldNotBeNull().ShouldContain("token_period");
        bench.Logger.Events.ShouldContain(3007);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task L4_a_lease_is_capped_at_the_life_of_a_token_that_cannot_be_renewed(bool batch)
    {
        vault.Tokens = new SimulatedTokens { Ttl = Hour, Renewable = false, Batch = batch };
        using var bench = Bench();
        await bench.IssueAsync();
        time.Advance(10 * Minute);

        var issued = await bench.IssueAsync();

        issued.Term.Duration.ShouldBe(50 * Minute);
        time.Advance(50 * Minute - TimeSpan.FromSeconds(5));
        vault.LeaseIds.ShouldContain(issued.Id);
    }

    [Fact]
    public async Task L4_a_lease_is_capped_at_the_explicit_max_TTL_of_a_periodic_token()
    {
        vault.Tokens = new SimulatedTokens { Period = 30 * Minute, ExplicitMaxTtl = 90 * Minute };
        using var bench = Bench();

        (await bench.IssueAsync()).Term.Duration.ShouldBe(90 * Minute);
    }

    [Fact]
    public async Task A_lease_that_ends_before_its_token_is_not_touched()
    {
        vault.Tokens = new SimulatedTokens { Ttl = Hour, MaxTtl = 3 * Hour };
        using var bench = Bench();

        (await bench.IssueAsync()).Term.ShouldBe(new LeaseTerm(2 * Hour, Renewable: true));
    }

    [Fact]
    public async Task A_root_token_needs_no_care()
    {
        await using var server = await LoopbackServer.StartAsync(async context =>
        {
            context.Response.ContentType = "application/json";
            await context.Response.Body.WriteAsync(
                """{"data":{"creation_time":1795465673,"creation_ttl":0,"expire_time":null,"explicit_max_ttl":0,"renewable":false,"ttl":0,"type":"service"}}"""u8.ToArray());
        });
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(server.Address, VaultFixture.TokenAuth("hvs.root")), time);

        (await bench.Issuer.KeepAliveAsync(VaultFixture.Cancellation)).ShouldBeNull();
        (await bench.Tokens.GetAsync(VaultFixture.Cancellation)).Horizon.ShouldBeNull();
    }

    [Fact]
    public async Task L4_a_token_at_its_end_is_followed_by_a_new_one_while_its_leases_run_out()
    {
        vault.Tokens = new SimulatedTokens { Ttl = Hour, Renewable = false };
        using var bench = Bench();
        var early = await bench.IssueAsync();
        time.Advance(31 * Minute);

        await bench.Issuer.KeepAliveAsync(VaultFixture.Cancellation);
        var late = await bench.IssueAsync();

        vault.Count("POST", "auth/approle/login").ShouldBe(2);
        late.Term.Duration.ShouldBe(Hour);
        vault.LeaseIds.ShouldBe([early.Id, late.Id], ignoreOrder: true);

        // Vault would give the early lease two hours more, and then drop it with its token in 29 minutes.
        var renewed = await bench.Issuer.RenewAsync(VaultFixture.LeaseOf(early.Id), 2 * Hour, default, VaultFixture.Cancellation);
        renewed.Duration.ShouldBe(29 * Minute);
        (await bench.Issuer.LookUpAsync(VaultFixture.LeaseOf(early.Id), default, VaultFixture.Cancellation))!.Duration.ShouldBe(29 * Minute);
        time.Advance(30 * Minute);
        (await bench.Issuer.LookUpAsync(VaultFixture.LeaseOf(early.Id), default, VaultFixture.Cancellation)).ShouldBeNull();
        (await bench.Issuer.LookUpAsync(VaultFixture.LeaseOf(late.Id), default, VaultFixture.Cancellation)).ShouldNotBeNull();
    }

    [Fact]
    public async Task A_token_past_half_of_its_life_is_prolonged_before_a_lease_is_put_on_it()
    {
        vault.Tokens = new SimulatedTokens { Period = Hour, ExplicitMaxTtl = 100 * Minute };
        using var bench = Bench();
        await bench.IssueAsync();
        time.Advance(40 * Minute);

        (await bench.IssueAsync()).Term.Duration.ShouldBe(Hour);

        vault.Count("POST", "auth/token/renew-self").ShouldBe(2);
    }

    [Fact]
    public async Task A_periodic_token_of_a_login_is_recognised_though_it_does_not_say_so()
    {
        vault.Tokens = new SimulatedTokens { Period = TimeSpan.FromMinutes(2) };
        using var bench = Bench();

        (await bench.IssueAsync()).Term.ShouldBe(new LeaseTerm(2 * Hour, Renewable: true));

        bench.Logger.Events.ShouldNotContain(3016);
        bench.Logger.Events.ShouldNotContain(3007);
    }

    [Fact]
    public async Task L4_a_token_that_may_not_renew_itself_holds_leases_for_the_time_it_has()
    {
        vault.Tokens = new SimulatedTokens { Period = Hour, Forbidden = ["auth/token/renew-self"] };
        using var bench = Bench();

        (await bench.IssueAsync()).Term.Duration.ShouldBe(Hour);

        bench.Logger.Events.ShouldContain(3017);
    }

    [Theory]
    [InlineData("TTL of \"876000h\" exceeded the effective max_ttl of \"768h\"; TTL value is capped accordingly", 2764800)]
    [InlineData("period of \"800h\" exceeded the effective max_ttl of \"768h\"; period value is capped accordingly", null)]
    [InlineData("Endpoint ignored these unrecognized parameters: [x]", null)]
    [InlineData(null, null)]
    public async Task What_a_renewal_warns_of_tells_a_periodic_token_from_another(string? warning, int? safeForSeconds)
    {
        await using var server = await LoopbackServer.StartAsync(async context =>
        {
            context.Response.ContentType = "application/json";
            var warnings = warning is null ? "null" : System.Text.Json.JsonSerializer.Serialize(new[] { warning });
            await context.Response.WriteAsync(context.Request.Path.Value!.EndsWith("renew-self", StringComparison.Ordinal)
                ? $$$"""{"warnings":{{{warnings}}},"auth":{"client_token":"hvs.x","lease_duration":2764800,"renewable":true}}"""
                : """{"data":{"creation_time":1795465673,"creation_ttl":3600,"expire_time":"2026-11-23T21:27:53Z","issue_time":"2026-11-23T20:27:53Z","explicit_max_ttl":0,"renewable":true,"ttl":3599,"type":"service"}}""");
        });
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(server.Address, VaultFixture.TokenAuth("hvs.x")), time);

        (await bench.Tokens.GetAsync(VaultFixture.Cancellation)).Horizon.ShouldBe(safeForSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null);
    }

    [Fact]
    public async Task L4_a_token_that_got_all_its_time_is_followed_at_half_of_it_by_another()
    {
        vault.Tokens = new SimulatedTokens { Ttl = Hour / 4, MaxTtl = Hour };
        using var bench = Bench();
        await bench.IssueAsync();

        for (var at = 0; at < 5; at++)
        {
            time.Advance(31 * Minute);
            await bench.Issuer.KeepAliveAsync(VaultFixture.Cancellation);
            (await bench.IssueAsync()).Term.Duration.ShouldBe(Hour);
        }

        vault.Count("POST", "auth/approle/login").ShouldBe(6);
    }

    [Fact]
    public async Task A_given_token_that_ends_is_complained_of_and_not_asked_about_at_every_issue()
    {
        using var bench = new VaultFixture(
            VaultFixture.DefinitionOf(vault.Address, VaultFixture.TokenAuth(vault.CreateToken(new SimulatedTokens { Ttl = Hour, Renewable = false }))), time);
        await bench.IssueAsync();
        time.Advance(40 * Minute);

        for (var ask = 0; ask < 5; ask++) (await bench.IssueAsync()).Term.Duration.ShouldBe(20 * Minute);

        bench.Logger.Events.Count(id => id == 3006).ShouldBe(1);
    }

    [Fact]
    public async Task L10_a_failed_renewal_of_the_token_says_when_to_try_again_and_the_token_is_still_used()
    {
        vault.Tokens = new SimulatedTokens { Period = Hour };
        using var bench = new VaultFixture(VaultFixture.PatientDefinitionOf(vault.Address), time);
        await bench.IssueAsync();
        time.Advance(40 * Minute);
        vault.Fail("auth/token/renew-self", new SimulatedFault.Answer(500, "internal error"), times: 4);

        var failed = await Should.ThrowAsync<IssuerException>(() => VaultFixture.RunAsync(time, bench.Issuer.KeepAliveAsync(VaultFixture.Cancellation)));

        failed.RetryAfter.ShouldNotBeNull().ShouldBeInRange(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30));
        bench.Logger.Events.ShouldContain(3003);
        await bench.IssueAsync();
        vault.Count("POST", "auth/approle/login").ShouldBe(1);
    }

    [Fact]
    public async Task A_given_token_that_ends_soon_and_gets_no_more_is_a_failure_of_what_keeps_it_alive()
    {
        using var bench = new VaultFixture(
            VaultFixture.DefinitionOf(vault.Address, VaultFixture.TokenAuth(vault.CreateToken(new SimulatedTokens { Ttl = Hour, Renewable = false }))), time);
        await bench.IssueAsync();
        time.Advance(45 * Minute);
        (await bench.Issuer.KeepAliveAsync(VaultFixture.Cancellation)).ShouldNotBeNull("somebody has time to mend it");
        time.Advance(6 * Minute);

        (await Should.ThrowAsync<IssuerException>(() => bench.Issuer.KeepAliveAsync(VaultFixture.Cancellation))).Message.ShouldContain("periodic");
        (await bench.IssueAsync()).Term.Duration.ShouldBe(9 * Minute, "it is used while it lives");
    }

    [Fact]
    public async Task Fifty_issues_on_a_token_past_half_of_its_life_prolong_it_once()
    {
        vault.Tokens = new SimulatedTokens { Ttl = Hour, Renewable = false };
        using var bench = Bench();
        await bench.IssueAsync();
        time.Advance(40 * Minute);

        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => bench.IssueAsync()));

        vault.Count("POST", "auth/approle/login").ShouldBe(2);
    }

    [Fact]
    public async Task A_token_that_ended_by_the_clock_is_not_sent_any_more()
    {
        vault.Tokens = new SimulatedTokens { Ttl = Hour, MaxTtl = Hour };
        using var bench = Bench();
        var dead = (await bench.Tokens.GetAsync(VaultFixture.Cancellation)).Value.Reveal();
        time.Advance(2 * Hour);
        var before = vault.Seen.Count;

        await bench.IssueAsync();

        vault.Seen.Skip(before).ShouldAllBe(request => request.Token != dead);
    }

    [Fact]
    public async Task A_store_keeps_the_first_of_two_tokens_put_at_once()
    {
        var store = new InMemoryVaultTokenStore(time);
        var (one, two) = (Token("one"), Token("two"));

        (await store.ReplaceAsync("vault", null, one, VaultFixture.Cancellation)).Value.Reveal().ShouldBe("one");
        (await store.ReplaceAsync("vault", null, two, VaultFixture.Cancellation)).Value.Reveal().ShouldBe("one");
        (await store.ReplaceAsync("vault", one, two, VaultFixture.Cancellation)).Value.Reveal().ShouldBe("two");
        time.Advance(10 * Minute);

        var read = (await store.ReadAsync("vault", VaultFixture.Cancellation)).ShouldNotBeNull();
        (read.TimeLeft, read.Horizon).ShouldBe((50 * Minute, 50 * Minute));
        (await store.ReadAsync("other", VaultFixture.Cancellation)).ShouldBeNull();
    }

    private static VaultToken Token(string value) => new()
    {
        Value = new Broker.Core.Model.Secret(value),
        IssuedAt = DateTimeOffset.UnixEpoch,
        TimeLeft = Hour,
        FullTtl = Hour,
        Renewable = true,
        Horizon = Hour,
    };

    private VaultFixture Bench() => new(VaultFixture.DefinitionOf(vault.Address), time);
}
