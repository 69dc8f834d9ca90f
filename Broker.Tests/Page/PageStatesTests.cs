using Broker.Api.Page;
using Broker.Core.Databases;
using Broker.Core.Leases.History;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace Broker.Tests.Page;

/// <summary>The page in the moments that count: nothing there, all full, Vault away, a role paused. Takes pictures (see <see cref="Pictures"/>).</summary>
public sealed class PageStatesTests(Browser browser) : ServedPageTests(browser)
{
    [Fact]
    public async Task An_empty_broker_says_that_it_is_empty()
    {
        Server.Shown.Show((caller, query) => new(caller.DisplayName, true, Views.Now, null, [Views.View(Views.Budget("orders", 200, 137, 8, 0, 0, 0, over: 0), query, true)], query, null));
        var page = await OpenAsync("empty");

        (await page.Locator(".leases").TextContentAsync())!.ShouldContain("No leases: nobody holds a role of this database.");
        (await page.Locator("body").TextContentAsync())!.ShouldNotContain("Broker.", Case.Sensitive, "what is written for the compiler is not shown");
    }

    [Fact]
    public async Task An_outage_of_Vault_is_told_in_its_own_words_beside_what_still_works()
    {
        Server.Shown.Show((caller, query) => new(caller.DisplayName, true, Views.Now, null, [Outage(query)], query, null)
        {
            Failing = [new(null, new("token:vault", Views.Now, TimeSpan.Zero, false, 9, Views.Now.AddMinutes(-6), "Vault is sealed (503)."))],
        });
        var page = await OpenAsync("vault-outage");

        var failing = await page.Locator(".failing").AllTextContentsAsync();
        failing[0].ShouldContain("Renewing the token of the issuer vault failed 9 times in a row, for 6 min: Vault is sealed (503). While the issuer refuses it, no user is made or renewed; holders keep the login they have, and the first of these ends in 52 min.");
        failing[1].ShouldContain("Renewing the lease of ");
        failing[1].ShouldEndWith("Vault is sealed. Unless it succeeds or another user takes its place, its 97 holders have a login for 52 min more.");
        (await page.Locator(".line tbody tr").CountAsync()).ShouldBe(2);
        (await page.Locator(".line").TextContentAsync())!.ShouldContain("shop/orders-api-7");
        (await page.Locator(".badge.paused").TextContentAsync()).ShouldBe("paused");
        (await page.Locator(".roles").TextContentAsync())!.ShouldContain("by grace@example.org, 2 min ago: the orders database moves to a new disk");
        (await page.Locator("a.order", new() { HasTextString = "Resume…" }).CountAsync()).ShouldBe(1);
        (await page.Locator("svg.chart").GetAttributeAsync("aria-label"))!.ShouldStartWith("orders over the last 6 hours: at most 128 connections in use");
        (await page.Locator("figcaption").TextContentAsync())!.ShouldContain("Full in 40 min at the present rate.");
        (await page.Locator(".note", new() { HasTextString = "Pacing" }).TextContentAsync())!.ShouldContain("at most 5 new users a second, 2 at a time");
    }

    [Theory]
    [InlineData("phone", 390, ColorScheme.Light, true)]
    [InlineData("dark", 1280, ColorScheme.Dark, true)]
    [InlineData("without-javascript", 1280, ColorScheme.Light, false)]
    public async Task The_page_is_whole_on_a_phone_in_the_dark_and_without_JavaScript(string name, int width, ColorScheme scheme, bool script)
    {
        Server.Shown.Show((caller, query) => new(caller.DisplayName, true, Views.Now, null, [Outage(query)], query, null));
        var page = await OpenAsync(name, width, scheme, script);

        (await page.Locator("svg.chart polygon").CountAsync()).ShouldBe(2);
        if (script) (await page.EvaluateAsync<int>("document.documentElement.scrollWidth - innerWidth")).ShouldBeLessThanOrEqualTo(0, "the page scrolls sideways");
    }

    [Theory]
    [InlineData("shadow", 1280, ColorScheme.Light)]
    [InlineData("shadow-phone", 390, ColorScheme.Dark)]
    public async Task Shadow_mode_says_what_sharing_would_have_saved_by_path(string name, int width, ColorScheme scheme)
    {
        Server.Shown.Show((caller, query) => new(caller.DisplayName, true, Views.Now, null, [Views.View(Views.Budget("orders", 200, 137, 8, 0, 0, 0, over: 0), query, true)], query, null)
        {
            Shadow = new(
                [
                    new("database/creds/orders-api", Views.Now.AddHours(-26), 12_480, 31, 104, 1, 120, 520, 500, 600, 500),
                    new("database/creds/<reports>", Views.Now.AddMinutes(-5), 3, 1, 3, 1, 3, 15, 15, 15, 15),
                ],
                Views.Now),
        });
        var page = await OpenAsync(name, width, scheme);

        var shadow = page.GetByRole(AriaRole.Region, new() { Name = "Shadow mode" });
        (await shadow.Locator(".sum").TextContentAsync()).ShouldBe("Sharing would have made 32 database users instead of 12,483, and would count 515 connections now instead of 535.");
        (await shadow.Locator("tbody tr").First.Locator("td, th").AllTextContentsAsync()).ShouldBe(["database/creds/orders-api", "26 h ago", "12,480 → 31", "104 → 1", "520 → 500", "600 → 500"]);
        (await shadow.Locator("tbody tr").Nth(1).Locator("th").TextContentAsync()).ShouldBe("database/creds/<reports>");
        (await page.EvaluateAsync<int>("document.documentElement.scrollWidth - innerWidth")).ShouldBeLessThanOrEqualTo(0, "the page scrolls sideways");
    }

    [Fact]
    public async Task Shadow_mode_that_saw_nothing_says_so_and_a_broker_without_it_says_nothing_of_it()
    {
        DatabaseView Orders(PageQuery query) => Views.View(Views.Budget("orders", 200, 137, 8, 0, 0, 0), query, true);
        Server.Shown.Show((caller, query) => new(caller.DisplayName, true, Views.Now, null, [Orders(query)], query, null));
        (await (await OpenAsync("without-shadow")).Locator(".shadow").CountAsync()).ShouldBe(0);

        Server.Shown.Show((caller, query) => new(caller.DisplayName, true, Views.Now, null, [Orders(query)], query, null) { Shadow = new([], Views.Now) });
        (await (await OpenAsync("shadow-empty")).Locator(".shadow").TextContentAsync())!.ShouldContain("Nothing has been read in shadow mode yet.");
    }

    [Fact]
    public async Task Findings_are_told_with_the_SQL_that_mends_them()
    {
        Server.Holders.Examination = new("orders", Views.Now, [new(FindingKind.Critical, "An access list is near the limit of a row", "The access list of invoices has 600 entries.", "CREATE ROLE app_rw NOLOGIN;\nGRANT <all>")], null);
        Server.Holders.History = History();
        var page = await OpenAsync("health", path: "/databases/orders");

        (await page.Locator(".finding pre").TextContentAsync()).ShouldBe("CREATE ROLE app_rw NOLOGIN;\nGRANT <all>");
        (await page.Locator(".badge.critical").TextContentAsync()).ShouldBe("critical");
        (await page.Locator(".refused").TextContentAsync())!.ShouldContain("none is free for you now");
        (await page.Locator("a[aria-current=true]").TextContentAsync()).ShouldBe("6h");
    }

    [Fact]
    public async Task What_is_kept_for_a_guarantee_is_named_and_neither_free_nor_above_the_ceiling()
    {
        var orders = Views.Budget("orders", 200, 137, 8, 100, 20, 0);
        orders = orders with { Record = orders.Record with { Capacity = 120, KeptElsewhere = 9, Kept = 5 }, Guaranteed = new Dictionary<string, int> { ["team/payments"] = 3, ["orders-api"] = 2 } };
        Server.Shown.Show((caller, query) => new(caller.DisplayName, true, Views.Now, null, [Views.View(orders, query, true)], query, null));
        var page = await OpenAsync("kept");

        (await page.Locator(".aside").AllTextContentsAsync()).ShouldBe(
        [
            "9 connections of this server are kept for what is guaranteed on its other databases, and not free here.",
            "5 of the free ones are kept for the parties to which they are guaranteed: 2 to orders-api, 3 to team/payments.",
        ]);
        (await page.Locator(".legend div").AllTextContentsAsync()).Select(text => text.Trim()).ShouldBe(
            ["Reserved for superusers3", "Foreign8", "Granted100", "open of these75", "Free20", "Guaranteed on other databases of this server9", "Above the ceiling60", "Ceiling137of the limit200"]);
        (await page.Locator("svg.bar").GetAttributeAsync("aria-label"))!.ShouldContain("20 free, 9 guaranteed on other databases of this server, 60 above the ceiling.");
        (await page.Locator("svg.bar .segment.kept").GetAttributeAsync("width")).ShouldBe("9");
        (await page.Locator("svg.bar .segment.open").GetAttributeAsync("width")).ShouldBe("75");
        (await page.Locator("svg.bar .ceiling-mark").GetAttributeAsync("x")).ShouldBe("70%", "what is kept stands below the ceiling");
    }

    [Theory]
    [InlineData(5, 0, 8, "5 could be given, but shop/orders-api-9, who is first in line, takes no fewer than 8; later claims wait behind it.")]
    [InlineData(5, 5, 1, "All 5 free connections are kept for the parties to which they are guaranteed.")]
    [InlineData(1, 1, 1, "The one free connection is kept for the party to which it is guaranteed.")]
    [InlineData(5, 3, 4, "2 could be given, but shop/orders-api-9, who is first in line, takes no fewer than 4; later claims wait behind it.")]
    [InlineData(0, 0, 4, null)]
    public void Whoever_waits_though_something_is_free_is_told_with_the_cause(int free, int kept, int least, string? why)
    {
        var budget = Views.Budget("orders", 100, 97, 0, 97 - free, free, 0);
        budget = budget with { Record = budget.Record with { Kept = kept, Waiting = 1 } };
        var view = Views.View(budget, new(null, "", "", null, null, null), mayOrder: false) with { Line = [new("waits", "shop/orders-api-9", 10, least, Views.Now, Views.Now.AddSeconds(20))] };

        view.WhyWaiting.ShouldBe(why);
    }

    [Fact]
    public async Task A_ceiling_that_an_operator_set_is_told_with_who_why_and_how_to_take_it_back()
    {
        Server.Shown.Show((caller, query) => new(
            caller.DisplayName, true, Views.Now, null,
            [Views.View(Views.Budget("orders", 200, 60, 8, 50, 10, 0, over: 0) with { CeilingOrder = new(60, "a <b>migration</b> tonight", "grace@example.org", Views.Now.AddHours(-3)) }, query, true)], query, null));
        var page = await OpenAsync("ceiling-set");

        (await page.Locator(".why").TextContentAsync())!.Trim().ShouldBe("The ceiling was set to 60 by grace@example.org, 3 h ago: a <b>migration</b> tonight Take it back…");
    }

    private static DatabaseView Outage(PageQuery query)
    {
        var budget = Views.Budget("orders", 200, 137, 37, 100, 100, 2);
        return Views.View(
            budget with { Pauses = [new(Views.LongRole, RoleState.Paused, "the orders database moves to a new disk", "grace@example.org", Views.Now.AddMinutes(-2))] }, query, true,
            Views.Lease("L1", "orders", LeaseState.Active, 97, 97, reason: ""), Views.Lease("L0", "orders", LeaseState.Retiring, 3, 3, reason: "rotated by grace@example.org: a leaked password"))
            with
        {
            Failing = [new("orders", new("renew:L1", Views.Now, TimeSpan.Zero, false, 4, Views.Now.AddMinutes(-6), "Vault answered 503: Vault is sealed"))],
            Line = [new("h7", "shop/orders-api-7", 5, 1, Views.Now.AddSeconds(-12), Views.Now.AddSeconds(18)), new("h8", "shop/orders-api-8", 5, 5, null, Views.Now.AddSeconds(20))],
            History = History(),
        };
    }

    private static DatabaseHistory History()
    {
        HistoryStretch Stretch(int minute) => new(Views.Now.AddMinutes(minute - 359), 200, 137, 20 + (minute % 30), 117 - (minute % 30), Math.Min(100, minute / 3), Math.Min(128, 20 + (minute % 30) + minute / 4), minute % 60 == 0 ? 3 : 0, Math.Max(9, 117 - (minute % 30) - (minute / 3)), minute % 90 == 0 ? 2 : 0);
        return new(
            "orders", HistorySpan.SixHours,
            new(Views.Now, TimeSpan.FromMinutes(1), [.. Enumerable.Range(0, 360).Select(Stretch)], [],
                [new("orders-api", "budget-exhausted", "shop/orders-api-7", Views.Now.AddMinutes(-50), Views.Now.AddMinutes(-2), 7, "You need at least 5 connections, but none is free for you now.")]),
            [new(Views.Now.AddMinutes(-20), "orders-api", 100), new(Views.Now.AddMinutes(-200), "reports", 12)], TimeSpan.FromMinutes(40));
    }

    private async Task<IPage> OpenAsync(string name, int width = 1280, ColorScheme scheme = ColorScheme.Light, bool script = true, string path = "/")
    {
        var page = await OpenAsAsync("operators", width, scheme, script, path);
        await page.Locator(".database").First.WaitForAsync();
        await Pictures.TakeAsync(page, name);
        if (script) await Accessible.CheckAsync(page);

        return page;
    }
}
