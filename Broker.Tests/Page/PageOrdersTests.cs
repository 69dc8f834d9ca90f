using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using Broker.Core.Catalog;
using Broker.Core.Databases;
using Broker.Core.Leases;
using Broker.Tests.Security;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace Broker.Tests.Page;

/// <summary>
/// Every order that an operator can give on the page, in a real Chromium, before a whole broker: its confirmation says what happens to whom, nothing is done
/// without a reason, and what was done is seen on the page, in the API and in the audit.
/// </summary>
public sealed class PageOrdersTests(Browser browser) : IClassFixture<Browser>, IAsyncLifetime
{
    private const string Leftover = "b-orders-api-abcdefghijklmnop";
    private const string Reason = "an incident on Sunday";

    // Some connections are guaranteed to the role, so that a lower ceiling breaks a promise.
    private readonly BrokerWorld world = new(("Roles:orders-api:Connections:Guaranteed", "30"));
    private Uri address = null!;
    private HttpClient replica = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        address = await world.ListeningReplicaAsync();
        replica = new() { BaseAddress = address };
    }

    public async ValueTask DisposeAsync()
    {
        replica.Dispose();
        await world.DisposeAsync();
    }

    [Fact]
    public async Task A_ceiling_is_changed_and_taken_back()
    {
        await ClaimAsync("uid-1", 4);
        var page = await OpenAsync();
        await Link(page, "Change the ceiling…").ClickAsync();
        await ReadsAsync(page, "Now 100 connections may be promised when nobody else uses the database; 4 are granted, and others use 0.");
        await ReadsAsync(page, "A lower ceiling takes nothing from anybody");
        await ReadsAsync(page, "30 connections are guaranteed on it (30 to orders-api): a ceiling lower than that cannot cover them all.");
        await page.Locator("input[name=ceiling]").FillAsync("20");
        await GiveAsync(page, "Change it", "The ceiling takes effect with the next count of connections.");

        await page.Locator(".legend .total", new() { HasTextString = "Ceiling20" }).WaitForAsync();
        await ReadsAsync(page, "The ceiling was set to 20 by operators@example.org, ");
        page.Url.ShouldEndWith("#database-orders", Case.Sensitive, "it shows the database that the order was about");
        var order = (await BudgetAsync())["ceilingOrder"]!;
        ((int?)order["ceiling"], (string?)order["by"], (string?)order["reason"]).ShouldBe((20, "operators@example.org", Reason));
        Audited("ceiling").ShouldHaveSingleItem().ShouldBe(("orders", null, 20));
        await SaidAsync("Database orders: 30 connections are guaranteed (30 to orders-api), but no more than 20 may be promised on it, so not all guarantees can be kept.");

        await Link(page, "Take it back…").ClickAsync();
        await ReadsAsync(page, $"It was set to 20 by operators@example.org: {Reason}");
        await ReadsAsync(page, "The configured ceiling takes effect again with the next count of connections: 100 % of what ordinary users can get.");
        await GiveAsync(page, "Take it back", "The configured ceiling takes effect with the next count of connections.");
        await page.Locator(".legend .total", new() { HasTextString = "Ceiling100" }).WaitForAsync();
        (await Link(page, "Take it back…").CountAsync()).ShouldBe(0);
        (await BudgetAsync())["ceilingOrder"].ShouldBeNull();
        Audited("ceiling").ShouldBe([("orders", null, 20), ("orders", null, null)]);
        await SaidAsync("Database orders: all that is guaranteed can be kept again.");
    }

    [Fact]
    public async Task A_role_is_paused_drained_and_resumed()
    {
        await ClaimAsync("uid-1", 4);
        var page = await OpenAsync();
        await Role(page, "Pause…").ClickAsync();
        await ReadsAsync(page, "No new holder gets it, on any replica, from now on");
        await ReadsAsync(page, "1 holder has 4 connections of it now.");
        await GiveAsync(page, "Pause it", "The role is paused: no new holder gets it.");
        await page.Locator(".badge.paused", new() { HasTextString = "paused" }).WaitForAsync();
        await ReadsAsync(page, $": {Reason}");
        var refused = await world.ClaimAsync(replica, world.Pod("uid-2"));
        (refused.Status, refused.Code, (string?)refused.Body["detail"]).ShouldSatisfyAllConditions(
            it => it.Item1.ShouldBe(503), it => it.Item2.ShouldBe("role-paused"), it => it.Item3!.ShouldContain(Reason));

        await Role(page, "Drain…").ClickAsync();
        await ReadsAsync(page, "No new holder gets it, and no holder gets more time");
        await GiveAsync(page, "Drain it", "The role is being drained");
        await page.Locator(".badge.paused", new() { HasTextString = "draining" }).WaitForAsync();

        await Role(page, "Resume…").ClickAsync();
        await ReadsAsync(page, $"It was drained by operators@example.org: {Reason}");
        await GiveAsync(page, "Resume it", "The role is granted again.");
        await page.Locator(".badge.paused").WaitForAsync(new() { State = WaitForSelectorState.Detached });
        (await BudgetAsync())["roles"]!.AsArray().ShouldAllBe(role => role!["pause"] == null);
        await ClaimAsync("uid-2", 1);
        Audited("pause").ShouldBe([("orders", "orders-api", null), ("orders", "orders-api", null), ("orders", "orders-api", null)]);
    }

    [Fact]
    public async Task A_role_is_rotated_and_the_page_shows_how_far_it_has_come()
    {
        var user = await ClaimAsync("uid-1", 4);
        var page = await OpenAsync();
        await Role(page, "Rotate…").ClickAsync();
        await ReadsAsync(page, "1 lease with 1 holder gets a successor: a new database user.");
        await ReadsAsync(page, $"{user}: 1 holder");
        await GiveAsync(page, "Rotate", "The rotation is ordered: the table of leases shows its progress.");

        var retiring = page.Locator(".leases tbody tr", new() { HasTextString = "retiring" });
        await retiring.WaitForAsync();
        (await retiring.TextContentAsync())!.ShouldSatisfyAllConditions(
            text => text.ShouldContain("1 holder still use this user, 0 have moved"), text => text.ShouldContain($"rotated by operators@example.org: {Reason}"), text => text.ShouldContain(user));
        var leases = (await GetAsync("/api/v1/leases"))["leases"]!.AsArray();
        leases.Select(lease => (string?)lease!["state"]).ShouldBe(["Active", "Retiring"], ignoreOrder: true);
        Audited("rotate").ShouldContain(("orders", "orders-api", null));
    }

    [Fact]
    public async Task A_lease_is_revoked_with_all_who_hold_it()
    {
        var user = await ClaimAsync("uid-1", 4);
        await ClaimAsync("uid-2", 3);
        var page = await OpenAsync();
        await Link(page, "Revoke…").ClickAsync();
        await ReadsAsync(page, $"Database user {user} of role orders-api is dropped now, and its sessions are ended: running queries fail.");
        await ReadsAsync(page, "2 holders with 7 connections lose their login at once");
        (await page.Locator(".whom li").CountAsync()).ShouldBe(2);
        await GiveAsync(page, "Revoke now", "The lease is being revoked.");

        await Link(page, "Revoke…").WaitForAsync(new() { State = WaitForSelectorState.Detached });
        await Eventually.HoldsAsync(async () => (await GetAsync("/api/v1/leases"))["leases"]!.AsArray().All(lease => (string?)lease!["state"] is not ("Active" or "Retiring" or "Revoking")), "it is revoked", Cancel);
        Audited("revoke").ShouldContain(("orders", "orders-api", null));
    }

    [Fact]
    public async Task A_holder_is_ended_and_its_confirmation_names_its_pod()
    {
        var user = await ClaimAsync("uid-1", 4);
        await ClaimAsync("uid-2", 3);
        var holder = (await HoldersAsync()).Single(one => (int)one!["granted"]! == 3)!;
        var page = await OpenAsync("/databases/orders?sort=connections");
        await page.Locator("tr", new() { Has = page.GetByRole(AriaRole.Cell, new() { Name = "3", Exact = true }) }).GetByRole(AriaRole.Link, new() { Name = "End…" }).ClickAsync();
        await ReadsAsync(page, $"{holder["caller"]} has 3 connections of role orders-api, ");
        await ReadsAsync(page, $"The role's other holders keep their login, which is {user}.");
        (await page.Locator(".whom li").TextContentAsync())!.ShouldContain((string)holder["id"]!);
        await GiveAsync(page, "End it", "The holder has ended.");

        page.Url.ShouldContain("/databases/orders", Case.Sensitive, "it shows the holders that the order was given among");
        await page.GetByText("1 holder", new() { Exact = true }).WaitForAsync();
        (await HoldersAsync()).ShouldHaveSingleItem()!["granted"]!.GetValue<int>().ShouldBe(4);
        var audited = world.Audited("end").Where(static line => (string?)line["outcome"] == "granted").ShouldHaveSingleItem();
        ((string?)audited["holderId"], (string?)audited["reason"], (int?)audited["connections"]).ShouldBe(((string?)holder["id"], Reason, 3));

        await page.GotoAsync(new Uri(address, $"/orders/end?holder={Uri.EscapeDataString((string)holder["id"]!)}").ToString());
        await page.GetByRole(AriaRole.Heading, new() { Name = "There is nothing to order here" }).WaitForAsync();
        (await page.GetByRole(AriaRole.Button).CountAsync()).ShouldBe(0, "who is gone cannot be ended");
    }

    [Fact]
    public async Task A_leftover_is_dropped_and_its_confirmation_says_what_it_has()
    {
        await ClaimAsync("uid-1", 4);
        world.Engine.Found[Leftover] = new DatabaseUser(Leftover, null, 2, 1, "table invoices_tmp");
        // Each replica looks when it starts, and every other minute.
        var catalog = world.Service<ICatalog>().Current;
        await world.Service<Leftovers>().LookAsync(catalog, catalog.Databases["orders"], Cancel);
        var page = await OpenAsync();
        await page.Locator(".leftovers").WaitForAsync();
        await Link(page, "Drop…").ClickAsync();
        await ReadsAsync(page, $"No lease knows {Leftover}, which looks like a user of role orders-api.");
        await ReadsAsync(page, "has 2 connections open, and owns 1 object: table invoices_tmp.");
        await GiveAsync(page, "Drop it", "The leftover is gone.");

        await page.Locator(".leftovers").WaitForAsync(new() { State = WaitForSelectorState.Detached });
        world.Engine.Found.ShouldBeEmpty();
        (await GetAsync("/api/v1/leftovers"))["leftovers"]!.AsArray().ShouldBeEmpty();
        var audited = world.Audited("revoke").Where(static line => (string?)line["outcome"] == "granted").ShouldHaveSingleItem();
        ((string?)audited["databaseUser"], (string?)audited["reason"]).ShouldBe((Leftover, Reason));
    }

    [Fact]
    public async Task An_order_without_a_reason_or_that_is_cancelled_does_nothing_and_a_mistake_is_shown_beside_the_entered_text()
    {
        await ClaimAsync("uid-1", 4);
        var page = await OpenAsync();
        await Role(page, "Pause…").ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Pause it" }).ClickAsync();
        (await page.Locator("input[name=reason]").EvaluateAsync<bool>("field => field.validity.valueMissing")).ShouldBeTrue("the browser asks for it");
        await page.Locator("form").EvaluateAsync("form => form.noValidate = true");
        await page.GetByRole(AriaRole.Button, new() { Name = "Pause it" }).ClickAsync();
        (await page.GetByRole(AriaRole.Alert).TextContentAsync())!.ShouldContain("reason");
        await Link(page, "Cancel").ClickAsync();
        page.Url.ShouldEndWith("/#database-orders");

        await Link(page, "Change the ceiling…").ClickAsync();
        await page.Locator("form").EvaluateAsync("form => form.noValidate = true");
        await page.Locator("input[name=ceiling]").FillAsync("many");
        await page.Locator("input[name=reason]").FillAsync(Reason);
        await page.GetByRole(AriaRole.Button, new() { Name = "Change it" }).ClickAsync();
        (await page.GetByRole(AriaRole.Alert).TextContentAsync()).ShouldBe("The ceiling must be a number of connections, or empty.");
        (await page.Locator("input[name=reason]").InputValueAsync()).ShouldBe(Reason);
        (await page.Locator("input[name=ceiling]").InputValueAsync()).ShouldBe("many");
        new[] { "pause", "ceiling" }.Select(order => (string?)world.Audited(order).ShouldHaveSingleItem()["outcome"]).ShouldBe(["refused", "refused"], "as by the API, that it was tried is on record");
    }

    [Fact]
    public async Task A_ledger_that_is_away_is_named_and_nothing_is_done()
    {
        await ClaimAsync("uid-1", 4);
        var page = await OpenAsync();
        await Role(page, "Pause…").ClickAsync();
        await page.Locator("input[name=reason]").FillAsync(Reason);
        world.Cut = static _ => true;
        await page.GetByRole(AriaRole.Button, new() { Name = "Pause it" }).ClickAsync();

        (await page.GetByRole(AriaRole.Alert).TextContentAsync())!.ShouldContain("The broker's ledger does not answer");
        world.Cut = null;
    }

    [Fact]
    public async Task An_order_is_given_by_the_keyboard_alone()
    {
        await ClaimAsync("uid-1", 4);
        var page = await OpenAsync();
        await TabToAsync(page, "Pause…");
        await page.Keyboard.PressAsync("Enter");
        await ReadsAsync(page, "No new holder gets it");
        await Accessible.CheckAsync(page);
        await page.Keyboard.PressAsync("Tab");
        await page.Keyboard.TypeAsync(Reason);
        await page.Keyboard.PressAsync("Tab");
        (await FocusedAsync(page)).ShouldBe("Pause it");
        await page.Keyboard.PressAsync("Enter");
        await page.Locator(".badge.paused").WaitForAsync();
        Audited("pause").ShouldHaveSingleItem();
    }

    [Fact]
    public async Task An_order_is_given_without_JavaScript_by_whoever_signed_in_by_a_link()
    {
        await ClaimAsync("uid-1", 4);
        var page = await Browser.PageAsync(browser.Running, new() { JavaScriptEnabled = false });
        var link = world.Service<Broker.Api.Authentication.BrokerTokens.AdminTokens>().MakeLink("grace@laptop", TimeSpan.FromMinutes(10)).Reveal();
        await page.GotoAsync(new Uri(address, "/signin/link?code=" + Uri.EscapeDataString(link)).ToString());
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
        await Role(page, "Pause…").ClickAsync();
        await GiveAsync(page, "Pause it", "The role is paused: no new holder gets it.");
        (await BudgetAsync())["roles"]!.AsArray().Single(role => (string?)role!["role"] == "orders-api")!["pause"]!["by"]!.GetValue<string>().ShouldContain("grace@laptop");

        await page.Locator("input[name=pods]").FillAsync("500");
        await page.Locator("input[name=connections]").FillAsync("3");
        await page.GetByRole(AriaRole.Button, new() { Name = "Ask" }).ClickAsync();
        (await page.Locator("output").TextContentAsync())!.ShouldStartWith("It does not fit:");
    }

    [Fact]
    public async Task A_rollout_is_thought_through_on_the_page()
    {
        await ClaimAsync("uid-1", 4);
        var page = await OpenAsync();
        foreach (var (pods, connections, begins) in new[] { ("10", "3", "It fits:"), ("500", "3", "It does not fit:") })
        {
            await page.Locator("input[name=pods]").FillAsync(pods);
            await page.Locator("input[name=connections]").FillAsync(connections);
            await page.GetByRole(AriaRole.Button, new() { Name = "Ask" }).ClickAsync();
            await page.Locator("output", new() { HasTextString = begins }).WaitForAsync();
            (await page.Locator("input[name=pods]").InputValueAsync()).ShouldBe(pods);
        }

        await page.Locator("input[name=at]").FillAsync("02:30");
        await page.GetByRole(AriaRole.Button, new() { Name = "Ask" }).ClickAsync();
        await page.Locator("output", new() { HasTextString = "It does not fit: " }).Filter(new() { HasTextString = " 02:30 UTC" }).WaitForAsync();
        (await page.Locator("input[name=at]").InputValueAsync()).ShouldBe("02:30");
    }

    private async Task<IPage> OpenAsync(string path = "/")
    {
        var page = await Browser.PageAsync(browser.Running, new() { ExtraHTTPHeaders = new Dictionary<string, string> { ["Authorization"] = $"Bearer {world.Person("operators")}" } });
        await page.GotoAsync(new Uri(address, path).ToString());
        return page;
    }

    // Fills in why, and gives it; the page says what was done.
    private static async Task GiveAsync(IPage page, string button, string done)
    {
        await page.Locator("input[name=reason]").FillAsync(Reason);
        await page.GetByRole(AriaRole.Button, new() { Name = button, Exact = true }).ClickAsync();
        (await page.GetByRole(AriaRole.Status).TextContentAsync())!.ShouldContain(done);
    }

    private static ILocator Link(IPage page, string name) => page.GetByRole(AriaRole.Link, new() { Name = name, Exact = true });

    private static ILocator Role(IPage page, string order) => page.Locator(".roles tbody tr", new() { HasTextString = "orders-api" }).GetByRole(AriaRole.Link, new() { Name = order, Exact = true });

    private static Task ReadsAsync(IPage page, string text) => page.GetByText(text).First.WaitForAsync();

    private static Task<string> FocusedAsync(IPage page) => page.EvaluateAsync<string>("document.activeElement.textContent");

    private static async Task TabToAsync(IPage page, string name)
    {
        for (var i = 0; i < 40; i++)
        {
            await page.Keyboard.PressAsync("Tab");
            if (await FocusedAsync(page) == name) return;
        }

        Assert.Fail($"'{name}' is not reached by Tab.");
    }

    private async Task<string> ClaimAsync(string uid, int connections)
    {
        var granted = await world.ClaimAsync(replica, world.Pod(uid), body: new() { ["connections"] = connections });
        granted.Status.ShouldBe(200, granted.Body.ToJsonString());
        return (string)granted.Body["credentials"]!["username"]!;
    }

    private async Task<JsonObject> GetAsync(string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path) { Headers = { Authorization = new AuthenticationHeaderValue("Bearer", world.Person("viewers")) } };
        using var answer = await replica.SendAsync(request, Cancel);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync(Cancel))!.AsObject();
    }

    private Task<JsonObject> BudgetAsync() => GetAsync("/api/v1/budgets/orders");

    private async Task<JsonArray> HoldersAsync() => (await GetAsync("/api/v1/holders?database=orders"))["holders"]!.AsArray();

    private (string? Database, string? Role, int? Connections)[] Audited(string action) =>
        [.. world.Audited(action).Where(line => (string?)line["reason"] == Reason && (string?)line["outcome"] == "granted").Select(line => ((string?)line["database"], (string?)line["role"], (int?)line["connections"]))];

    private async Task SaidAsync(string text) => await Eventually.HoldsAsync(
        () => Task.FromResult(world.Heard.All.Any(heard => heard.Where == "log" && heard.Text.Contains(text, StringComparison.Ordinal))), $"the log says: {text}", Cancel);
}
