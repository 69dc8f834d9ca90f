using Broker.Core.Catalog;
using Broker.Core.Issuing;
using Broker.Core.Issuing.Vault;
using Broker.Core.Model;
using LoadTests.Servers.LocalServers;
using Microsoft.AspNetCore.Http;
using Shouldly;
using Xunit;

namespace Broker.Tests.Issuing.Vault;

/// <summary>A standby sends its callers to the active node; the token goes along, and nowhere else.</summary>
public sealed class StandbyRedirectTests : IAsyncLifetime
{
    private SimulatedVault active = null!;

    public async ValueTask InitializeAsync()
    {
        active = await SimulatedVault.StartAsync();
        active.AddRole(new SimulatedRole("database/creds/app", TimeSpan.FromMinutes(10), TimeSpan.FromHours(1)));
    }

    public ValueTask DisposeAsync() => active.DisposeAsync();

    [Theory]
    [InlineData(307)]
    [InlineData(308)]
    public async Task Every_call_follows_with_method_body_and_headers(int status)
    {
        var redirects = 0;
        await using var standby = await RedirectAsync(_ => active.Address, status, () => Interlocked.Increment(ref redirects));
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(standby.Address) with { Namespace = "team" });

        var issued = await bench.IssueAsync();
        var lease = VaultFixture.LeaseOf(issued.Id);
        await bench.Issuer.RenewAsync(lease, TimeSpan.FromMinutes(20), default, VaultFixture.Cancellation);
        await bench.Issuer.ListAsync(lease.Role, lease.Database, VaultFixture.Cancellation);
        await bench.Issuer.RevokeAsync(lease, VaultFixture.Cancellation);

        active.Users.ShouldBeEmpty();
        redirects.ShouldBe(active.Seen.Count);
        active.Seen.ShouldAllBe(request => request.Headers["X-Vault-Namespace"] == "team" && request.Headers["X-Vault-Request"] == "true");
        active.Seen.Where(request => !request.Path.StartsWith("auth/approle", StringComparison.Ordinal)).ShouldAllBe(request => request.Token != null);
    }

    [Fact]
    public async Task A_redirect_back_to_the_configured_server_is_followed()
    {
        var asked = 0;
        LoopbackServer? configured = null;
        await using var other = await RedirectAsync(_ => configured!.Address);
        await using var server = await LoopbackServer.StartAsync(context =>
        {
            if (Interlocked.Increment(ref asked) == 1) return Redirect(context, other.Address, 307);
            context.Response.StatusCode = 503;
            return Task.CompletedTask;
        });
        configured = server;
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(server.Address));

        (await bench.Issuer.HealthAsync(VaultFixture.Cancellation)).State.ShouldBe(Broker.Core.Issuing.Vault.VaultState.Sealed);
        asked.ShouldBe(2);
    }

    [Fact]
    public async Task A_third_host_that_only_the_second_names_gets_nothing()
    {
        var third = 0;
        await using var stranger = await LoopbackServer.StartAsync(_ => { Interlocked.Increment(ref third); return Task.CompletedTask; });
        await using var second = await RedirectAsync(_ => stranger.Address);
        await using var configured = await RedirectAsync(_ => second.Address);

        await ShouldNotFollowAsync(configured.Address);

        third.ShouldBe(0);
    }

    [Fact]
    public async Task Servers_that_send_us_round_in_a_circle_are_left()
    {
        var asked = 0;
        LoopbackServer? first = null;
        await using var second = await RedirectAsync(_ => first!.Address, told: () => Interlocked.Increment(ref asked));
        await using var server = await RedirectAsync(_ => second.Address, told: () => Interlocked.Increment(ref asked));
        first = server;

        await ShouldNotFollowAsync(server.Address);

        asked.ShouldBe(3);
    }

    [Theory]
    [InlineData("https://127.0.0.1:1")]
    [InlineData("ftp://127.0.0.1:1")]
    [InlineData("http://192.0.2.1:8200")]
    public async Task Another_scheme_and_plain_http_to_another_machine_are_not_followed(string target)
    {
        await using var standby = await RedirectAsync(_ => new Uri(target));

        await ShouldNotFollowAsync(standby.Address);
    }

    // A standby redirects when it could not pass a request on, and then nothing was done, or when the answer was lost, and then a user may be there
    // (OpenBao http/handler.go forwardRequest).
    [Theory]
    [InlineData(200, null, null)]
    [InlineData(400, "unknown role: app", IssuerFailure.Refused)]
    [InlineData(429, "too many", IssuerFailure.AnswerLost)]
    [InlineData(500, "pq: too many connections", IssuerFailure.AnswerLost)]
    [InlineData(500, "local node not active but active cluster node not found", IssuerFailure.AnswerLost)]
    [InlineData(503, "Vault is sealed", IssuerFailure.AnswerLost)]
    public async Task L1_an_issue_that_was_redirected_may_have_been_done_before_unless_its_answer_says_otherwise(int status, string? error, IssuerFailure? failure)
    {
        if (error is not null) active.Fail("database/creds/app", new SimulatedFault.Answer(status, error), times: 5);
        var redirects = 0;
        await using var standby = await RedirectAsync(_ => active.Address, told: () => Interlocked.Increment(ref redirects));
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(standby.Address));
        var token = new Secret(active.CreateToken(new()));

        var issuing = bench.Client.IssueAsync(VaultPath.Parse("database/creds/app"), token, VaultFixture.Cancellation);

        if (failure is null) (await issuing).Login!.Username.ShouldBe(active.Users.Single());
        else (await Should.ThrowAsync<IssuerException>(issuing)).Failure.ShouldBe(failure.Value);
        redirects.ShouldBe(1);
        bench.Logger.Events.Contains(3019).ShouldBe(failure is null, "there may be a second user, of which nobody else tells");
    }

    [Fact]
    public async Task L1_an_issue_that_was_redirected_to_a_server_that_is_away_is_not_sent_again()
    {
        var redirects = 0;
        await using var standby = await RedirectAsync(_ => new Uri($"http://127.0.0.1:{LoopbackPort.Take()}"), told: () => Interlocked.Increment(ref redirects));
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(standby.Address));

        var failure = await Should.ThrowAsync<IssuerException>(bench.Client.IssueAsync(VaultPath.Parse("database/creds/app"), VaultFixture.Token, VaultFixture.Cancellation));

        (failure.Failure, redirects).ShouldBe((IssuerFailure.AnswerLost, 1));
        failure.Message.ShouldContain("ConnectionError");
        bench.Logger.Events.ShouldNotContain(3008);
    }

    [Fact]
    public async Task L1_an_issue_whose_redirect_is_not_followed_may_have_been_done()
    {
        await using var standby = await RedirectAsync(_ => new Uri("https://127.0.0.1:1"));
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(standby.Address));

        var failure = await Should.ThrowAsync<IssuerException>(bench.Client.IssueAsync(VaultPath.Parse("database/creds/app"), VaultFixture.Token, VaultFixture.Cancellation));

        failure.Failure.ShouldBe(IssuerFailure.AnswerLost);
        failure.Message.ShouldContain("redirects");
    }

    private static async Task ShouldNotFollowAsync(Uri address)
    {
        using var bench = new VaultFixture(VaultFixture.DefinitionOf(address, VaultFixture.TokenAuth("hvs.given")));
        var failure = await Should.ThrowAsync<IssuerException>(() => bench.IssueAsync());
        failure.Failure.ShouldBe(IssuerFailure.Unavailable);
        failure.Message.ShouldContain("redirects");
        bench.Logger.Events.ShouldContain(3012);
    }

    private static Task<LoopbackServer> RedirectAsync(Func<HttpContext, Uri> to, int status = 307, Action? told = null) =>
        LoopbackServer.StartAsync(context =>
        {
            told?.Invoke();
            return Redirect(context, to(context), status);
        });

    private static Task Redirect(HttpContext context, Uri to, int status)
    {
        context.Response.StatusCode = status;
        context.Response.Headers.Location = new Uri(to, context.Request.Path + context.Request.QueryString.Value).ToString();
        return Task.CompletedTask;
    }
}
