using Broker.Core.Issuing;
using Broker.Core.Issuing.Vault;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>A Vault that fails is left alone for a while, and asked again after.</summary>
public sealed class VaultCircuitTests : IAsyncLifetime
{
    private readonly FakeTimeProvider time = new();
    private SimulatedVault vault = null!;
    private VaultFixture bench = null!;

    public async ValueTask InitializeAsync()
    {
        vault = await SimulatedVault.StartAsync();
        vault.AddRole(new SimulatedRole("database/creds/app", TimeSpan.FromHours(1), TimeSpan.FromHours(2)));
        bench = new VaultFixture(VaultFixture.DefinitionOf(vault.Address), time);
        await bench.Tokens.GetAsync(VaultFixture.Cancellation);
        vault.Sealed = true;
    }

    public async ValueTask DisposeAsync()
    {
        bench.Dispose();
        await vault.DisposeAsync();
    }

    [Fact]
    public async Task The_circuit_opens_for_all_calls_and_says_when_to_come_back_and_closes_when_Vault_answers()
    {
        await OpenAsync();
        var asked = vault.Seen.Count;

        var issue = await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());
        var lookup = await Should.ThrowAsync<IssuerException>(() => LookUpAsync());

        (issue.Failure, lookup.Failure).ShouldBe((IssuerFailure.Unavailable, IssuerFailure.Unavailable));
        issue.RetryAfter.ShouldNotBeNull().ShouldBeInRange(TimeSpan.FromSeconds(1), VaultPipelines.BreakDuration);
        vault.Seen.Count.ShouldBe(asked);
        bench.Logger.Events.ShouldContain(3009);

        vault.Sealed = false;
        time.Advance(VaultPipelines.BreakDuration + TimeSpan.FromSeconds(1));
        await bench.IssueAsync();
        await bench.IssueAsync();
        bench.Logger.Events.ShouldContain(3010);
    }

    [Fact]
    public async Task One_probe_passes_after_the_break_and_a_failure_opens_it_again()
    {
        await OpenAsync();
        time.Advance(VaultPipelines.BreakDuration + TimeSpan.FromSeconds(1));
        var asked = vault.Count("GET", "database/creds");

        await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());
        await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());

        vault.Count("GET", "database/creds").ShouldBe(asked + 1);
    }

    [Fact]
    public async Task Health_is_asked_while_it_is_open()
    {
        await OpenAsync();

        (await bench.Issuer.HealthAsync(VaultFixture.Cancellation)).State.ShouldBe(VaultState.Sealed);
        (await bench.Issuer.IsUpAsync(VaultFixture.Cancellation)).ShouldBe(false);
        vault.Sealed = false;
        (await bench.Issuer.IsUpAsync(VaultFixture.Cancellation)).ShouldBe(true);
    }

    [Fact]
    public async Task One_database_that_is_down_closes_Vault_for_no_other()
    {
        vault.Sealed = false;
        vault.AddRole(new SimulatedRole("database/creds/down", TimeSpan.FromHours(1), TimeSpan.FromHours(2))
        {
            Create = (_, _, _) => throw new InvalidOperationException("dial tcp 10.0.0.1:5432: connect: connection refused"),
        });
        for (var ask = 0; ask < 4 * VaultPipelines.BreakerMinimum; ask++)
        {
            (await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync("database/creds/down")))
                .Failure.ShouldBe(IssuerFailure.DatabaseUnavailable);
        }

        await bench.IssueAsync();
    }

    private async Task OpenAsync()
    {
        for (var ask = 0; ask < VaultPipelines.BreakerMinimum; ask++)
            await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());
    }

    private Task<LeaseTerm?> LookUpAsync() =>
        bench.Issuer.LookUpAsync(VaultFixture.LeaseOf("database/creds/app/none"), default, VaultFixture.Cancellation);
}
