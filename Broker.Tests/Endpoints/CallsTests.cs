using System.Net;
using System.Net.ServerSentEvents;
using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Endpoints;

/// <summary>Every call of the API, as a client sees it.</summary>
public sealed class CallsTests(RunningBroker broker)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_claim_gives_a_login_that_works_in_every_form_and_is_not_to_be_stored()
    {
        using var pod = await broker.PodAsync();

        var answer = await pod.ClaimAsync("""{"connections":3}""");

        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        answer.Content.Headers.ContentType!.ToString().ShouldBe("application/json");
        answer.Headers.CacheControl!.NoStore.ShouldBeTrue();
        answer.Headers.Contains("Preference-Applied").ShouldBeFalse();
        var grant = await answer.JsonAsync();
        grant.Select(member => member.Key).ShouldBe(["role", "database", "lease", "holder", "connections", "credentials"]);
        grant["connections"]!.GetValue<int>().ShouldBe(3);
        grant["holder"]!["renewAfterSeconds"]!.GetValue<int>().ShouldBe(1200);
        var login = grant["credentials"]!;
        new NpgsqlConnectionStringBuilder(login["adoNet"]!.GetValue<string>()).MaxPoolSize.ShouldBe(3);
        var uri = new Uri(login["uri"]!.GetValue<string>());
        uri.UserInfo.ShouldBe($"{login["username"]}:{login["password"]}");
        await using var connection = new NpgsqlConnection(login["adoNet"]!.GetValue<string>() + ";Pooling=false");
        await connection.OpenAsync(Cancel);
        await using var query = new NpgsqlCommand("SELECT current_user", connection);
        (await query.ExecuteScalarAsync(Cancel)).ShouldBe(login["username"]!.GetValue<string>());
    }

    [Fact]
    public async Task L11_A_pod_that_asks_twice_gets_the_same_and_one_that_gives_an_id_another()
    {
        using var pod = await broker.PodAsync();

        var first = await pod.GrantAsync();
        var again = await pod.GrantAsync("{}");
        var other = await pod.GrantAsync("""{"holder":"second/process"}""");

        again.HolderId().ShouldBe(first.HolderId());
        other.HolderId().ShouldNotBe(first.HolderId());
        other["lease"]!["id"]!.GetValue<string>().ShouldBe(first["lease"]!["id"]!.GetValue<string>());
    }

    [Fact]
    public async Task A_holder_renews_and_leaves_and_is_then_unknown()
    {
        using var pod = await broker.PodAsync();
        var grant = await pod.GrantAsync();

        var renewed = await pod.PostAsync($"/api/v1/holders/{grant.HolderId()}/renew", null, Cancel);
        renewed.StatusCode.ShouldBe(HttpStatusCode.OK);
        renewed.Headers.CacheControl!.NoStore.ShouldBeTrue();
        var renewal = await renewed.JsonAsync();
        renewal["rotate"]!.GetValue<bool>().ShouldBeFalse();
        renewal.ContainsKey("credentials").ShouldBeFalse("nothing is to be moved to");

        var left = await pod.DeleteAsync($"/api/v1/holders/{grant.HolderId()}", Cancel);
        left.StatusCode.ShouldBe(HttpStatusCode.NoContent);
        (await left.Content.ReadAsByteArrayAsync(Cancel)).ShouldBeEmpty();
        await (await pod.PostAsync($"/api/v1/holders/{grant.HolderId()}/renew", null, Cancel)).ShouldRefuseAsync(HttpStatusCode.NotFound, "holder-unknown");
        await (await pod.DeleteAsync($"/api/v1/holders/{grant.HolderId()}", Cancel)).ShouldRefuseAsync(HttpStatusCode.NotFound, "holder-unknown");
    }

    [Fact]
    public async Task L11_Another_pods_holder_is_as_unknown_as_none()
    {
        using var mine = await broker.PodAsync();
        using var theirs = await broker.PodAsync();
        var grant = await mine.GrantAsync();

        var there = await (await theirs.DeleteAsync($"/api/v1/holders/{grant.HolderId()}", Cancel)).ShouldRefuseAsync(HttpStatusCode.NotFound, "holder-unknown");
        var notThere = await (await theirs.DeleteAsync($"/api/v1/holders/{RunningBroker.Role}.{new string('A', 28)}", Cancel)).ShouldRefuseAsync(HttpStatusCode.NotFound, "holder-unknown");

        there["detail"]!.GetValue<string>().ShouldBe(notThere["detail"]!.GetValue<string>());
        (await mine.PostAsync($"/api/v1/holders/{grant.HolderId()}/renew", null, Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Viewers_see_budgets_and_leases_and_no_password()
    {
        using var pod = await broker.PodAsync();
        using var viewer = await broker.ViewerAsync();
        var grant = await pod.GrantAsync();
        var lease = grant["lease"]!["id"]!.GetValue<string>();

        var texts = new List<string>();
        foreach (var path in new[] { "/api/v1/budgets", "/api/v1/budgets/orders", "/api/v1/leases", "/api/v1/leases?database=orders", $"/api/v1/leases/{lease}" })
        {
            var answer = await viewer.GetAsync(path, Cancel);
            answer.StatusCode.ShouldBe(HttpStatusCode.OK, path);
            answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/json");
            answer.Headers.CacheControl!.NoStore.ShouldBeTrue();
            texts.Add(await answer.Content.ReadAsStringAsync(Cancel));
        }

        texts.ShouldAllBe(text => !text.Contains(grant["credentials"]!["password"]!.GetValue<string>()));
        JsonNode.Parse(texts[1])!["granted"]!.GetValue<int>().ShouldBeGreaterThan(0);
        JsonNode.Parse(texts[4])!["holderList"]!.AsArray().Select(holder => holder!["id"]!.GetValue<string>()).ShouldContain(grant.HolderId());
        JsonNode.Parse(await viewer.GetStringAsync("/api/v1/leases?database=nowhere", Cancel))!["leases"]!.AsArray().ShouldBeEmpty();
        await (await viewer.GetAsync("/api/v1/budgets/nowhere", Cancel)).ShouldRefuseAsync(HttpStatusCode.NotFound, "invalid-request");
        await (await viewer.GetAsync("/api/v1/leases/nowhere", Cancel)).ShouldRefuseAsync(HttpStatusCode.NotFound, "lease-unknown");
    }

    [Fact]
    public async Task An_operator_revokes_a_lease_and_its_login_ends()
    {
        using var pod = await broker.PodAsync();
        using var person = await broker.OperatorAsync();
        var grant = await pod.GrantAsync(role: RunningBroker.RevokedRole);
        var lease = grant["lease"]!["id"]!.GetValue<string>();

        (await person.PostAsync($"/api/v1/leases/{lease}/revoke", Answers.Because("a test"), Cancel)).StatusCode.ShouldBe(HttpStatusCode.Accepted);

        await Eventually.HoldsAsync(
            async () => (await (await person.GetAsync($"/api/v1/leases/{lease}", Cancel)).JsonAsync())["state"]?.GetValue<string>() is "Revoked" or null,
            "the lease is revoked",
            Cancel);
        await using var connection = new NpgsqlConnection(grant["credentials"]!["adoNet"]!.GetValue<string>() + ";Pooling=false");
        await Should.ThrowAsync<PostgresException>(() => connection.OpenAsync(Cancel));
        await (await person.PostAsync("/api/v1/leases/nowhere/revoke", Answers.Because("a test"), Cancel)).ShouldRefuseAsync(HttpStatusCode.NotFound, "lease-unknown");
    }

    [Fact]
    public async Task An_operator_rotates_a_role_and_its_holders_are_told_to_move()
    {
        using var pod = await broker.PodAsync();
        using var person = await broker.OperatorAsync();
        var before = await pod.GrantAsync(role: RunningBroker.RotatedRole);

        (await person.PostAsync($"/api/v1/roles/{RunningBroker.RotatedRole}/rotate", Answers.Because("a test"), Cancel)).StatusCode.ShouldBe(HttpStatusCode.Accepted);

        // The next lease is issued first; the old one serves until that works.
        JsonNode renewal = null!;
        await Eventually.HoldsAsync(
            async () => (renewal = await (await pod.PostAsync($"/api/v1/holders/{before.HolderId()}/renew", null, Cancel)).JsonAsync())["rotate"]!.GetValue<bool>(),
            "the holder is told to move",
            Cancel);
        renewal["overlapSeconds"]!.GetValue<int>().ShouldBe(60);
        renewal["lease"]!["id"]!.GetValue<string>().ShouldNotBe(before["lease"]!["id"]!.GetValue<string>());
        renewal["credentials"]!["username"]!.GetValue<string>().ShouldNotBe(before["credentials"]!["username"]!.GetValue<string>());
        await (await person.PostAsync("/api/v1/roles/nowhere/rotate", Answers.Because("a test"), Cancel)).ShouldRefuseAsync(HttpStatusCode.Forbidden, "not-allowed");
    }

    [Fact]
    public async Task A_watching_holder_hears_that_it_is_renewed_and_when_it_is_to_move_and_when_it_is_over()
    {
        using var pod = await broker.PodAsync();
        using var person = await broker.OperatorAsync();
        var grant = await pod.GrantAsync(role: RunningBroker.RotatedRole);
        using var watch = await pod.GetAsync($"/api/v1/holders/{grant.HolderId()}/watch", HttpCompletionOption.ResponseHeadersRead, Cancel);
        (watch.StatusCode, watch.Content.Headers.ContentType!.MediaType, watch.Headers.CacheControl!.NoStore).ShouldBe((HttpStatusCode.OK, "text/event-stream", true));
        await using var events = SseParser.Create(await watch.Content.ReadAsStreamAsync(Cancel)).EnumerateAsync(Cancel).GetAsyncEnumerator(Cancel);

        (await NextAsync(events)).EventType.ShouldBe("renewed");
        await person.PostAsync($"/api/v1/roles/{RunningBroker.RotatedRole}/rotate", Answers.Because("a test"), Cancel);
        SseItem<string> rotate;
        while ((rotate = await NextAsync(events)).EventType == "renewed") Cancel.ThrowIfCancellationRequested();
        rotate.EventType.ShouldBe("rotate");
        JsonNode.Parse(rotate.Data)!["credentials"]!["username"]!.GetValue<string>().ShouldNotBe(grant["credentials"]!["username"]!.GetValue<string>());

        await pod.DeleteAsync($"/api/v1/holders/{grant.HolderId()}", Cancel);
        SseItem<string> last = default;
        while (await events.MoveNextAsync()) last = events.Current;
        (last.EventType, JsonNode.Parse(last.Data)!["code"]!.GetValue<string>()).ShouldBe(("ending", "holder-unknown"));
        await (await pod.GetAsync($"/api/v1/holders/{grant.HolderId()}/watch", Cancel)).ShouldRefuseAsync(HttpStatusCode.NotFound, "holder-unknown");

        static async Task<SseItem<string>> NextAsync(IAsyncEnumerator<SseItem<string>> events) =>
            await events.MoveNextAsync() ? events.Current : throw new InvalidOperationException("The stream ended.");
    }

    [Fact]
    public async Task A_caller_that_is_not_listed_may_neither_read_nor_order()
    {
        using var pod = await broker.PodAsync();
        using var viewer = await broker.ViewerAsync();

        foreach (var path in new[] { "/api/v1/budgets", "/api/v1/budgets/orders", "/api/v1/leases", "/api/v1/leases/x", "/api/v1/leftovers", "/api/v1/duties", "/api/v1/indicators", "/api/v1/shadow", "/metrics", "/" })
            await (await pod.GetAsync(path, Cancel)).ShouldRefuseAsync(HttpStatusCode.Forbidden, "not-allowed");
        foreach (var path in new[] { "/api/v1/leases/x/revoke", $"/api/v1/roles/{RunningBroker.Role}/rotate" })
        {
            await (await pod.PostAsync(path, null, Cancel)).ShouldRefuseAsync(HttpStatusCode.Forbidden, "not-allowed");
            await (await viewer.PostAsync(path, null, Cancel)).ShouldRefuseAsync(HttpStatusCode.Forbidden, "not-allowed");
        }
    }

    [Fact]
    public async Task Nobody_learns_which_roles_there_are()
    {
        using var pod = await broker.PodAsync();

        var forbidden = await (await pod.ClaimAsync(role: RunningBroker.ForbiddenRole)).ShouldRefuseAsync(HttpStatusCode.Forbidden, "not-allowed");
        var unknown = await (await pod.ClaimAsync(role: "unknown")).ShouldRefuseAsync(HttpStatusCode.Forbidden, "not-allowed");
        Same(forbidden, RunningBroker.ForbiddenRole, unknown, "unknown");

        // Nor by holder ids, whose owner part a caller knows from its own.
        var own = (await pod.GrantAsync()).HolderId()[(RunningBroker.Role.Length + 1)..];
        foreach (var path in new[] { "/api/v1/holders/{0}.{1}/renew", "/api/v1/holders/{0}.{1}" })
        {
            var send = (string role) => pod.SendAsync(new(path.EndsWith("renew", StringComparison.Ordinal) ? HttpMethod.Post : HttpMethod.Delete, string.Format(null, path, role, own)), Cancel);
            forbidden = await (await send(RunningBroker.ForbiddenRole)).ShouldRefuseAsync(HttpStatusCode.Forbidden, "not-allowed");
            unknown = await (await send("unknown")).ShouldRefuseAsync(HttpStatusCode.Forbidden, "not-allowed");
            Same(forbidden, RunningBroker.ForbiddenRole, unknown, "unknown");
        }

        static void Same(JsonObject one, string role, JsonObject other, string otherRole)
        {
            one.Remove("traceId");
            other.Remove("traceId");
            one.ToJsonString().Replace(role, "?", StringComparison.Ordinal).ShouldBe(other.ToJsonString().Replace(otherRole, "?", StringComparison.Ordinal));
        }
    }

    [Fact]
    public async Task L2_A_token_without_a_pod_has_to_name_its_holder()
    {
        using var pipeline = await broker.ClientAsync((await broker.IdentityAsync()).Sign(await Tokens.ClaimsAsync(broker, "pipeline")));

        var refusal = await (await pipeline.ClaimAsync()).ShouldRefuseAsync(HttpStatusCode.BadRequest, "invalid-request");
        refusal["detail"]!.GetValue<string>().ShouldContain("Send 'holder'");

        var one = await pipeline.GrantAsync("""{"holder":"job-1"}""");
        var other = await pipeline.GrantAsync("""{"holder":"job-2"}""");
        one.HolderId().ShouldNotBe(other.HolderId());

        // A renewed token is still the same subject's.
        using var renewed = await broker.ClientAsync((await broker.IdentityAsync()).Sign(await Tokens.ClaimsAsync(broker, "pipeline")));
        (await renewed.PostAsync($"/api/v1/holders/{one.HolderId()}/renew", null, Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
        (await renewed.GrantAsync("""{"holder":"job-1"}""")).HolderId().ShouldBe(one.HolderId());
    }

    [Fact]
    public async Task What_is_not_there_for_now_says_when_to_come_back()
    {
        using var pod = await broker.PodAsync();
        using var other = await broker.PodAsync();

        await (await pod.ClaimAsync(role: RunningBroker.VaultlessRole)).ShouldRefuseAsync(HttpStatusCode.ServiceUnavailable, "issuer-unavailable");
        await (await pod.ClaimAsync(role: RunningBroker.DatabaselessRole, prefer: "wait=0")).ShouldRefuseAsync(HttpStatusCode.ServiceUnavailable, "database-unavailable");

        await Eventually.HoldsAsync(
            async () => (await pod.ClaimAsync("""{"connections":2}""", RunningBroker.NarrowRole)).StatusCode == HttpStatusCode.OK, "two connections are granted", Cancel);
        var full = await (await other.ClaimAsync("""{"connections":1}""", RunningBroker.NarrowRole, prefer: "wait=0")).ShouldRefuseAsync(HttpStatusCode.ServiceUnavailable, "budget-exhausted");
        (full["free"]!.GetValue<int>(), full["couldAskFor"]!.GetValue<int>(), full["capacity"]!.GetValue<int>()).ShouldBe((0, 0, 2));
    }

    [Fact]
    public async Task Health_answers_anybody_and_nothing_else_does()
    {
        using var nobody = await broker.ClientAsync(null);

        foreach (var path in new[] { "/health/live", "/health/ready" })
        {
            var answer = await nobody.GetAsync(path, Cancel);
            answer.StatusCode.ShouldBe(HttpStatusCode.OK);
            answer.Content.Headers.ContentType!.MediaType.ShouldBe("application/json");
            (await answer.JsonAsync()).Select(member => member.Key).ShouldBe(["status", "note"]);
            var head = await nobody.SendAsync(new(HttpMethod.Head, path), Cancel);
            head.StatusCode.ShouldBe(HttpStatusCode.OK);
            (await head.Content.ReadAsByteArrayAsync(Cancel)).ShouldBeEmpty();
        }

        foreach (var path in new[] { "/", "/metrics", "/openapi/v1.json", "/api/v1/budgets", "/api/v1/leases", "/nothing", "/health", "/health/live/x" })
            await (await nobody.GetAsync(path, Cancel)).ShouldRefuseAsync(HttpStatusCode.Unauthorized, "unauthenticated");
        await (await nobody.ClaimAsync("{}")).ShouldRefuseAsync(HttpStatusCode.Unauthorized, "unauthenticated");
        await (await nobody.DeleteAsync("/api/v1/holders/x", Cancel)).ShouldRefuseAsync(HttpStatusCode.Unauthorized, "unauthenticated");
    }

    [Fact]
    public async Task Metrics_are_for_viewers()
    {
        using var pod = await broker.PodAsync();
        using var viewer = await broker.ViewerAsync();
        (await pod.ClaimAsync()).StatusCode.ShouldBe(HttpStatusCode.OK);

        var answer = await viewer.GetAsync("/metrics", Cancel);

        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        answer.Content.Headers.ContentType!.MediaType.ShouldBe("text/plain");
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldContain("broker_");
    }

    [Theory]
    [InlineData("GET", "/api/v1/roles/orders-api/credentials", HttpStatusCode.MethodNotAllowed, "POST")]
    [InlineData("OPTIONS", "/api/v1/roles/orders-api/credentials", HttpStatusCode.MethodNotAllowed, "POST")]
    [InlineData("HEAD", "/api/v1/roles/orders-api/credentials", HttpStatusCode.MethodNotAllowed, "POST")]
    [InlineData("BREW", "/api/v1/roles/orders-api/credentials", HttpStatusCode.MethodNotAllowed, "POST")]
    [InlineData("PUT", "/api/v1/holders/x", HttpStatusCode.MethodNotAllowed, "DELETE")]
    [InlineData("POST", "/api/v1/budgets", HttpStatusCode.MethodNotAllowed, "GET")]
    [InlineData("GET", "/api/v1/roles/orders-api", HttpStatusCode.NotFound, null)]
    [InlineData("POST", "/api/v1/roles//credentials", HttpStatusCode.NotFound, null)]
    [InlineData("POST", "/api/v2/roles/orders-api/credentials", HttpStatusCode.NotFound, null)]
    public async Task What_HTTP_itself_finds_wrong_is_a_problem_too(string method, string path, HttpStatusCode status, string? allow)
    {
        using var pod = await broker.PodAsync();

        var answer = await pod.SendAsync(new(new HttpMethod(method), path), Cancel);

        if (method == "HEAD") answer.StatusCode.ShouldBe(status);
        else await answer.ShouldRefuseAsync(status, "invalid-request");
        if (allow is not null) answer.Content.Headers.Allow.ShouldContain(allow);
    }

    [Fact]
    public async Task A_body_of_another_type_is_refused_and_an_answer_of_another_type_is_never_given()
    {
        using var pod = await broker.PodAsync();
        var refusal = await (await pod.ClaimAsync(new StringContent("{}"), "text/xml")).ShouldRefuseAsync(HttpStatusCode.UnsupportedMediaType, "invalid-request");
        refusal["detail"]!.GetValue<string>().ShouldContain("application/json");

        pod.DefaultRequestHeaders.Accept.ParseAdd("text/xml");
        (await pod.ClaimAsync("{}")).Content.Headers.ContentType!.MediaType.ShouldBe("application/json");
    }

    [Theory]
    [InlineData("wait=5", "wait=5")]
    [InlineData("respond-async, wait=5", "wait=5")]
    [InlineData("wait=\"5\"", "wait=5")]
    [InlineData("WAIT = 5 ; because=\"of, that\"", "wait=5")]
    [InlineData("foo=\"a, wait=7\", wait=5", "wait=5")]
    [InlineData("wait=0", "wait=0")]
    [InlineData("wait=61", "wait=60")]
    [InlineData("wait=2147483647", "wait=60")]
    [InlineData("wait=99999999999999999999", "wait=60")]
    [InlineData("wait", null)]
    [InlineData("wait=", null)]
    [InlineData("wait=-1", null)]
    [InlineData("wait=1.5", null)]
    [InlineData("wait=soon", null)]
    [InlineData("foo=\"unclosed, wait=5", null)]
    [InlineData("foo=\"a\\", null)]
    [InlineData(",,;;==\"", null)]
    public async Task A_preference_is_applied_as_far_as_it_may_be_and_the_answer_says_how_far(string prefer, string? applied)
    {
        using var pod = await broker.PodAsync();

        var answer = await pod.ClaimAsync("{}", prefer: prefer);

        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        (answer.Headers.TryGetValues("Preference-Applied", out var values) ? values.Single() : null).ShouldBe(applied);
    }

    [Fact]
    public async Task L7_Every_outcome_is_in_the_audit_before_its_answer_leaves()
    {
        using var pod = await broker.PodAsync();
        var asked = new (string What, Func<string, Task<HttpResponseMessage>> Send, string Action, string Outcome, string? Refusal)[]
        {
            ("granted", _ => pod.ClaimAsync(), "claim", "granted", null),
            ("forbidden", _ => pod.ClaimAsync(role: RunningBroker.ForbiddenRole), "claim", "refused", "not-allowed"),
            ("misunderstood", _ => pod.ClaimAsync("{"), "claim", "refused", "invalid-request"),
            ("too much", _ => pod.ClaimAsync("""{"connections":9999}"""), "claim", "refused", "invalid-request"),
            ("not listed", _ => pod.GetAsync("/api/v1/budgets", Cancel), "authenticate", "refused", "not-allowed"),
            ("nowhere", _ => pod.GetAsync("/nowhere", Cancel), "authenticate", "refused", "invalid-request"),
            ("failed", _ => pod.ClaimAsync(role: RunningBroker.VaultlessRole), "claim", "failed", "issuer-unavailable"),
            ("renewed", holder => pod.PostAsync($"/api/v1/holders/{holder}/renew", null, Cancel), "renew", "granted", null),
            ("released", holder => pod.DeleteAsync($"/api/v1/holders/{holder}", Cancel), "release", "granted", null),
            ("released again", holder => pod.DeleteAsync($"/api/v1/holders/{holder}", Cancel), "release", "refused", "holder-unknown"),
        };
        var mine = (await pod.GrantAsync()).HolderId();
        foreach (var (what, send, action, outcome, refusal) in asked)
        {
            // The caller's own trace, so that answers without a trace id are found too.
            var trace = Guid.NewGuid().ToString("N");
            pod.DefaultRequestHeaders.Remove("traceparent");
            pod.DefaultRequestHeaders.Add("traceparent", $"00-{trace}-00f067aa0ba902b7-01");

            var answer = await send(mine);

            var line = (await broker.AuditOfAsync(trace)).ShouldHaveSingleItem(what);
            (line["action"]!.GetValue<string>(), line["outcome"]!.GetValue<string>(), line["refusal"]?.GetValue<string>()).ShouldBe((action, outcome, refusal), what);
            if (refusal is not null) (await answer.JsonAsync())["traceId"]!.GetValue<string>().ShouldBe(trace);
            line["clientAddress"]!.GetValue<string>().ShouldBe("127.0.0.1");
            line["caller"].ShouldNotBeNull(what);
        }
    }
}
