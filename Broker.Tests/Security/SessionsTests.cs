using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>Pipelines whose tokens die while their jobs run.</summary>
public sealed class SessionsTests
{
    [Fact]
    public async Task A_pipeline_whose_token_died_55_minutes_ago_still_gets_its_credentials_by_its_session()
    {
        await using var world = new BrokerWorld();
        var (one, other) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var job = world.Job();
        var session = await world.OpenAsync(one, job, "deploy");
        session.Status.ShouldBe(201);
        var token = (string)session.Body["token"]!;

        world.Time.Forward(TimeSpan.FromMinutes(50));
        (await world.SendAsync(one, HttpMethod.Post, $"/api/v1/sessions/{session.Body["id"]}/renew", token)).Status.ShouldBe(200);
        world.Time.Forward(TimeSpan.FromMinutes(10));

        (await world.ClaimAsync(other, job, "deploy")).Status.ShouldBe(401, "the token itself ended 55 minutes ago");
        var grant = await world.ClaimAsync(other, token, "deploy");
        grant.Status.ShouldBe(200);
        ((string)grant.Body["credentials"]!["password"]!).ShouldNotBeEmpty();
        (await world.SendAsync(other, HttpMethod.Delete, $"/api/v1/holders/{grant.Body["holder"]!["id"]}", token)).Status.ShouldBe(204);
        world.Audited("claim").ShouldContain(line => (string?)line["outcome"] == "granted" && (string?)line["caller"]!["session"] == (string)session.Body["id"]!);
    }

    [Fact]
    public async Task A_null_among_the_roles_is_a_mistake()
    {
        await using var world = new BrokerWorld();
        var answer = await world.SendAsync(await world.ReplicaAsync(), HttpMethod.Post, "/api/v1/sessions", world.Job(), new JsonObject { ["roles"] = new JsonArray("deploy", null) });

        (answer.Status, answer.Code).ShouldBe((400, "invalid-request"));
    }

    [Fact]
    public async Task A_session_used_for_a_role_it_was_not_given_for_is_refused()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var job = world.Job();
        (await world.ClaimAsync(replica, job, "migrate")).Status.ShouldBe(200, "the job itself may have it");
        var token = (string)(await world.OpenAsync(replica, job, "deploy")).Body["token"]!;

        (await world.ClaimAsync(replica, token, "migrate")).Code.ShouldBe("not-allowed");
        (await world.ClaimAsync(replica, token, "orders-api")).Code.ShouldBe("not-allowed");
        (await world.ClaimAsync(replica, token, "deploy")).Status.ShouldBe(200);
    }

    [Fact]
    public async Task A_revoked_session_stops_within_a_second_on_every_replica()
    {
        await using var world = new BrokerWorld();
        var replicas = new[] { await world.ReplicaAsync(), await world.ReplicaAsync(), await world.ReplicaAsync() };
        var session = await world.OpenAsync(replicas[0], world.Job(), "deploy");
        var token = (string)session.Body["token"]!;
        foreach (var replica in replicas) (await world.ClaimAsync(replica, token, "deploy")).Status.ShouldBe(200);

        (await world.SendAsync(replicas[0], HttpMethod.Delete, $"/api/v1/sessions/{session.Body["id"]}", token)).Status.ShouldBe(204);

        await Eventually.HoldsAsync(
            async () =>
            {
                foreach (var replica in replicas)
                {
                    if ((await world.ClaimAsync(replica, token, "deploy")).Status != 401) return false;
                }

                return true;
            },
            "every replica refuses it", TestContext.Current.CancellationToken);
        (await world.SendAsync(replicas[1], HttpMethod.Get, $"/api/v1/sessions/{session.Body["id"]}", world.Person("viewers"))).Code.ShouldBe("session-unknown");
    }

    [Fact]
    public async Task What_a_job_held_is_released_when_its_session_is_ended()
    {
        await using var world = new BrokerWorld();
        var (one, other) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var session = await world.OpenAsync(one, world.Job(), "deploy", "migrate");
        var token = (string)session.Body["token"]!;
        var grant = await world.ClaimAsync(one, token, "deploy");
        grant.Status.ShouldBe(200);
        (await HoldersAsync(one)).ShouldBe([(string)grant.Body["holder"]!["id"]!]);

        (await world.SendAsync(other, HttpMethod.Delete, $"/api/v1/sessions/{session.Body["id"]}", token)).Status.ShouldBe(204);

        (await HoldersAsync(other)).ShouldBeEmpty("the list is kept for a moment where it was asked for before");
        var released = world.Audited("release").ShouldHaveSingleItem("of the role that it did not claim there is nothing to say");
        ((string?)released["outcome"], (string?)released["caller"]!["session"]).ShouldBe(("granted", (string?)session.Body["id"]));

        async Task<IEnumerable<string>> HoldersAsync(HttpClient replica) =>
            (await world.SendAsync(replica, HttpMethod.Get, "/api/v1/holders", world.Person("viewers"))).Body["holders"]!.AsArray().Select(static holder => (string)holder!["id"]!);
    }

    [Fact]
    public async Task A_token_is_exchanged_once_and_a_session_not_at_all()
    {
        await using var world = new BrokerWorld();
        var (one, other) = (await world.ReplicaAsync(), await world.ReplicaAsync());
        var job = world.Job();
        var session = await world.OpenAsync(one, job, "deploy");

        (await world.OpenAsync(other, job, "deploy")).Code.ShouldBe("not-allowed", "another replica knows it too");
        (await world.OpenAsync(one, (string)session.Body["token"]!, "deploy")).Code.ShouldBe("not-allowed");
        (await world.OpenAsync(one, world.Job(), "deploy")).Status.ShouldBe(201, "a new token is a new exchange");
    }

    [Theory]
    [InlineData("refs/heads/main", "deploy")]
    [InlineData("refs/heads/release/7", "orders-api")]
    [InlineData("refs/heads/release/7", "nosuch")]
    public async Task A_session_is_not_opened_for_a_role_that_its_caller_may_not_have(string reference, string role)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        (await world.OpenAsync(replica, world.Job(reference), role)).Code.ShouldBe("not-allowed");
    }

    [Fact]
    public async Task A_pod_gets_no_session_unless_its_issuer_is_given_them()
    {
        await using var world = new BrokerWorld();
        (await world.OpenAsync(await world.ReplicaAsync(), world.Pod(), "orders-api")).Code.ShouldBe("not-allowed");
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("{\"roles\":[]}")]
    [InlineData("{\"roles\":[\"deploy\"],\"lifetimeSeconds\":59}")]
    [InlineData("{\"roles\":[\"deploy\"],\"lifetimeSeconds\":21601}")]
    [InlineData("{\"roles\":[\"deploy\"],\"token\":\"x\"}")]
    [InlineData("null")]
    [InlineData("")]
    public async Task What_is_no_request_for_a_session_says_why(string body)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/sessions") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Authorization = new("Bearer", world.Job());
        using var response = await replica.SendAsync(request, TestContext.Current.CancellationToken);
        ((int)response.StatusCode).ShouldBe(400);
        ((string?)(await response.Content.ReadFromJsonAsync<JsonObject>(TestContext.Current.CancellationToken))!["code"]).ShouldBe("invalid-request");
    }

    [Fact]
    public async Task A_session_ends_at_its_end_and_at_its_longest_however_often_renewed()
    {
        await using var world = new BrokerWorld(("Identity:Sessions:Lifetime", "00:10:00"), ("Identity:Sessions:MaxLifetime", "00:15:00"));
        var replica = await world.ReplicaAsync();
        var renewed = await world.OpenAsync(replica, world.Job(), "deploy");
        var left = await world.OpenAsync(replica, world.Job(), "deploy");

        world.Time.Forward(TimeSpan.FromMinutes(9));
        (await RenewAsync()).Status.ShouldBe(200);
        world.Time.Forward(TimeSpan.FromMinutes(2));
        (await world.ClaimAsync(replica, (string)left.Body["token"]!, "deploy")).Status.ShouldBe(401);
        (await world.ClaimAsync(replica, (string)renewed.Body["token"]!, "deploy")).Status.ShouldBe(200);
        (await RenewAsync()).Status.ShouldBe(200);
        world.Time.Forward(TimeSpan.FromMinutes(5));
        (await RenewAsync()).Status.ShouldBe(401, "15 minutes are its longest");

        Task<Answer> RenewAsync() => world.SendAsync(replica, HttpMethod.Post, $"/api/v1/sessions/{renewed.Body["id"]}/renew", (string)renewed.Body["token"]!);
    }

    [Fact]
    public async Task L15_However_often_a_session_is_renewed_it_is_recorded_once_a_second()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var (session, other) = (await world.OpenAsync(replica, world.Job(), "deploy"), await world.OpenAsync(replica, world.Job(), "deploy"));
        var began = world.Time.GetUtcNow();

        for (var i = 0; i < 100; i++) (await RenewAsync(session)).Status.ShouldBe(200);
        var seconds = (world.Time.GetUtcNow() - began).TotalSeconds;

        Renewals().ShouldBeInRange(1, 1 + (int)seconds);
        var before = Renewals();
        (await RenewAsync(other)).Status.ShouldBe(200);
        world.Time.Forward(TimeSpan.FromMinutes(1));
        var later = await RenewAsync(session);
        ((DateTimeOffset)later.Body["expiresAt"]!).ShouldBe(world.Time.GetUtcNow().AddHours(1), TimeSpan.FromSeconds(30), "it is renewed again");
        Renewals().ShouldBe(before + 2);

        int Renewals() => world.Audited("session").Count(static record => ((string?)record["detail"])?.Contains(" renewed, ", StringComparison.Ordinal) == true);

        Task<Answer> RenewAsync(Answer of) => world.SendAsync(replica, HttpMethod.Post, $"/api/v1/sessions/{of.Body["id"]}/renew", (string)of.Body["token"]!);
    }

    [Fact]
    public async Task Another_pipelines_session_is_as_unknown_as_none_but_an_operator_ends_it_with_a_reason()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var session = await world.OpenAsync(replica, world.Job(), "deploy");
        var path = $"/api/v1/sessions/{session.Body["id"]}";
        var stranger = world.Job("refs/heads/other");

        (await world.SendAsync(replica, HttpMethod.Get, path, stranger)).Code.ShouldBe("session-unknown");
        (await world.SendAsync(replica, HttpMethod.Delete, path, stranger)).Code.ShouldBe("session-unknown");
        (await world.SendAsync(replica, HttpMethod.Get, path, world.Job())).Status.ShouldBe(200, "the same pipeline with a newer token");
        (await world.SendAsync(replica, HttpMethod.Get, path, world.Person("viewers"))).Body["token"].ShouldBeNull();
        (await world.SendAsync(replica, HttpMethod.Delete, path, world.Person("operators"), [])).Code.ShouldBe("invalid-request");
        (await world.SendAsync(replica, HttpMethod.Delete, path, world.Person("operators"), new() { ["reason"] = "leaked in a build log" })).Status.ShouldBe(204);
        (await world.ClaimAsync(replica, (string)session.Body["token"]!, "deploy")).Status.ShouldBe(401);
        world.Audited("session").ShouldContain(line => (string?)line["reason"] == "leaked in a build log");
    }

    [Fact]
    public async Task L10_There_are_no_more_sessions_than_there_may_be_over_all_replicas()
    {
        await using var world = new BrokerWorld(("Identity:Sessions:Most", "2"));
        HttpClient[] replicas = [await world.ReplicaAsync(), await world.ReplicaAsync()];
        var opened = await Task.WhenAll(Enumerable.Range(0, 10).Select(i => world.OpenAsync(replicas[i % 2], world.Job($"refs/heads/release/{i}"), "deploy")));

        var open = opened.Where(answer => answer.Status == 201).ToList();
        open.Count.ShouldBe(2);
        foreach (var refused in opened.Except(open)) (refused.Status, refused.Code).ShouldBe((429, "limit-exceeded"));
        (await world.SendAsync(replicas[0], HttpMethod.Delete, $"/api/v1/sessions/{open[0].Body["id"]}", (string)open[0].Body["token"]!)).Status.ShouldBe(204);
        (await world.OpenAsync(replicas[1], world.Job("refs/heads/release/next"), "deploy")).Status.ShouldBe(201, "one has ended");
    }

    [Fact]
    public async Task L10_One_pipeline_that_opens_sessions_without_end_leaves_room_for_others()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var codes = new List<string?>();
        for (var i = 0; i < 305; i++) codes.Add((await world.OpenAsync(replica, world.Job(), "deploy")).Code);

        codes.Take(300).ShouldAllBe(static code => code == null);
        codes.ShouldContain("limit-exceeded");
        var refused = await world.OpenAsync(replica, world.Job(), "deploy");
        (refused.Status, refused.Headers.RetryAfter?.Delta > TimeSpan.Zero).ShouldBe((429, true));
        (await world.OpenAsync(replica, world.Job("refs/heads/release/8"), "deploy")).Status.ShouldBe(201, "another has its own");
        world.Time.Forward(TimeSpan.FromMinutes(1));
        (await world.OpenAsync(replica, world.Job(), "deploy")).Status.ShouldBe(201, "one more in a while");
    }

    [Fact]
    public async Task A_guessed_session_token_with_the_right_id_proves_nobody()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var token = (string)(await world.OpenAsync(replica, world.Job(), "deploy")).Body["token"]!;
        var guess = token[..^1] + (token[^1] == 'A' ? 'B' : 'A');

        (await world.ClaimAsync(replica, guess, "deploy")).Status.ShouldBe(401);
        (await world.ClaimAsync(replica, token, "deploy")).Status.ShouldBe(200);
        (await world.ClaimAsync(replica, guess, "deploy")).Status.ShouldBe(401, "also while the right one is remembered");
        var secret = token[21..];
        world.Heard.All.ShouldNotContain(heard => heard.Where.StartsWith("ledger") && heard.Text.Contains(secret), "the ledger holds a hash alone");
    }
}
