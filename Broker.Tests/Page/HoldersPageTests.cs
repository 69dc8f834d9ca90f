using System.Diagnostics;
using Broker.Core.Operators.Holdings;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace Broker.Tests.Page;

/// <summary>The page that tells who holds a database, in a real Chromium, with thousands of holders.</summary>
public sealed class HoldersPageTests(Browser browser) : ServedPageTests(browser)
{
    private const int Many = 2000;

    private readonly List<string> complaints = [];

    private protected override void Show()
    {
        Server.Holders.Holders = [.. Enumerable.Range(0, Many).Select(Holder)];
        Server.Holders.Others =
        [
            new("reports", "DBeaver 24.1 <img src=x>", "10.9.8.7", null, new(12, 9, 2, TimeSpan.FromMinutes(4), TimeSpan.FromMinutes(31))),
            new("b-orders-api-L1-4lkylt4ch6k4efp4", "psql", "10.1.1.1", "orders-api", new(1, 1, 0, null, null)),
            new(null, "", "", null, new(2, 2, 0, null, null)),
            new("broker_admin", "broker", "10.1.1.9", null, new(1, 1, 0, null, null)),
        ];
    }

    [Theory]
    [InlineData(1280, ColorScheme.Light, true)]
    [InlineData(390, ColorScheme.Dark, true)]
    [InlineData(1280, ColorScheme.Light, false)]
    public async Task Thousands_of_holders_are_shown_searched_sorted_and_paged(int width, ColorScheme scheme, bool script)
    {
        var page = await OpenAsync("viewers", width, scheme, script);
        await Pictures.TakeAsync(page, $"2000-holders{(script ? width < 600 ? "-phone" : "" : "-without-javascript")}", fullPage: false);
        (await page.Locator("table").First.Locator("tbody tr").CountAsync()).ShouldBe(100);
        (await page.Locator("caption").First.TextContentAsync()).ShouldBe("2,000 holders, page 1 of 20");
        (await page.Locator(".why").TextContentAsync())!.ShouldContain("shop/orders-api-0007 has 8 open and was granted 5.");

        await page.GetByRole(AriaRole.Link, new() { Name = "Next" }).ClickAsync();
        await page.GetByText("2,000 holders, page 2 of 20").WaitForAsync();
        await page.GetByLabel("Search").FillAsync("api-0007");
        await page.GetByLabel("Sort by").SelectOptionAsync("over");
        await page.GetByRole(AriaRole.Button, new() { Name = "Show" }).ClickAsync();
        await page.GetByText("1 holder of 2,000").WaitForAsync();
        (await page.Locator("td.over").TextContentAsync()).ShouldBe("8, 3 over");

        (await page.Locator("table.teams tbody tr").AllTextContentsAsync()).Select(text => string.Join(' ', text.Split(default(char[]), StringSplitOptions.RemoveEmptyEntries)))
            .ShouldBe(["no team 1,000 5,005 3,000 3", "checkout 1,000 5,000 1,998 0"], "whom the holders belong to, whatever is searched for");

        var others = page.Locator("table.others");
        (await others.Locator("tbody tr").CountAsync()).ShouldBe(4);
        (await others.Locator("tr", new() { HasTextString = "named like the broker's own connections" }).TextContentAsync())!.ShouldContain("broker_admin");
        (await others.TextContentAsync())!.ShouldContain("DBeaver 24.1 <img src=x>");
        (await page.Locator("img").CountAsync()).ShouldBe(0);
        if (!script) return; // axe is a script
        (await page.EvaluateAsync<int>("document.documentElement.scrollWidth - innerWidth")).ShouldBeLessThanOrEqualTo(0, "the page scrolls sideways");
        await Accessible.CheckAsync(page);
        complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task The_page_of_holders_follows_what_changes_and_says_why_nothing_is_known()
    {
        var page = await OpenAsync("operators", 1280, ColorScheme.Light, true);
        (await page.Locator("a.order").CountAsync()).ShouldBe(100, "an operator can end each");

        Server.Holders.Holders = [Holder(1)];
        await page.GetByText("1 holder", new() { Exact = true }).WaitForAsync();
        Server.Holders.WhyUnseen = "Database 'orders': permission denied";
        await page.GetByText("What is open is not known: Database 'orders': permission denied").WaitForAsync();
        (await page.GotoAsync(new Uri(Server.Address, "/databases/nowhere").ToString()))!.Status.ShouldBe(404);
    }

    // The test prints how soon; only the browser's own deadlines bound it.
    [Fact]
    public async Task Thousands_of_holders_are_painted_soon_and_what_changes_is_seen_soon()
    {
        var page = await OpenAsync("viewers", 1280, ColorScheme.Light, true);
        await page.ReloadAsync();
        await page.Locator("main.who-holds").WaitForAsync();
        var painted = await page.EvaluateAsync<double>(
            "new Promise(seen => new PerformanceObserver(list => seen(list.getEntriesByName('first-contentful-paint')[0].startTime)).observe({ type: 'paint', buffered: true }))");

        var first = page.GetByText("pay/orders-api-0000");
        (await first.CountAsync()).ShouldBe(1);
        var changed = Stopwatch.GetTimestamp();
        Server.Holders.Holders = [.. Enumerable.Range(1, Many).Select(Holder)];
        await first.WaitForAsync(new() { State = WaitForSelectorState.Detached, Timeout = 60_000 });
        var live = Stopwatch.GetElapsedTime(changed);

        TestContext.Current.TestOutputHelper?.WriteLine("{0} holders: first contentful paint after {1:0} ms, a change seen after {2:0} ms", Many, painted, live.TotalMilliseconds);
    }

    private static Holding Holder(int number) => new(
        "orders", $"orders-api.{number:0000000000000000}", "orders-api", $"{(number % 3 == 0 ? "pay" : "shop")}/orders-api-{number:0000}", number % 3 == 0 ? "pay" : "shop",
        number % 2 == 0 ? "checkout" : null, $"worker-{number % 5}", "L1", "b-orders-api-L1-4lkylt4ch6k4efp4", 5, number == 11 ? 5 : 0, Views.Now.AddMinutes(-number), Views.Now.AddMinutes(20 + number % 7),
        number == 3, number == 5 ? null : Open(number == 7 ? 8 : number % 6, number));

    private static OpenCount Open(int connections, int number)
    {
        var sleeping = connections > 0 && number % 50 == 9 ? 1 : 0;
        var idle = Math.Min(connections - sleeping, number % 4);
        return new(connections, idle, sleeping, connections > idle + sleeping ? TimeSpan.FromSeconds(number % 90) : null, sleeping > 0 ? TimeSpan.FromMinutes(12) : null);
    }

    private async Task<IPage> OpenAsync(string group, int width, ColorScheme scheme, bool script)
    {
        var page = await OpenAsAsync(group, width, scheme, script, "/databases/orders");
        page.Console += (_, message) => { if (message.Type is "error" or "warning") complaints.Add(message.Text); };
        page.PageError += (_, error) => complaints.Add(error);
        await page.Locator("main.who-holds").WaitForAsync();
        return page;
    }
}
