using Broker.Api.Page;
using Broker.Core.Model;
using Broker.Core.Operators;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace Broker.Tests.Page;

/// <summary>Many databases, of which some are in trouble: those stand first, the others in a line each.</summary>
public sealed class ManyDatabasesTests(Browser browser) : ServedPageTests(browser)
{
    [Fact]
    public void Each_state_is_told_from_the_others()
    {
        var query = new PageQuery(null, "", "ends", null, null, null);
        Concern Of(Budget budget) => Views.View(budget, query, false).Concern;

        Of(Views.Budget("d", 100, 60, 0, 0, 0, 0, counted: false, over: 0)).ShouldBe(Concern.Uncounted);
        Of(Views.Budget("d", 100, 60, 0, 10, 5, 0, stale: true, over: 0)).ShouldBe(Concern.Uncounted);
        Of(Views.Budget("d", 100, 60, 0, 10, 5, 1, over: 0)).ShouldBe(Concern.Contended);
        Of(Views.Budget("d", 100, 60, 20, 50, 5, 0, over: 0)).ShouldBe(Concern.Contended);
        Of(Views.Budget("d", 100, 60, 0, 60, 5, 0, over: 0)).ShouldBe(Concern.Full);
        Of(Views.Budget("d", 100, 60, 0, 10, 5, 0, over: 1)).ShouldBe(Concern.Degraded);
        Of(Views.Budget("d", 100, 60, 0, 52, 5, 0, over: 0)).ShouldBe(Concern.Filling);
        Of(Views.Budget("d", 100, 60, 0, 51, 5, 0, over: 0)).ShouldBe(Concern.Quiet);
        Views.View(Views.Budget("d", 100, 60, 0, 10, 5, 0, over: 0), query, false, Views.Lease("L", "d", LeaseState.RevokeFailed, 0, 0)).Concern.ShouldBe(Concern.Degraded);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_worst_stand_first_with_who_fills_them_and_the_others_open_with_and_without_JavaScript(bool script)
    {
        var page = await OpenAsAsync("viewers", 390, script: script);

        (await page.Locator("main h2").AllTextContentsAsync()).Take(4).ShouldBe(["uncounted", "waiting", "full", "quiet-0"]);
        (await page.Locator(".overview p").TextContentAsync()).ShouldBe("13 databases: 1 cannot be counted, 1 with claims waiting or too much promised, 1 full, 10 quiet.");
        (await page.Locator("[data-key=waiting] .filled").TextContentAsync()).ShouldBe("orders-api has 55 (55 holders), 12 others are foreign.");
        (await page.Locator("details.folded").CountAsync()).ShouldBe(10);
        (await page.Locator("[data-key=quiet-3] .roles").IsVisibleAsync()).ShouldBeFalse();
        await page.Locator("[data-key=quiet-3] summary").ClickAsync();
        await page.Locator("[data-key=quiet-3] .roles").WaitForAsync();
        if (script) (await page.EvaluateAsync<int>("document.documentElement.scrollWidth - innerWidth")).ShouldBeLessThanOrEqualTo(0, "the page scrolls sideways");
        if (script) await Accessible.CheckAsync(page);
    }

    [Fact]
    public async Task What_somebody_opened_stays_open_while_the_page_follows_and_what_gets_into_trouble_comes_first()
    {
        var page = await OpenAsAsync("viewers", 1280);
        await page.Locator("[data-key=quiet-3] summary").ClickAsync();

        Show(granted: 7);
        await page.Locator("[data-key=quiet-3] summary strong", new() { HasTextString = "7" }).First.WaitForAsync();
        await page.Locator("[data-key=quiet-3] .roles").WaitForAsync();

        Show(granted: 8, alsoFull: "quiet-9");
        await page.Locator("section[data-key=quiet-9]").WaitForAsync();
        (await page.Locator("main h2").AllTextContentsAsync()).Take(5).ShouldBe(["uncounted", "waiting", "full", "quiet-9", "quiet-0"]);
        (await page.Locator("[data-key=quiet-9]").CountAsync()).ShouldBe(1);
        await page.Locator("[data-key=quiet-3] .roles").WaitForAsync();
    }

    private protected override void Show() => Show(granted: 5);

    private void Show(int granted, string? alsoFull = null) => Server.Shown.Show((caller, query) => new(
        caller.DisplayName, false, Views.Now, null,
        [
            .. Enumerable.Range(0, 10).Select(number => $"quiet-{number}").Select(name =>
                Views.View(Views.Budget(name, 100, 60, 0, name == alsoFull ? 60 : granted, 5, 0, over: 0), query, false, Views.Lease("L" + name, name, LeaseState.Active, 5, granted))),
            Views.View(Views.Budget("full", 100, 60, 0, 60, 60, 0, over: 0), query, false),
            Views.View(Views.Budget("waiting", 100, 67, 12, 55, 55, 17, over: 0), query, false),
            Views.View(Views.Budget("uncounted", 0, 0, 0, 0, 0, 0, counted: false, over: 0), query, false),
        ],
        query, null));
}
