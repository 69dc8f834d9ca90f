using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Broker.Api.Authentication.BrokerTokens;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Leases;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Shouldly;
using Xunit;

namespace Broker.Tests.Security;

/// <summary>Orders, sessions and links that are good once, while nothing can be recorded: an answer that says no has changed nothing (law L7).</summary>
public sealed class UnrecordedOrdersTests
{
    private const string Leftover = "b-orders-api-abcdefghijklmnop";
    private const string Reason = "an incident on Sunday";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string, bool> Orders
    {
        get
        {
            var all = new TheoryData<string, bool>();
            foreach (var kind in new[] { "revoke", "rotate", "pause", "drain", "resume", "ceiling", "configured", "end", "drop" })
            {
                all.Add(kind, false);
                all.Add(kind, true);
            }

            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Orders))]
    public async Task L7_An_order_that_cannot_be_recorded_changes_nothing(string kind, bool onThePage)
    {
        var audit = new SwitchedAudit();
        await using var world = new BrokerWorld { Services = services => services.Replace(ServiceDescriptor.Singleton<IAudit>(audit)) };
        using var orders = await OrdersOf.PrepareAsync(world, kind, onThePage);
        var before = await orders.StateAsync();

        audit.IsFull = true;
        var (status, text) = await orders.GiveAsync(kind);
        audit.IsFull = false;

        (status, text.Contains("audit-unavailable", StringComparison.Ordinal)).ShouldBe((503, true), text);
        (await orders.StateAsync()).ShouldBe(before);
    }

    [Theory]
    [MemberData(nameof(Orders))]
    public async Task L7_An_order_is_on_record_before_it_is_carried_out_and_once_as_done(string kind, bool onThePage)
    {
        await using var world = new BrokerWorld();
        using var orders = await OrdersOf.PrepareAsync(world, kind, onThePage);
        var before = await orders.StateAsync();
        var recorded = Recorded(world).Count;

        (await orders.GiveAsync(kind)).Status.ShouldBeInRange(200, 302);

        (await orders.StateAsync()).ShouldNotBe(before);
        var two = Recorded(world)[recorded..];
        two.Select(static line => (string?)line["outcome"]).ShouldBe(["ordered", "granted"]);
        two.Select(static line => (string?)line["traceId"]).Distinct().Count().ShouldBe(1);
    }

    [Fact]
    public async Task L7_What_came_of_an_order_that_cannot_be_recorded_any_more_is_not_said()
    {
        var audit = new SwitchedAudit();
        await using var world = new BrokerWorld { Services = services => services.Replace(ServiceDescriptor.Singleton<IAudit>(audit)) };
        using var orders = await OrdersOf.PrepareAsync(world, "pause", onThePage: false);

        audit.Takes = 1;
        var (status, text) = await orders.GiveAsync("pause");

        (status, text.Contains("what came of it", StringComparison.Ordinal)).ShouldBe((503, true), text);
    }

    [Fact]
    public async Task L7_A_token_is_not_used_up_for_a_session_that_cannot_be_recorded()
    {
        var audit = new SwitchedAudit();
        await using var world = new BrokerWorld(("Identity:Sessions:Most", "1")) { Services = services => services.Replace(ServiceDescriptor.Singleton<IAudit>(audit)) };
        var replica = await world.ReplicaAsync();
        var job = world.Job();

        audit.IsFull = true;
        (await world.OpenAsync(replica, job, "deploy")).Code.ShouldBe("audit-unavailable");
        audit.IsFull = false;

        (await world.OpenAsync(replica, job, "deploy")).Status.ShouldBe(201);
    }

    [Fact]
    public async Task L7_A_session_whose_opening_cannot_be_recorded_any_more_gives_its_place_back()
    {
        var audit = new SwitchedAudit();
        await using var world = new BrokerWorld(("Identity:Sessions:Most", "1")) { Services = services => services.Replace(ServiceDescriptor.Singleton<IAudit>(audit)) };
        var replica = await world.ReplicaAsync();

        audit.Takes = 1;
        (await world.OpenAsync(replica, world.Job(), "deploy")).Code.ShouldBe("audit-unavailable");
        audit.IsFull = false;

        (await world.OpenAsync(replica, world.Job("refs/heads/release/8"), "deploy")).Status.ShouldBe(201);
    }

    [Fact]
    public async Task L7_A_session_does_not_end_unrecorded()
    {
        var audit = new SwitchedAudit();
        await using var world = new BrokerWorld { Services = services => services.Replace(ServiceDescriptor.Singleton<IAudit>(audit)) };
        var replica = await world.ReplicaAsync();
        var session = await world.OpenAsync(replica, world.Job(), "deploy");
        var (path, token) = ($"/api/v1/sessions/{session.Body["id"]}", (string)session.Body["token"]!);

        foreach (var (who, body) in new[] { (token, null), (world.Person("operators"), new JsonObject { ["reason"] = Reason }) })
        {
            audit.IsFull = true;
            (await world.SendAsync(replica, HttpMethod.Delete, path, who, body)).Code.ShouldBe("audit-unavailable");
            audit.IsFull = false;
            (await world.SendAsync(replica, HttpMethod.Post, path + "/renew", token)).Status.ShouldBe(200);
        }
    }

    [Fact]
    public async Task L7_A_link_is_still_good_that_could_not_be_recorded()
    {
        var audit = new SwitchedAudit();
        await using var world = new BrokerWorld { Services = services => services.Replace(ServiceDescriptor.Singleton<IAudit>(audit)) };
        using var browser = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = await world.ListeningReplicaAsync() };
        var code = world.Service<AdminTokens>().MakeLink("grace@laptop", TimeSpan.FromMinutes(10)).Reveal();

        audit.IsFull = true;
        (await SignInAsync()).ShouldBe(HttpStatusCode.ServiceUnavailable);
        audit.IsFull = false;

        (await SignInAsync()).ShouldBe(HttpStatusCode.Redirect);
        (await SignInAsync()).ShouldBe(HttpStatusCode.OK, "it is good once");

        async Task<HttpStatusCode> SignInAsync()
        {
            var html = await browser.GetStringAsync(new Uri("/signin/link?code=" + Uri.EscapeDataString(code), UriKind.Relative), Cancel);
            using var form = new FormUrlEncodedContent([new("form-token", TokenOf(html)), new("code", code)]);
            using var answer = await browser.PostAsync(new Uri("/signin/link", UriKind.Relative), form, Cancel);
            return answer.StatusCode;
        }
    }

    private static List<JsonNode> Recorded(BrokerWorld world) =>
        [.. world.AuditLines(0).Select(static line => JsonNode.Parse(line)!).Where(static line => (string?)line["reason"] == Reason)];

    private static string TokenOf(string html) => WebUtility.HtmlDecode(Regex.Match(html, "name=\"form-token\"[^>]*value=\"([^\"]+)\"").Groups[1].Value);

    /// <summary>An operator before a broker that has something of each kind to give orders about.</summary>
    private sealed class OrdersOf : IDisposable
    {
        private readonly BrokerWorld world;
        private readonly HttpClient client;
        private readonly Dictionary<string, string> fields;
        private string? form;

        private OrdersOf(BrokerWorld world, HttpClient client, Dictionary<string, string> fields) => (this.world, this.client, this.fields) = (world, client, fields);

        public static async Task<OrdersOf> PrepareAsync(BrokerWorld world, string kind, bool onThePage)
        {
            var client = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = await world.ListeningReplicaAsync() };
            var grant = await world.ClaimAsync(client, world.Pod());
            world.Engine.Found[Leftover] = new DatabaseUser(Leftover, null, 2, 1, "table invoices_tmp");
            var catalog = world.Service<ICatalog>().Current;
            await world.Service<Leftovers>().LookAsync(catalog, catalog.Databases["orders"], Cancel);
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", world.Person("operators"));
            var orders = new OrdersOf(world, client, new(StringComparer.Ordinal)
            {
                ["lease"] = (string)grant.Body["lease"]!["id"]!,
                ["holder"] = (string)grant.Body["holder"]!["id"]!,
                ["role"] = "orders-api",
                ["database"] = "orders",
                ["user"] = Leftover,
                ["ceiling"] = "20",
            });
            var first = kind switch { "resume" => "pause", "configured" => "ceiling", _ => null };
            if (first is not null) (await orders.GiveAsync(first, "before")).Status.ShouldBeInRange(200, 204);
            if (onThePage) orders.form = TokenOf(await client.GetStringAsync(new Uri($"/orders/{kind}?{string.Join('&', orders.fields.Select(static field => $"{field.Key}={Uri.EscapeDataString(field.Value)}"))}", UriKind.Relative), Cancel));
            return orders;
        }

        public async Task<(int Status, string Text)> GiveAsync(string kind, string reason = Reason)
        {
            using var request = form is null ? ByApi(kind, reason) : new(HttpMethod.Post, $"/orders/{kind}") { Content = new FormUrlEncodedContent([.. fields, new("reason", reason), new("form-token", form)]) };
            using var answer = await client.SendAsync(request, Cancel);
            return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        }

        /// <summary>All that an order can change.</summary>
        public async Task<string> StateAsync()
        {
            // Not the list of holders, which is as it was read within the last second.
            var (budget, leases) = (await GetAsync("/api/v1/budgets/orders"), await GetAsync("/api/v1/leases"));
            return new JsonObject
            {
                ["ceiling"] = budget["ceilingOrder"]?.DeepClone(),
                ["pauses"] = new JsonArray([.. budget["roles"]!.AsArray().Select(static role => role!["pause"]?["state"]?.DeepClone())]),
                ["leases"] = new JsonArray([.. leases["leases"]!.AsArray().Select(static lease => JsonValue.Create($"{lease!["id"]} {lease["state"]} {lease["holders"]}"))]),
                ["users"] = new JsonArray([.. world.Engine.Found.Keys.Where(static user => user == Leftover).Select(static user => JsonValue.Create(user))]),
            }.ToJsonString();
        }

        public void Dispose() => client.Dispose();

        private HttpRequestMessage ByApi(string kind, string reason)
        {
            var body = new JsonObject { ["reason"] = reason };
            if (kind is "ceiling" or "configured") body["ceiling"] = kind == "ceiling" ? 20 : null;
            var (method, path) = kind switch
            {
                "revoke" => (HttpMethod.Post, $"/api/v1/leases/{fields["lease"]}/revoke"),
                "rotate" or "pause" or "drain" or "resume" => (HttpMethod.Post, $"/api/v1/roles/orders-api/{kind}"),
                "end" => (HttpMethod.Post, $"/api/v1/holders/{fields["holder"]}/end"),
                "drop" => (HttpMethod.Delete, $"/api/v1/leftovers/orders/{Leftover}"),
                _ => (HttpMethod.Put, "/api/v1/budgets/orders/ceiling"),
            };
            return new(method, path) { Content = new StringContent(body.ToJsonString(), new MediaTypeHeaderValue("application/json")) };
        }

        private async Task<JsonNode> GetAsync(string path) => JsonNode.Parse(await client.GetStringAsync(new Uri(path, UriKind.Relative), Cancel))!;
    }
}
