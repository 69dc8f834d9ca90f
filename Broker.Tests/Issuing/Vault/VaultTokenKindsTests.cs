using System.Text.Json.Nodes;
using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Issuing.Vault;
using Broker.Core.Model;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>Each setting that a role of an auth method has for its tokens, by each way to log in: for how long leases are promised.</summary>
public sealed class VaultTokenKindsTests : IAsyncLifetime
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private readonly FakeTimeProvider time = new();
    private SimulatedVault vault = null!;

    public static IEnumerable<TheoryDataRow<string, string>> Members =>
        from way in new[] { "approle", "kubernetes", "token" } from kind in Kinds.Keys select new TheoryDataRow<string, string>(way, kind);

    /// <summary>The settings, and how long a lease of ten hours lives with them: null where it is not cut.</summary>
    private static Dictionary<string, (SimulatedTokens Settings, TimeSpan? Lasts)> Kinds { get; } = new(StringComparer.Ordinal)
    {
        ["token_period"] = (new() { Period = Hour }, null),
        ["token_period longer than the mount's max TTL"] = (new() { Period = 4 * Hour, MaxTtl = 2 * Hour }, null),
        ["token_period and token_explicit_max_ttl"] = (new() { Period = Hour, ExplicitMaxTtl = 3 * Hour }, 3 * Hour),
        ["token_period longer than token_explicit_max_ttl"] = (new() { Period = 4 * Hour, ExplicitMaxTtl = 3 * Hour }, 3 * Hour),
        ["token_max_ttl"] = (new() { Ttl = Hour, MaxTtl = 2 * Hour }, 2 * Hour),
        ["token_explicit_max_ttl"] = (new() { Ttl = Hour, ExplicitMaxTtl = 3 * Hour }, 3 * Hour),
        ["token_max_ttl shorter than token_explicit_max_ttl"] = (new() { Ttl = Hour, MaxTtl = 2 * Hour, ExplicitMaxTtl = 3 * Hour }, 2 * Hour),
        ["the system's max TTL of 32 days"] = (new() { Ttl = Hour }, null),
        ["token_type batch"] = (new() { Ttl = Hour, Batch = true }, Hour),
        ["renewable false"] = (new() { Ttl = Hour, Renewable = false }, Hour),
        ["a policy without renew-self"] = (new() { Period = Hour, Forbidden = ["auth/token/renew-self"] }, Hour),
    };

    public async ValueTask InitializeAsync()
    {
        vault = await SimulatedVault.StartAsync(time);
        vault.AddRole(new SimulatedRole("database/creds/app", 10 * Hour, 48 * Hour));
    }

    public ValueTask DisposeAsync() => vault.DisposeAsync();

    [Theory]
    [MemberData(nameof(Members))]
    public async Task L4_a_lease_is_promised_for_as_long_as_its_token_can_live(string way, string kind)
    {
        var (settings, lasts) = Kinds[kind];
        using var bench = Bench(way, settings);

        var issued = await bench.IssueAsync();

        issued.Term.Duration.ShouldBe(lasts ?? 10 * Hour);
        bench.Logger.Events.Contains(3007).ShouldBe(lasts is not null && !settings.Batch); // Vault cuts a batch token's leases itself

        // To the end of what was promised, whoever keeps the token alive as it asks to be.
        for (var passed = TimeSpan.Zero; passed < issued.Term.Duration - Minute;)
        {
            var next = await bench.KeepAliveAsync() ?? Hour;
            if (next > issued.Term.Duration - Minute - passed) next = issued.Term.Duration - Minute - passed;
            time.Advance(next);
            passed += next;
        }

        (await bench.Issuer.LookUpAsync(VaultFixture.LeaseOf(issued.Id), default, VaultFixture.Cancellation)).ShouldNotBeNull();
    }

    [Theory]
    [InlineData("approle", 1)]
    [InlineData("approle", 20)]
    [InlineData("kubernetes", 1)]
    [InlineData("kubernetes", 20)]
    [InlineData("token", 20)]
    public async Task A_token_that_works_for_some_requests_only_is_refused_before_anything_hangs_on_it(string way, int uses)
    {
        using var bench = Bench(way, new() { Period = Hour, NumUses = uses });

        var refusal = await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());

        refusal.Failure.ShouldBe(IssuerFailure.Refused);
        refusal.Message.ShouldContain("token_num_uses");
        vault.Users.ShouldBeEmpty();
    }

    [Fact]
    public async Task A_given_token_with_its_last_use_says_so()
    {
        using var bench = Bench("token", new() { Period = Hour, NumUses = 1 });

        (await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync())).Message.ShouldContain("used up");
    }

    [Theory]
    [InlineData(500, "policies have changed, not renewing")]
    [InlineData(500, "past the max TTL, cannot renew")]
    [InlineData(403, "1 error occurred:\n\t* permission denied\n\n")]
    public async Task L4_a_token_that_can_no_longer_be_renewed_is_followed_while_its_leases_still_have_time(int status, string error)
    {
        using var bench = Bench("approle", new() { Period = Hour });
        var early = await bench.IssueAsync();
        var first = vault.LiveTokens.Single();
        vault.Others = request => request.Token == first && request.Path == "auth/token/renew-self" ? (status, new() { ["errors"] = new JsonArray(error) }) : null;

        for (var minute = 0; minute < 50; minute++)
        {
            time.Advance(Minute);
            await VaultFixture.RunAsync(time, AliveAsync(bench));
        }

        // Not all leases at once: those of the old token have the rest of its time to be followed.
        var late = await bench.IssueAsync();
        late.Term.Duration.ShouldBe(10 * Hour);
        vault.LeaseIds.ShouldBe([early.Id, late.Id], ignoreOrder: true);
        (await bench.Issuer.LookUpAsync(VaultFixture.LeaseOf(early.Id), default, VaultFixture.Cancellation))!.Duration.ShouldBeLessThan(15 * Minute);
        bench.Logger.Events.ShouldContain(3004);
        bench.Logger.Events.ShouldNotContain(3005);
    }

    [Fact]
    public async Task In_a_namespace_leases_are_found_by_their_longer_ids()
    {
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(vault.Address) with { Namespace = "team-a" }, time);
        var issued = await bench.IssueAsync();
        issued.Id.ShouldMatch(@"^database/creds/app/[0-9A-Za-z]{24}\.nsId1$");

        (await bench.Issuer.ListAsync(VaultFixture.Role(), VaultFixture.Database, VaultFixture.Cancellation)).ShouldBe([issued.Id]);
        bench.Issuer.CouldHaveMade(VaultFixture.Role(), VaultFixture.Database, "", issued.Id).ShouldBeTrue();
        await bench.Issuer.RevokeAsync(VaultFixture.LeaseOf(issued.Id), VaultFixture.Cancellation);
        vault.LeaseIds.ShouldBeEmpty();
    }

    private static async Task<bool> AliveAsync(VaultFixture bench)
    {
        await bench.KeepAliveAsync();
        return true;
    }

    private VaultFixture Bench(string way, SimulatedTokens settings)
    {
        vault.Tokens = settings;
        VaultAuth auth = way switch
        {
            "approle" => VaultFixture.AppRole,
            "kubernetes" => new VaultKubernetesAuth("broker", new SecretSource(new Secret(SimulatedVault.Jwt), null)),
            _ => VaultFixture.TokenAuth(vault.CreateToken(settings)),
        };
        return new(VaultFixture.DefinitionOf(vault.Address, auth), time);
    }
}
