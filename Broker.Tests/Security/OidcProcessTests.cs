using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>An OIDC server that is a process of its own, with its own keys and its own idea of the time.</summary>
public sealed class OidcProcessTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(120)]
    [InlineData(-120)]
    public async Task A_server_whose_clock_is_two_minutes_off_is_believed_as_far_as_is_configured(int secondsOff)
    {
        await using var oidc = await OidcProcess.StartAsync(TimeSpan.FromSeconds(secondsOff), Cancel);
        await using var strict = World(oidc);
        await using var lenient = World(oidc, ("Identity:Issuers:oidc:ClockSkew", "00:02:30"));
        var (strictly, leniently) = (await strict.ReplicaAsync(), await lenient.ReplicaAsync());

        // Ahead: the token is of the future. Behind: one of a minute seems to have ended a minute ago.
        var token = await oidc.TokenAsync(secondsOff > 0 ? Job() : Job((int)DateTimeOffset.UnixEpoch.Subtract(TimeProvider.System.GetUtcNow()).Negate().TotalSeconds - 60), Cancel);
        (await strict.ClaimAsync(strictly, token, "oidc-role")).Status.ShouldBe(401);
        (await lenient.ClaimAsync(leniently, token, "oidc-role")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task Keys_that_rotate_in_mid_run_break_nobody_and_a_withdrawn_key_is_obeyed()
    {
        await using var oidc = await OidcProcess.StartAsync(TimeSpan.Zero, Cancel);
        await using var world = World(oidc);
        var replica = await world.ReplicaAsync();
        var old = await oidc.TokenAsync(Job(), Cancel);
        (await world.ClaimAsync(replica, old, "oidc-role")).Status.ShouldBe(200);

        await oidc.RotateAsync(keepOld: true, Cancel);
        world.Time.Forward(TimeSpan.FromSeconds(10));
        var next = await oidc.TokenAsync(Job(), Cancel);
        (await world.ClaimAsync(replica, next, "oidc-role")).Status.ShouldBe(200, "a key that is new is looked for");
        (await world.ClaimAsync(replica, old, "oidc-role")).Status.ShouldBe(200, "the old one is still published");

        await oidc.RotateAsync(keepOld: false, Cancel);
        world.Time.Forward(TimeSpan.FromSeconds(61));
        var newest = await oidc.TokenAsync(Job(), Cancel);
        (await world.ClaimAsync(replica, newest, "oidc-role")).Status.ShouldBe(200);
        (await world.ClaimAsync(replica, next, "oidc-role")).Status.ShouldBe(401, "its key was withdrawn, and it is remembered for a minute at most");
    }

    private static BrokerWorld World(OidcProcess oidc, params (string, string?)[] more) => new(
    [
        ("Identity:Issuers:oidc:Authority", oidc.Authority.OriginalString), ("Identity:Issuers:oidc:Audience", "broker"),
        ("Roles:oidc-role:Database", "orders"), ("Roles:oidc-role:Issuer", "here"),
        ("Roles:oidc-role:CreationStatements:0", "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'"),
        ("Roles:oidc-role:Allow:0:Issuer", "oidc"), ("Roles:oidc-role:Allow:0:Claims:project_path", "group/*"),
        .. more,
    ]);

    // As GitLab writes it.
    private static JsonObject Job(int? expires = null)
    {
        var claims = new JsonObject { ["sub"] = "project_path:group/app:ref_type:branch:ref:main", ["project_path"] = "group/app", ["ref"] = "main", ["environment"] = "production" };
        if (expires is { } at) claims["exp"] = at;
        return claims;
    }
}
