using Broker.Api.Page;
using Broker.Core.Model;
using Broker.Core.Operators;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace Broker.Tests.Page;

/// <summary>The page in a real Chromium.</summary>
public sealed class PageInBrowserTests(Browser browser) : ServedPageTests(browser)
{
    private const string Hostile = "<img src=x onerror=document.title='taken'>";

    private readonly List<string> complaints = [];

    private protected override void Show()
    {
        Show(granted: 100);
    }

    [Theory]
    [InlineData(1280, true)]
    [InlineData(400, true)]
    [InlineData(1280, false)]
    public async Task Shows_budgets_leases_and_holders_and_fits_with_and_without_JavaScript(int width, bool script)
    {
        var page = await OpenAsync(width, script);

        (await page.Locator(".bar").GetAttributeAsync("aria-label")).ShouldBe(
            "Connections of orders: limit 200, ceiling 137. 3 reserved for superusers, 8 foreign, 100 granted, 75 of them open, 29 free, 60 above the ceiling.");
        (await page.Locator(".legend dd").AllTextContentsAsync()).ShouldBe(["3", "8", "100", "75", "29", "60", "137", "200"]);
        (await page.Locator(".waiting").TextContentAsync()).ShouldBe("4 claims waiting");
        await page.Locator("a.toggle").First.ClickAsync();
        await page.GetByText("orders/orders-api-7d9c5b6f4-0").WaitForAsync();
        (await page.Locator("tr.holders tbody tr").CountAsync()).ShouldBe(100);
        if (script) (await page.EvaluateAsync<int>("document.documentElement.scrollWidth - innerWidth")).ShouldBeLessThanOrEqualTo(0, "the page scrolls sideways");
        complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task The_bars_parts_are_as_wide_as_their_numbers()
    {
        var page = await OpenAsync(1280);

        var bar = await BoxAsync(page, "rect.above");
        bar.Width.ShouldBe((await BoxAsync(page, "rect.granted")).Width * 60 / 100, tolerance: 3);
        (await BoxAsync(page, "rect.free")).Width.ShouldBe(bar.Width * 29 / 60, tolerance: 3);
    }

    [Fact]
    public async Task Names_are_shown_as_text_whatever_they_hold()
    {
        Server.Shown.Show((caller, query) => Model(caller.DisplayName, query, Views.View(
            Views.Budget("orders", 200, 137, 8, 100, 100, 0), query, false, Views.Lease("L1", "orders", LeaseState.Active, 1, 100, reason: Hostile))));
        var page = await OpenAsync(1280);

        await page.GetByText(Hostile).First.WaitForAsync();
        Show(granted: 101, reason: Hostile + "again");
        await page.GetByText(Hostile + "again").WaitForAsync();
        (await page.Locator("img").CountAsync()).ShouldBe(0);
        (await page.TitleAsync()).ShouldBe("Connection budgets · broker");
    }

    [Fact]
    public async Task Follows_what_changes_and_keeps_focus_and_what_is_typed()
    {
        var page = await OpenAsync(1280);
        await page.Locator("input[name=pods]").FillAsync("17");
        await page.Locator("input[name=connections]").FocusAsync();

        Show(granted: 120);

        await page.Locator(".legend dd", new() { HasTextString = "120" }).WaitForAsync();
        (await page.Locator("input[name=pods]").InputValueAsync()).ShouldBe("17");
        (await page.EvaluateAsync<string>("document.activeElement.name")).ShouldBe("connections");
    }

    [Fact]
    public async Task Nothing_is_free_while_the_count_is_stale_and_the_page_says_since_when()
    {
        Server.Shown.Show((caller, query) => Model(caller.DisplayName, query, Views.View(Views.Budget("orders", 200, 137, 8, 66, 66, 0, stale: true), query, false)));
        var page = await OpenAsync(1280);

        (await page.Locator(".sum strong").Nth(1).TextContentAsync()).ShouldBe("0");
        (await page.Locator(".why").TextContentAsync())!.ShouldContain("last counted 3 min ago: nothing new is promised");
        (await page.Locator(".badge.stale").CountAsync()).ShouldBe(1);
    }

    [Fact]
    public async Task Says_when_the_ledger_or_the_broker_is_away_keeps_what_was_known_and_heals()
    {
        var page = await OpenAsync(1280);

        Server.Shown.Show((caller, query) => Model(caller.DisplayName, query, Views.View(Views.Budget("orders", 200, 137, 8, 100, 100, 4), query, false)) with
        {
            Trouble = "The broker's ledger does not answer: nothing new is promised.",
        });
        await page.GetByRole(AriaRole.Alert).Filter(new() { HasTextString = "ledger does not answer" }).WaitForAsync();
        (await page.Locator(".legend dd").First.TextContentAsync()).ShouldBe("3", "what was known stays in sight");

        Show(granted: 101);
        await page.Locator(".legend dd", new() { HasTextString = "101" }).WaitForAsync();
        (await page.GetByRole(AriaRole.Alert).Filter(new() { HasTextString = "ledger" }).CountAsync()).ShouldBe(0);
    }

    [Fact]
    public async Task A_reader_sees_no_orders_and_an_operator_does()
    {
        (await (await OpenAsync(1280)).Locator("a.order").CountAsync()).ShouldBe(0);

        var page = await OpenAsAsync("operators", 1280);
        (await page.Locator("a.order").AllTextContentsAsync()).ShouldBe(["Raise the ceiling…", "Pause orders-api…", "Change the ceiling…", "Rotate…", "Pause…", "Drain…", "Rotate…", "Pause…", "Drain…", "Revoke…"]);
    }

    private void Show(int granted, string reason = "") => Server.Shown.Show((caller, query) => Model(caller.DisplayName, query, Views.View(
        Views.Budget("orders", 200, 137, 8, granted, granted, 4), query, caller.Subject.StartsWith("operators", StringComparison.Ordinal),
        Views.Lease("L1", "orders", LeaseState.Active, 100, granted, reason: reason))));

    private static PageModel Model(string who, PageQuery query, params DatabaseView[] views) => new(who, false, Views.Now, null, views, query, null);

    private static async Task<LocatorBoundingBoxResult> BoxAsync(IPage page, string selector) => (await page.Locator(selector).BoundingBoxAsync()).ShouldNotBeNull();

    private async Task<IPage> OpenAsync(int width, bool script = true)
    {
        var page = await OpenAsAsync("viewers", width, script: script);
        page.Console += (_, message) => { if (message.Type is "error" or "warning") complaints.Add(message.Text); };
        page.PageError += (_, error) => complaints.Add(error);
        await page.Locator("section.database").WaitForAsync();
        return page;
    }
}
