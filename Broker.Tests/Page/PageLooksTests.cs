using Broker.Api.Page;
using Broker.Core.Model;
using Broker.Core.Operators;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace Broker.Tests.Page;

/// <summary>The page with much and little to show, wide and narrow, dark and light: nothing overflows, and a screen reader finds its way.</summary>
public sealed class PageLooksTests(Browser browser) : IClassFixture<Browser>
{
    private const string Overflowing = """
        [...document.querySelectorAll("main *")].filter(each => !each.closest(".scale") && each.scrollWidth > each.clientWidth + 1
            && getComputedStyle(each).display !== "inline" && each.clientWidth > 1).map(each => each.tagName + "." + each.className + ": " + each.textContent.slice(0, 40))
        """;

    [Theory]
    [InlineData(1, 1280, ColorScheme.Light)]
    [InlineData(1, 390, ColorScheme.Dark)]
    [InlineData(3, 1280, ColorScheme.Dark)]
    [InlineData(3, 390, ColorScheme.Light)]
    [InlineData(3, 768, ColorScheme.Light)]
    [InlineData(12, 1600, ColorScheme.Light)]
    [InlineData(50, 390, ColorScheme.Dark)]
    public async Task Everything_fits_and_axe_finds_nothing_serious(int databases, int width, ColorScheme scheme)
    {
        await using var server = await PageServer.StartAsync();
        server.Shown.Show((caller, query) => new(caller.DisplayName, true, Views.Now, null, [.. Enumerable.Range(0, databases).Select(number => Database(number, query))], query, null));
        var page = await server.OpenAsync(browser.Running, "operators", width, scheme, path: "/?lease=L0");
        await page.GetByText("orders/orders-api-7d9c5b6f4-0").WaitForAsync();
        await Pictures.TakeAsync(page, $"{databases}-databases-{width}-{scheme}".ToLowerInvariant());
        if (databases == 50) await Pictures.TakeAsync(page, "50-databases", fullPage: false);

        (await page.EvaluateAsync<string[]>(Overflowing)).ShouldBeEmpty();
        (await page.Locator("body").InnerTextAsync()).ShouldNotMatch(@"@(if|foreach|\()|[{}]", "code shows through, as an @if right behind a word does");
        (await page.EvaluateAsync<int>("document.documentElement.scrollWidth - innerWidth")).ShouldBeLessThanOrEqualTo(0, "the page scrolls sideways");
        await Accessible.CheckAsync(page);
    }

    // One of everything that a DBA has to tell apart, again and again.
    private static DatabaseView Database(int number, PageQuery query)
    {
        var name = number == 2 ? "analytics-warehouse-replica-eu-central-1-with-a-name-that-goes" : number == 0 ? "orders" : $"service-{number}";
        var budget = (number % 6) switch
        {
            0 => Views.Budget(name, limit: 200, ceiling: 137, foreign: 8, granted: 100, holders: 100, waiting: 0, over: 0),
            1 => Views.Budget(name, limit: 100, ceiling: 67, foreign: 12, granted: 55, holders: 55, waiting: 17, engine: DatabaseEngineKind.MySql),
            2 => Views.Budget(name, limit: 5000, ceiling: 3497, foreign: 1204, granted: 2500, holders: 1250, waiting: 0, stale: true),
            3 => Views.Budget(name, limit: 20, ceiling: 20, foreign: 0, granted: 0, holders: 0, waiting: 0, over: 0),
            4 => Views.Budget(name, limit: 0, ceiling: 0, foreign: 0, granted: 0, holders: 0, waiting: 0, counted: false),
            _ => Views.Budget(name, limit: 100, ceiling: 10, foreign: 60, granted: 30, holders: 6, waiting: 1234),
        };
        return Views.View(budget, query, true,
        [
            .. number % 6 is not (3 or 4) ? [Views.Lease($"L{number}", name, LeaseState.Active, 100, 100)] : Array.Empty<Core.Ledger.LeaseRecord>(),
            .. number % 6 is 1 or 2 ? [Views.Lease($"R{number}", name, LeaseState.Retiring, 3, 15)] : Array.Empty<Core.Ledger.LeaseRecord>(),
            .. number % 6 is 2 ? [Views.Lease($"I{number}", name, LeaseState.Issuing, 12, 60, Views.LongRole)] : Array.Empty<Core.Ledger.LeaseRecord>(),
            .. number % 6 is 5 ? [Views.Lease($"U{number}", name, LeaseState.Unknown, 0, 0, reason: "the replica that was issuing it went away")] : Array.Empty<Core.Ledger.LeaseRecord>(),
        ]);
    }
}
