using Broker.Core.Issuing;
using Broker.Core.Issuing.Vault;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>The issuer over a Vault that keeps books.</summary>
public sealed class VaultIssuerTests : IAsyncLifetime
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    private SimulatedVault vault = null!;
    private VaultFixture bench = null!;

    public async ValueTask InitializeAsync()
    {
        vault = await SimulatedVault.StartAsync();
        vault.Tokens = new SimulatedTokens { Period = TimeSpan.FromHours(24) };
        vault.AddRole(new SimulatedRole("database/creds/app", Hour, 4 * Hour));
        bench = new VaultFixture(VaultFixture.DefinitionOf(vault.Address));
    }

    public async ValueTask DisposeAsync()
    {
        bench.Dispose();
        await vault.DisposeAsync();
    }

    [Fact]
    public async Task A_lease_is_issued_looked_up_renewed_and_revoked()
    {
        var issued = await bench.IssueAsync();
        var lease = VaultFixture.LeaseOf(issued.Id);

        issued.Term.ShouldBe(new LeaseTerm(Hour, Renewable: true));
        vault.Users.ShouldBe([issued.Login.Username]);
        (await bench.Issuer.LookUpAsync(lease, default, VaultFixture.Cancellation))!.Duration.ShouldBeInRange(Hour - TimeSpan.FromMinutes(1), Hour);
        (await bench.Issuer.ListAsync(lease.Role, lease.Database, VaultFixture.Cancellation)).ShouldBe([issued.Id]);
        (await bench.Issuer.RenewAsync(lease, 2 * Hour, default, VaultFixture.Cancellation)).Duration.ShouldBe(2 * Hour);

        await bench.Issuer.RevokeAsync(lease, VaultFixture.Cancellation);
        vault.Users.ShouldBeEmpty();
        await bench.Issuer.RevokeAsync(lease, VaultFixture.Cancellation);
        (await bench.Issuer.LookUpAsync(lease, default, VaultFixture.Cancellation)).ShouldBeNull();
        (await bench.Issuer.ListAsync(lease.Role, lease.Database, VaultFixture.Cancellation)).ShouldBeEmpty();
        (await Should.ThrowAsync<IssuerException>(() => bench.Issuer.RenewAsync(lease, Hour, default, VaultFixture.Cancellation)))
            .Failure.ShouldBe(IssuerFailure.LeaseUnknown);
    }

    [Fact]
    public async Task A_renewal_past_the_max_TTL_answers_the_time_that_is_left()
    {
        var issued = await bench.IssueAsync();
        vault.Fail("sys/leases/renew", new SimulatedFault.Answer(400, "past the max TTL, cannot renew"));

        var term = await bench.Issuer.RenewAsync(VaultFixture.LeaseOf(issued.Id), Hour, default, VaultFixture.Cancellation);

        term.Renewable.ShouldBeFalse();
        term.Duration.ShouldBeInRange(Hour - TimeSpan.FromMinutes(1), Hour);
        term.Warning.ShouldNotBeNull().ShouldContain("max TTL");
    }

    [Fact]
    public async Task A_renewal_that_the_database_failed_is_no_proof_of_a_dead_lease()
    {
        vault.AddRole(new SimulatedRole("database/creds/app", Hour, 4 * Hour) { Extend = (_, _) => throw new InvalidOperationException("pq: lease not found in table") });
        var issued = await bench.IssueAsync();

        var failure = await Should.ThrowAsync<IssuerException>(() => bench.Issuer.RenewAsync(VaultFixture.LeaseOf(issued.Id), Hour, default, VaultFixture.Cancellation));

        failure.Failure.ShouldBe(IssuerFailure.Unavailable);
        failure.Message.ShouldContain("failed to renew entry");
    }

    [Fact]
    public async Task What_a_policy_forbids_is_refused_with_the_policy_it_needs_and_without_a_new_login()
    {
        vault.Tokens = vault.Tokens with { Forbidden = ["database/creds/", "sys/leases/lookup/"] };

        var issue = await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());
        var list = await Should.ThrowAsync<IssuerException>(() => bench.Issuer.ListAsync(VaultFixture.Role(), VaultFixture.Database, VaultFixture.Cancellation));

        issue.Failure.ShouldBe(IssuerFailure.Refused);
        issue.Message.ShouldContain("path \"database/creds/app\" { capabilities = [\"read\"] }");
        list.Failure.ShouldBe(IssuerFailure.Refused);
        list.Message.ShouldContain("path \"sys/leases/lookup/database/creds/app\" { capabilities = [\"list\", \"sudo\"] }");
        vault.Count("POST", "auth/approle/login").ShouldBe(1);
    }

    [Fact]
    public async Task A_role_that_answers_no_password_is_refused_and_its_lease_dropped()
    {
        var issued = await bench.IssueAsync();
        vault.Fail("database/creds/app", new SimulatedFault.Answer(200, RawBody: $$"""
            {"lease_id":"{{issued.Id}}","renewable":true,"lease_duration":3600,"data":{"username":"u","rsa_private_key":"k"},"auth":null}
            """));

        var failure = await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());

        failure.Failure.ShouldBe(IssuerFailure.Refused);
        failure.Message.ShouldContain("credential_type");
        vault.LeaseIds.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("")]
    [InlineData("<html>welcome</html>")]
    [InlineData("{}")]
    [InlineData("[1]")]
    [InlineData("{\"lease_id\":5}")]
    [InlineData("{\"lease_id\":\"\",\"data\":null}")]
    public async Task L5_an_issue_answered_with_nothing_usable_may_have_made_a_user(string body)
    {
        vault.Fail("database/creds/app", new SimulatedFault.Answer(200, RawBody: body));

        (await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync())).Failure.ShouldBe(IssuerFailure.AnswerLost);
        bench.Logger.Events.ShouldContain(3014);
    }

    [Fact]
    public async Task A_revocation_answered_by_something_else_than_Vault_is_not_believed()
    {
        var issued = await bench.IssueAsync();
        vault.Fail("sys/leases/revoke", new SimulatedFault.Answer(200, RawBody: "<html>maintenance</html>"));

        (await Should.ThrowAsync<IssuerException>(() => bench.Issuer.RevokeAsync(VaultFixture.LeaseOf(issued.Id), VaultFixture.Cancellation)))
            .Failure.ShouldBe(IssuerFailure.Unavailable);
        vault.LeaseIds.ShouldBe([issued.Id]);
    }

    [Fact]
    public async Task Throttling_says_when_to_come_back()
    {
        vault.Fail("database/creds/app", new SimulatedFault.Answer(429, "rate limit quota exceeded", RetryAfter: "7"));
        vault.Fail("database/creds/app", new SimulatedFault.Answer(429, "rate limit quota exceeded"));

        var told = await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());
        var untold = await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());

        (told.Failure, told.RetryAfter).ShouldBe((IssuerFailure.Throttled, TimeSpan.FromSeconds(7)));
        (untold.Failure, untold.RetryAfter).ShouldBe((IssuerFailure.Throttled, TimeSpan.FromSeconds(1)));
        vault.Count("GET", "database/creds/app").ShouldBe(2);
    }

    [Fact]
    public async Task The_namespace_and_the_marks_of_a_Vault_client_are_sent_with_every_call()
    {
        using var named = new VaultFixture(VaultFixture.DefinitionOf(vault.Address) with { Namespace = "team-a/db" });
        var issued = await named.IssueAsync();
        await named.Issuer.RevokeAsync(VaultFixture.LeaseOf(issued.Id), VaultFixture.Cancellation);
        await named.Issuer.HealthAsync(VaultFixture.Cancellation);

        vault.Seen.Count.ShouldBe(6);
        vault.Seen.ShouldAllBe(request => request.Headers["X-Vault-Namespace"] == "team-a/db" && request.Headers["X-Vault-Request"] == "true");
    }

    [Theory]
    [InlineData(200, VaultState.Active, true)]
    [InlineData(429, VaultState.Standby, true)]
    [InlineData(472, VaultState.DisasterRecoverySecondary, true)]
    [InlineData(473, VaultState.PerformanceStandby, true)]
    [InlineData(501, VaultState.NotInitialised, false)]
    [InlineData(503, VaultState.Sealed, false)]
    public async Task Health_is_told_by_its_status_at_once(int status, VaultState state, bool alive)
    {
        vault.Fail("sys/health", new SimulatedFault.Answer(status, RawBody: "{\"version\":\"1.2.3\"}"));

        var health = await bench.Issuer.HealthAsync(VaultFixture.Cancellation);

        health.ShouldBe(new VaultHealth(state, "1.2.3"));
        health.IsAlive.ShouldBe(alive);
        vault.Count("GET", "sys/health").ShouldBe(1);
    }

    [Fact]
    public async Task Health_answered_by_something_else_than_Vault_is_no_health()
    {
        vault.Fail("sys/health", new SimulatedFault.Answer(404));

        (await Should.ThrowAsync<IssuerException>(() => bench.Issuer.HealthAsync(VaultFixture.Cancellation))).Failure.ShouldBe(IssuerFailure.Unavailable);
    }

    [Fact]
    public void Vault_chooses_the_names() => bench.Issuer.ProposeUsername(VaultFixture.Role(), VaultFixture.Database).ShouldBeNull();
}
