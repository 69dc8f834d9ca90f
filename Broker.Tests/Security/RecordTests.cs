using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using Broker.Api.Authentication.BrokerTokens;
using Broker.Core.Audit;
using Broker.Core.Audit.Unproven;
using Broker.Core.Ledger;
using Broker.Core.Operators.Indicators;
using Broker.Tests.Authentication;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>What the record has of those who prove nobody, and of those who look (laws L7 and L15).</summary>
public sealed class RecordTests
{
    [Fact]
    public async Task An_unproven_request_counts_among_those_to_the_APIs_where_it_is_one()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        foreach (var path in new[] { "/metrics", "/openapi/v1.json", "/databases/orders" }) await world.SendAsync(replica, HttpMethod.Get, path, "nobody's");
        world.Service<ILastHour>().Counts.Unproven.ShouldBe(0);

        (await world.SendAsync(replica, HttpMethod.Get, "/api/v1/holders", "nobody's")).Status.ShouldBe(401);
        world.Service<ILastHour>().Counts.Unproven.ShouldBe(1);
    }

    [Fact]
    public async Task L15_An_unproven_caller_is_not_in_the_record_of_what_was_given_out()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        for (var request = 0; request < 50; request++) (await world.ClaimAsync(replica, null)).Status.ShouldBe(401);
        (await world.SendAsync(replica, HttpMethod.Get, "/no/such/address", null)).Status.ShouldBe(401);
        (await world.ClaimAsync(replica, world.Pod())).Status.ShouldBe(200);

        world.AuditLines(0).ShouldAllBe(line => !line.Contains("\"refused\""));
        world.AuditLines(0).ShouldContain(line => line.Contains("\"granted\""));
        var apart = world.AuditLines().Where(line => line.Contains("\"unauthenticated\"")).ToArray();
        apart.Length.ShouldBe(5, "the rest is summed up when the minute is over");
    }

    [Theory]
    [InlineData("no provider", HttpStatusCode.Unauthorized)]
    [InlineData("many fields", HttpStatusCode.BadRequest)]
    [InlineData("a long form", HttpStatusCode.RequestEntityTooLarge)]
    [InlineData("an operation that is a number", HttpStatusCode.OK)]
    [InlineData("half a letter", HttpStatusCode.BadRequest)]
    [InlineData("a token with half a letter", HttpStatusCode.Unauthorized)]
    [InlineData("a login with half a letter", HttpStatusCode.Forbidden)]
    [InlineData("half a letter in a login's field", HttpStatusCode.BadRequest)]
    public async Task L15_Whatever_somebody_sends_who_proves_nobody_is_no_fault(string what, HttpStatusCode status)
    {
        await using var world = new BrokerWorld(("Admission:Mode", "Warn"));
        using var replica = new HttpClient { BaseAddress = await world.ListeningReplicaAsync() };
        for (var request = 0; request < 20; request++)
        {
            using var answer = await (what switch
            {
                "no provider" => replica.GetAsync(new Uri("/signin/oidc", UriKind.Relative), TestContext.Current.CancellationToken),
                "many fields" => PostAsync("/signin/link", string.Join('&', Enumerable.Range(0, 1500).Select(static field => $"a{field}=")), "application/x-www-form-urlencoded"),
                "a long form" => PostAsync("/signin/link", "a=" + new string('x', 40_000), "application/x-www-form-urlencoded"),
                "a token with half a letter" => ClaimAsync(),
                "a login with half a letter" => PostAsync("/v1/auth/kubernetes/login", $$"""{"role":"orders-api","jwt":"{{Half()}}"}""", "application/json"),
                "half a letter in a login's field" => PostAsync("/v1/auth/kubernetes/login", """{"role":"\ud800","jwt":"x"}""", "application/json"),
                "half a letter" => PostAsync("/kubernetes/admission", """{"request":{"uid":"\ud800"}}""", "application/json"),
                _ => PostAsync("/kubernetes/admission", """{"request":{"uid":"u","operation":1}}""", "application/json"),
            });
            answer.StatusCode.ShouldBe(status);
        }

        world.AuditLines().ShouldNotContain(line => line.Contains("a fault in the broker"));
        world.AuditLines(0).ShouldAllBe(line => !line.Contains("\"refused\""));

        // Signed as any other: who may choose a claim's text may choose this one.
        string Half() => world.Mint.TokenOf($$$"""{"aud":["broker"],"iss":"{{{TokenMint.Issuer}}}","sub":"x","exp":{{{world.Time.GetUtcNow().ToUnixTimeSeconds() + 600}}},"a":{"b":"\ud800"}}""");

        async Task<HttpResponseMessage> ClaimAsync()
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/roles/orders-api/credentials");
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", Half());
            return await replica.SendAsync(request, TestContext.Current.CancellationToken);
        }

        Task<HttpResponseMessage> PostAsync(string path, string body, string type) =>
            replica.PostAsync(new Uri(path, UriKind.Relative), new StringContent(body, Encoding.UTF8, type), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task L15_A_full_disk_for_those_who_prove_nobody_keeps_nobody_else_waiting()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Writes to /dev/full.");
        await using var world = new BrokerWorld(("Audit:UnprovenPath", "/dev/full"));
        var replica = await world.ReplicaAsync();
        for (var request = 0; request < 20; request++) (await world.ClaimAsync(replica, null)).Status.ShouldBe(401);

        (await world.ClaimAsync(replica, world.Pod())).Status.ShouldBe(200);
    }

    [Fact]
    public async Task L15_An_address_that_a_caller_forwards_itself_through_the_one_proxy_changes_nothing()
    {
        // The pods are in the proxies' networks, so what the proxy was told could be believed too.
        await using var world = new BrokerWorld(("Proxies:0", "127.0.0.0/8"), ("Proxies:1", "203.0.113.0/24"));
        using var proxy = new HttpClient { BaseAddress = await world.ListeningReplicaAsync() };
        string[][] forwarded =
        [
            ["198.51.100.{0}, 203.0.113.9"], ["198.51.100.{0}", "203.0.113.9"], ["[2001:db8::{0}]:443, 203.0.113.9"], ["127.0.0.{0}, 203.0.113.9"], ["nobody-{0}, 203.0.113.9"],
        ];
        foreach (var headers in forwarded)
        {
            for (var request = 1; request <= 5; request++) (await SendAsync(headers, null, request)).ShouldBe(HttpStatusCode.Unauthorized);
            (await SendAsync(headers, world.Pod(), 6)).ShouldBe(HttpStatusCode.OK);
        }

        var refused = world.AuditLines().Where(line => line.Contains("\"unauthenticated\"")).ToArray();
        refused.ShouldNotBeEmpty();
        world.Service<UnprovenRefusals>().Addresses.ShouldBeLessThanOrEqualTo(1, "they are one address's, however it calls itself");
        refused.Concat(world.AuditLines(0).Where(line => line.Contains("\"claim\""))).ShouldAllBe(line => line.Contains("\"clientAddress\":\"203.0.113.9\""));

        async Task<HttpStatusCode> SendAsync(string[] headers, string? token, int number)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/roles/orders-api/credentials");
            foreach (var header in headers) request.Headers.TryAddWithoutValidation("X-Forwarded-For", string.Format(CultureInfo.InvariantCulture, header, number));
            foreach (var header in new[] { "Forwarded", "X-Real-IP", "X-Original-For" }) request.Headers.TryAddWithoutValidation(header, $"198.51.100.{number}");
            if (token is not null) request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            using var answer = await proxy.SendAsync(request, TestContext.Current.CancellationToken);
            return answer.StatusCode;
        }
    }

    [Fact]
    public async Task L7_A_viewer_of_leases_holders_and_leftovers_is_recorded()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var lease = (string)(await world.ClaimAsync(replica, world.Pod())).Body["lease"]!["id"]!;
        foreach (var path in new[]
        {
            "/api/v1/leases", "/api/v1/leases?database=orders", $"/api/v1/leases/{lease}", "/api/v1/holders", "/api/v1/leftovers", "/api/v1/shadow", "/api/v1/duties", "/api/v1/indicators",
            "/api/v1/budgets/orders/history", "/api/v1/budgets/orders/line", "/api/v1/budgets/orders/others", "/api/v1/budgets/orders/findings",
            "/", "/?database=orders", "/databases/orders",
        })
        {
            await LooksAsync(path, "viewers");
        }

        foreach (var path in new[] { $"/orders/revoke?lease={lease}", "/orders/rotate?role=orders-api" }) await LooksAsync(path, "operators");

        async Task LooksAsync(string path, string who)
        {
            var before = world.Audited("read").Length;
            (await world.SendAsync(replica, HttpMethod.Get, path, world.Person(who))).Status.ShouldBe(200, path);

            var read = world.Audited("read")[before..].ShouldHaveSingleItem(path);
            ((string?)read["detail"], (string?)read["outcome"], (string?)read["caller"]!["subject"]).ShouldBe(($"GET {path}", "granted", $"{who}@example.org"));
        }
    }

    [Fact]
    public async Task L6_What_is_asked_with_an_address_is_recorded_by_its_names_and_by_what_it_is_about()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        (await world.SendAsync(replica, HttpMethod.Get, "/api/v1/holders?database=orders&search=hunter2&pageSize=7&hvs.CAES=1&eyJx=2", world.Person("viewers"))).Status.ShouldBe(200);

        ((string?)world.Audited("read").ShouldHaveSingleItem()["detail"]).ShouldBe("GET /api/v1/holders?database=orders&search&pageSize&…&…");
    }

    [Theory]
    [InlineData("/page/live")]
    [InlineData("/page/live/orders")]
    public async Task L7_A_viewer_that_keeps_looking_at_the_page_is_recorded_before_anything_is_shown(string path)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", world.Person("viewers"));
        using var answer = await replica.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);

        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        ((string?)world.Audited("read").ShouldHaveSingleItem()["detail"]).ShouldBe($"GET {path}");
    }

    [Fact]
    public async Task L7_A_viewer_is_shown_nothing_while_nothing_can_be_recorded()
    {
        var audit = new SwitchedAudit();
        await using var world = new BrokerWorld { Services = services => services.Replace(ServiceDescriptor.Singleton<IAudit>(audit)) };
        var replica = await world.ReplicaAsync();
        var lease = (string)(await world.ClaimAsync(replica, world.Pod())).Body["lease"]!["id"]!;
        audit.IsFull = true;

        foreach (var path in new[] { "/api/v1/leases", $"/api/v1/leases/{lease}", "/api/v1/holders", "/api/v1/leftovers", "/", "/databases/orders" })
        {
            var answer = await world.SendAsync(replica, HttpMethod.Get, path, world.Person("viewers"));
            (answer.Code, answer.Body.ContainsKey("leases")).ShouldBe(("audit-unavailable", false), path);
        }
    }

    [Fact]
    public async Task L7_A_sign_in_by_a_link_is_recorded_before_it_is_let_in_and_an_invalid_code_is_recorded_apart()
    {
        await using var world = new BrokerWorld();
        using var browser = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = await world.ListeningReplicaAsync() };
        var code = world.Service<AdminTokens>().MakeLink("grace@laptop", TimeSpan.FromMinutes(10)).Reveal();

        using var guessed = await SignInAsync(browser, "nonsense");
        using var signedIn = await SignInAsync(browser, code);
        using var again = await SignInAsync(browser, code);

        (guessed.StatusCode, signedIn.StatusCode, again.StatusCode).ShouldBe((HttpStatusCode.OK, HttpStatusCode.Redirect, HttpStatusCode.OK));
        var records = world.AuditLines(0).Where(line => line.Contains("\"authenticate\"")).ToArray();
        records.Select(static line => line.Contains("\"ordered\"")).ShouldBe([true, false]);
        var record = records[1];
        record.ShouldContain("\"granted\"");
        record.ShouldContain("\"caller\":{\"issuer\":\"~broker\",\"subject\":\"grace@laptop\"");
        world.AuditLines().Count(line => line.Contains("This link was not made by this broker")).ShouldBe(1);
        world.AuditLines().Count(line => line.Contains("This link has already been used")).ShouldBe(1);
        world.AuditLines().ShouldNotContain(line => line.Contains(code));
    }

    [Fact]
    public async Task A_link_that_was_used_signs_nobody_in_by_another_text_of_the_same()
    {
        await using var world = new BrokerWorld();
        using var browser = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = await world.ListeningReplicaAsync() };
        var code = world.Service<AdminTokens>().MakeLink("grace@laptop", TimeSpan.FromMinutes(10)).Reveal();
        var id = world.Service<AdminTokens>().ReadLink(code).ShouldNotBeNull().Id;
        using (var signedIn = await SignInAsync(browser, code)) signedIn.StatusCode.ShouldBe(HttpStatusCode.Redirect);

        foreach (var other in PeopleTests.OtherTextsOf(code))
        {
            using var again = await SignInAsync(browser, other);
            again.StatusCode.ShouldBe(HttpStatusCode.OK, $"'{other}'");
        }

        world.Time.Forward(TimeSpan.FromMinutes(10));
        world.Service<SessionLedger>().WasExchanged(id).ShouldBeTrue("a replica whose clock is behind still takes it for one that is good");
    }

    [Fact]
    public async Task L7_Nobody_is_signed_in_by_a_link_while_nothing_can_be_recorded()
    {
        var audit = new SwitchedAudit();
        await using var world = new BrokerWorld { Services = services => services.Replace(ServiceDescriptor.Singleton<IAudit>(audit)) };
        using var browser = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = await world.ListeningReplicaAsync() };
        audit.IsFull = true;

        using var answer = await SignInAsync(browser, world.Service<AdminTokens>().MakeLink("grace@laptop", TimeSpan.FromMinutes(10)).Reveal());

        answer.StatusCode.ShouldBe(HttpStatusCode.ServiceUnavailable);
        answer.Headers.TryGetValues("Set-Cookie", out var cookies);
        (cookies ?? []).ShouldNotContain(cookie => cookie.StartsWith("broker-page=", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Each_refusal_is_a_line_of_the_log_with_code_caller_role_and_trace()
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        var refused = await world.ClaimAsync(replica, world.Pod(), "no-such-role");
        var unproven = await world.ClaimAsync(replica, null);

        Logged(world).ShouldContain(line => line.Contains("Refused (not-allowed)") && line.Contains("no-such-role") && line.Contains((string)refused.Body["traceId"]!));
        Logged(world).ShouldContain(line => line.Contains("Refused (unauthenticated)") && line.Contains("an unproven caller") && line.Contains((string)unproven.Body["traceId"]!));
    }

    [Theory]
    [InlineData("POST", "/api/v1/roles/orders-api/pause")]
    [InlineData("PUT", "/api/v1/budgets/orders/ceiling")]
    [InlineData("POST", "/api/v1/budgets/orders/forecast")]
    [InlineData("POST", "/api/v1/sessions")]
    [InlineData("DELETE", "/api/v1/leftovers/orders/b-orders-api-abcdefghijklmnop")]
    public async Task L7_Half_a_letter_in_a_body_is_refused_on_record(string method, string path)
    {
        await using var world = new BrokerWorld();
        var replica = await world.ReplicaAsync();
        foreach (var body in new[] { """{"reason":"\ud800"}""", """{"\ud800":"x"}""", """{"roles":["\ud800"]}""", """{"role":"\udc00"}""" })
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", world.Person("operators"));
            using var answer = await replica.SendAsync(request, TestContext.Current.CancellationToken);
            answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest, body);
        }

        world.AuditLines(0).Count(line => line.Contains("\"refused\"", StringComparison.Ordinal) && line.Contains("operators@example.org", StringComparison.Ordinal)).ShouldBe(4);
    }

    [Theory]
    [InlineData("/signin/link", "The form has expired")]
    [InlineData("/signout", "The form has expired")]
    public async Task L7_A_form_that_is_refused_is_on_record(string path, string said)
    {
        await using var world = new BrokerWorld();
        using var browser = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = await world.ListeningReplicaAsync() };
        using var form = new FormUrlEncodedContent([new("form-token", "nonsense"), new("code", "x")]);
        using var answer = await browser.PostAsync(new Uri(path, UriKind.Relative), form, TestContext.Current.CancellationToken);

        ((int)answer.StatusCode).ShouldBeInRange(200, 399);
        world.AuditLines().Count(line => line.Contains($"POST {path}: {said}", StringComparison.Ordinal)).ShouldBe(1);
    }

    [Theory]
    [InlineData("POST", "/orders/pause", null, true)]
    [InlineData("POST", "/orders/pause", "not.a.token", true)]
    [InlineData("GET", "/", "not.a.token", true)]
    [InlineData("GET", "/", null, false)]
    public async Task L7_Who_is_sent_to_sign_in_is_on_record_unless_it_only_looks_and_shows_nothing(string method, string path, string? cookie, bool isRecorded)
    {
        await using var world = new BrokerWorld();
        using var browser = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = await world.ListeningReplicaAsync() };
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        request.Headers.Accept.ParseAdd("text/html");
        if (cookie is not null) request.Headers.Add("Cookie", "broker-page=" + CookieWith(world, cookie));
        using var answer = await browser.SendAsync(request, TestContext.Current.CancellationToken);

        (answer.StatusCode, answer.Headers.Location?.OriginalString).ShouldBe((HttpStatusCode.Redirect, "/signin"));
        world.AuditLines().Count(line => line.Contains($"{method} {path}: ", StringComparison.Ordinal)).ShouldBe(isRecorded ? 1 : 0);
    }

    // A cookie that the broker made, with a proof that is good no longer.
    private static string CookieWith(BrokerWorld world, string proof)
    {
        var properties = new AuthenticationProperties();
        properties.StoreTokens([new AuthenticationToken { Name = "id_token", Value = proof }]);
        var ticket = new AuthenticationTicket(new(new System.Security.Claims.ClaimsIdentity("page")), properties, "page");
        return world.Service<IOptionsMonitor<CookieAuthenticationOptions>>().Get("page").TicketDataFormat.Protect(ticket);
    }

    private static IEnumerable<string> Logged(BrokerWorld world) => world.Heard.All.Where(heard => heard.Where == "log").Select(heard => heard.Text);

    private static async Task<HttpResponseMessage> SignInAsync(HttpClient browser, string code)
    {
        var html = await browser.GetStringAsync(new Uri("/signin/link?code=" + Uri.EscapeDataString(code), UriKind.Relative), TestContext.Current.CancellationToken);
        var token = Regex.Match(html, "name=\"form-token\"[^>]*value=\"([^\"]+)\"").Groups[1].Value;
        using var form = new FormUrlEncodedContent([new("form-token", WebUtility.HtmlDecode(token)), new("code", code)]);
        return await browser.PostAsync(new Uri("/signin/link", UriKind.Relative), form, TestContext.Current.CancellationToken);
    }
}
