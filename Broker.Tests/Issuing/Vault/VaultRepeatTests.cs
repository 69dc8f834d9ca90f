using System.Net;
using System.Net.Sockets;
using Broker.Core.Issuing;
using Broker.Core.Issuing.Vault;
using LoadTests.Servers.LocalServers;
using Microsoft.Extensions.Time.Testing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>What is sent again and what never is: an issue that is sent twice makes two users.</summary>
public sealed class VaultRepeatTests
{
    private const string Creds = """{"lease_id":"database/creds/app/x","renewable":true,"lease_duration":60,"data":{"username":"u","password":"p"}}""";
    private const string Path = "database/creds/app";

    private readonly FakeTimeProvider time = new();

    [Theory]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(412)]
    [InlineData(429)]
    public async Task A_lease_call_is_repeated_until_it_succeeds(int status)
    {
        await using var vault = await SimulatedVault.StartAsync();
        using var bench = await LoggedInAsync(vault);
        vault.Fail("sys/leases/revoke", new SimulatedFault.Answer(status, "not now"), times: 2);

        await RunAsync(RevokeAsync(bench));

        vault.Count("PUT", "sys/leases/revoke").ShouldBe(3);
    }

    [Theory]
    [InlineData(500, 4)]
    [InlineData(503, 4)]
    [InlineData(501, 1)]
    [InlineData(400, 1)]
    [InlineData(404, 1)]
    public async Task A_lease_call_is_repeated_three_times_at_most_and_only_where_that_can_help(int status, int requests)
    {
        await using var vault = await SimulatedVault.StartAsync();
        using var bench = await LoggedInAsync(vault);
        vault.Fail("sys/leases/revoke", new SimulatedFault.Answer(status, "not now"), times: 10);

        await Should.ThrowAsync<IssuerException>(() => RunAsync(RevokeAsync(bench)));

        vault.Count("PUT", "sys/leases/revoke").ShouldBe(requests);
    }

    [Fact]
    public async Task A_lease_call_told_to_come_back_soon_waits_that_long()
    {
        await using var vault = await SimulatedVault.StartAsync();
        using var bench = await LoggedInAsync(vault);
        vault.Fail("sys/leases/revoke", new SimulatedFault.Answer(429, "not now", RetryAfter: "2"));
        var start = time.GetTimestamp();

        await RunAsync(RevokeAsync(bench));

        time.GetElapsedTime(start).ShouldBeGreaterThanOrEqualTo(TimeSpan.FromSeconds(2));
    }

    [Fact]
    public async Task L10_a_lease_call_told_to_come_back_late_answers_at_once()
    {
        await using var vault = await SimulatedVault.StartAsync();
        using var bench = await LoggedInAsync(vault);
        vault.Fail("sys/leases/revoke", new SimulatedFault.Answer(429, "not now", RetryAfter: "60"), times: 4);

        var failure = await Should.ThrowAsync<IssuerException>(() => RunAsync(RevokeAsync(bench)));

        (failure.Failure, failure.RetryAfter).ShouldBe((IssuerFailure.Throttled, TimeSpan.FromSeconds(60)));
        vault.Count("PUT", "sys/leases/revoke").ShouldBe(1);
    }

    [Fact]
    public async Task A_lease_call_survives_broken_connections()
    {
        await using var vault = await SimulatedVault.StartAsync();
        using var bench = await LoggedInAsync(vault);
        vault.Fail("sys/leases/revoke", new SimulatedFault.Die());
        vault.Fail("sys/leases/revoke", new SimulatedFault.DoAndDie());

        await RunAsync(RevokeAsync(bench));

        vault.Count("PUT", "sys/leases/revoke").ShouldBe(3);
    }

    [Theory]
    [InlineData(429, IssuerFailure.Throttled)]
    [InlineData(500, IssuerFailure.DatabaseUnavailable)]
    [InlineData(502, IssuerFailure.AnswerLost)]
    [InlineData(503, IssuerFailure.Unavailable)]
    [InlineData(504, IssuerFailure.AnswerLost)]
    public async Task L1_an_issue_is_sent_once_whatever_the_answer(int status, IssuerFailure failure)
    {
        await using var vault = await SimulatedVault.StartAsync();
        using var bench = await LoggedInAsync(vault);
        vault.Fail(Path, new SimulatedFault.Answer(status, "not now"), times: 5);

        (await Should.ThrowAsync<IssuerException>(() => RunAsync(bench.IssueAsync()))).Failure.ShouldBe(failure);

        vault.Count("GET", Path).ShouldBe(1);
    }

    // The framework by itself repeats a GET whose connection closes before the answer; these two hold it off.
    [Fact]
    public async Task L1_an_issue_whose_connection_breaks_after_it_was_sent_is_sent_once()
    {
        await using var server = new RawServer((_, _) => null);
        using var bench = Bench(server.Address);

        var failure = await Should.ThrowAsync<IssuerException>(() => RunAsync(IssueAsync(bench)));

        failure.Failure.ShouldBe(IssuerFailure.AnswerLost);
        server.Requests.ShouldBe(1);
    }

    [Fact]
    public async Task L1_an_issue_after_another_on_a_connection_that_breaks_is_sent_once()
    {
        await using var server = new RawServer((_, number) => number == 1 ? RawServer.Ok(Creds) : null);
        using var bench = Bench(server.Address);
        await RunAsync(IssueAsync(bench));

        var failure = await Should.ThrowAsync<IssuerException>(() => RunAsync(IssueAsync(bench)));

        failure.Failure.ShouldBe(IssuerFailure.AnswerLost);
        server.Requests.ShouldBe(2);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"lease_id\":\"database/cr")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Le")]
    [InlineData("what is this?\r\n\r\n")]
    public async Task L1_an_issue_whose_answer_breaks_off_is_sent_once(string bytes)
    {
        var asked = 0;
        await using var server = new RawServer((_, number) => Interlocked.Increment(ref asked) == 1 ? bytes : null);
        using var bench = Bench(server.Address, TimeSpan.FromSeconds(2));

        var failure = await Should.ThrowAsync<IssuerException>(() => RunAsync(IssueAsync(bench)));

        failure.Failure.ShouldBe(IssuerFailure.AnswerLost);
        server.Requests.ShouldBe(1);
    }

    [Fact]
    public async Task L1_an_issue_without_an_answer_in_time_is_sent_once_and_may_have_made_a_user()
    {
        await using var vault = await SimulatedVault.StartAsync();
        vault.AddRole(new SimulatedRole(Path, TimeSpan.FromHours(1), TimeSpan.FromHours(1)));
        using var bench = await LoggedInAsync(vault, TimeSpan.FromSeconds(30));
        vault.Fail(Path, new SimulatedFault.DoAndHang());

        var failure = await Should.ThrowAsync<IssuerException>(() => RunAsync(bench.IssueAsync()));

        failure.Failure.ShouldBe(IssuerFailure.AnswerLost);
        vault.Count("GET", Path).ShouldBe(1);
        vault.Users.Count.ShouldBe(1);
    }

    [Fact]
    public async Task An_issue_that_could_not_even_connect_is_tried_again_and_surely_made_nothing()
    {
        using var bench = Bench(new Uri($"http://127.0.0.1:{LoopbackPort.Take()}"));

        var failure = await Should.ThrowAsync<IssuerException>(() => RunAsync(IssueAsync(bench)));

        failure.Failure.ShouldBe(IssuerFailure.Unavailable);
        bench.Logger.Events.Count(id => id == 3008).ShouldBe(3);
    }

    [Fact]
    public async Task A_name_that_does_not_resolve_is_unavailable()
    {
        using var bench = Bench(new Uri("http://no-such-host.invalid:8200"));

        (await Should.ThrowAsync<IssuerException>(() => RunAsync(IssueAsync(bench)))).Failure.ShouldBe(IssuerFailure.Unavailable);
    }

    [Fact]
    public async Task A_caller_that_leaves_is_told_apart_from_a_deadline()
    {
        await using var vault = await SimulatedVault.StartAsync();
        using var bench = await LoggedInAsync(vault);
        vault.Fail(Path, new SimulatedFault.DoAndHang());
        using var leaving = new CancellationTokenSource();

        var issuing = bench.Issuer.IssueAsync(new IssueOrder(VaultFixture.Role(), VaultFixture.Database, null, default), leaving.Token);
        await Eventually.HoldsAsync(() => Task.FromResult(vault.Count("GET", Path) > 0), "Vault to be asked", VaultFixture.Cancellation);
        await leaving.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(() => issuing);
    }

    private static Task<VaultCredentials> IssueAsync(VaultFixture bench) =>
        bench.Client.IssueAsync(VaultPath.Parse(Path), VaultFixture.Token, VaultFixture.Cancellation);

    private static async Task<bool> RevokeAsync(VaultFixture bench)
    {
        await bench.Issuer.RevokeAsync(VaultFixture.LeaseOf("database/creds/app/none"), VaultFixture.Cancellation);
        return true;
    }

    private VaultFixture Bench(Uri address, TimeSpan? timeout = null) =>
        new(VaultFixture.PatientDefinitionOf(address) is var patient && timeout is { } within ? patient with { Timeout = within } : patient, time);

    /// <summary>Logged in already, so that what a test counts is its own call.</summary>
    private async Task<VaultFixture> LoggedInAsync(SimulatedVault vault, TimeSpan? timeout = null)
    {
        var bench = Bench(vault.Address, timeout);
        await bench.Tokens.GetAsync(VaultFixture.Cancellation);
        return bench;
    }

    private Task<T> RunAsync<T>(Task<T> task) => VaultFixture.RunAsync(time, task);
}
