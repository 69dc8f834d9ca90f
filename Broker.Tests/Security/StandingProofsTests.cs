using System.Net.Http.Headers;
using Broker.Core.Leases;
using Broker.Core.Operators;
using Broker.Tests.Authentication;
using Broker.Tests.Identity;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>A watch over HTTP whose token is believed no more.</summary>
public sealed class StandingProofsTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_watch_whose_tokens_key_was_withdrawn_hands_out_no_new_login()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var token = world.Pod();
        var grant = await world.ClaimAsync(replica, token);
        using var request = WatchOf(grant, token);
        using var watch = await replica.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);
        ((int)watch.StatusCode).ShouldBe(200);
        using var reader = new StreamReader(await watch.Content.ReadAsStreamAsync(Cancel));
        (await EventAsync(reader)).ShouldStartWith("renewed");

        // The key goes, everything that was remembered ages, and the lease is rotated: the watch would hand out its successor.
        using var another = new TokenMint("another", world.Time, 1);
        world.PublishKeys(another);
        world.Time.Forward(TimeSpan.FromSeconds(61));
        (await world.Service<LeaseDesk>().RotateAsync(Callers.Pod(), "orders-api", "the key was stolen", new("trace", null), Cancel)).ShouldBeNull();

        var rest = await EventAsync(reader) + await reader.ReadToEndAsync(Cancel);
        rest.ShouldStartWith("ending");
        rest.ShouldContain("unauthenticated");
        rest.ShouldNotContain("password");
        world.Audited("renew").ShouldContain(line => (string?)line["refusal"] == "unauthenticated");
    }

    [Fact]
    public async Task A_watch_that_comes_to_a_replica_that_is_about_to_go_is_a_stream_that_ends()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var token = world.Pod();
        var grant = await world.ClaimAsync(replica, token);
        world.Service<ShutdownSignal>().Begin();
        using var request = WatchOf(grant, token);

        using var watch = await replica.SendAsync(request, Cancel);

        ((int)watch.StatusCode, watch.Content.Headers.ContentType?.MediaType, await watch.Content.ReadAsStringAsync(Cancel)).ShouldBe((200, "text/event-stream", ""));
    }

    [Fact]
    public async Task A_watch_is_closed_when_its_session_is_ended()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var session = await world.OpenAsync(replica, world.Job(), "deploy");
        var token = (string)session.Body["token"]!;
        var grant = await world.ClaimAsync(replica, token, "deploy", new() { ["holder"] = "job-1" });
        using var request = WatchOf(grant, token);
        using var watch = await replica.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);
        using var reader = new StreamReader(await watch.Content.ReadAsStreamAsync(Cancel));
        (await EventAsync(reader)).ShouldStartWith("renewed");

        (await world.SendAsync(replica, HttpMethod.Delete, $"/api/v1/sessions/{session.Body["id"]}", token)).Status.ShouldBe(204);

        // It is not left open until its next renewal, which would be refused and say so.
        (await reader.ReadToEndAsync(Cancel)).ShouldNotContain("event:");
    }

    [Fact]
    public async Task A_watch_is_closed_when_its_token_ends()
    {
        await using var world = new BrokerWorld(("Identity:Issuers:kubernetes:ClockSkew", "00:05:00"));
        var replica = await world.ReplicaAsync();
        var end = world.Time.GetUtcNow().ToUnixTimeSeconds() + 2;
        var token = world.Mint.Token(payload =>
        {
            payload["kubernetes.io"]!["namespace"] = "shop";
            payload["exp"] = end;
        });
        var grant = await world.ClaimAsync(replica, token);
        grant.Status.ShouldBe(200, grant.Body.ToJsonString());
        using var request = WatchOf(grant, token);
        using var watch = await replica.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Cancel);
        ((int)watch.StatusCode).ShouldBe(200);

        // A request is let in for as long as clocks may differ (ClockSkew); what goes on does not go on so long.
        await (await watch.Content.ReadAsStreamAsync(Cancel)).CopyToAsync(Stream.Null, Cancel).WaitAsync(TimeSpan.FromMinutes(4), Cancel);
        world.Time.GetUtcNow().ToUnixTimeSeconds().ShouldBeGreaterThanOrEqualTo(end);
    }

    private static HttpRequestMessage WatchOf(Answer grant, string token)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/holders/{grant.Body["holder"]!["id"]}/watch");
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return request;
    }

    // The next event's name and data; comments are passed over.
    private static async Task<string> EventAsync(StreamReader reader)
    {
        var lines = new List<string>();
        while (await reader.ReadLineAsync(Cancel) is { } line)
        {
            if (line.StartsWith("event:", StringComparison.Ordinal)) lines.Add(line[6..].Trim());
            else if (line.StartsWith("data:", StringComparison.Ordinal)) lines.Add(line[5..].Trim());
            else if (line.Length == 0 && lines.Count > 0) break;
        }

        return string.Join(' ', lines);
    }
}
