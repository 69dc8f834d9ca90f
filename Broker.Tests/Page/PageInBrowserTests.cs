using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace Broker.Tests.Page;

/// <summary>The page in a real Chromium.</summary>
public sealed class PageInBrowserTests(Browser browser) : IClassFixture<Browser>, IAsyncLifetime
{
    private const string Budgets = """
        {"budgets":[{"database":"orders","engine":"PostgreSql","limit":200,"reservedForSuperusers":3,"ceiling":137,"foreign":8,"capacity":129,
          "granted":100,"free":29,"waiting":4,"sampledAt":"2026-01-01T00:00:00Z","stale":false,
          "roles":[{"role":"orders-api","holders":20,"connections":100,"expectedHolders":100}]}]}
        """;

    private const string Hostile = "<img src=x onerror=document.title='taken'>";

    private const string Lease = $$"""
        "id":"L1","database":"orders","role":"{{Hostile}}","pool":"orders-api","state":"active","username":"b-orders-1","issuedAt":"2026-01-01T00:00:00Z",
        "verifiedAt":"2026-01-01T00:00:00Z","expiresAt":"2199-01-01T00:00:00Z","holders":1,"connections":100,"reason":null
        """;

    private readonly List<string> complaints = [];
    private PageServer? server;
    private IBrowserContext? context;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipWhen(browser.Running is null, "No Chromium here: install one, or name it in BROKER_TEST_CHROMIUM.");
        server = await PageServer.Start();
        server!.Answer("/api/v1/budgets", Budgets);
        server.Answer("/api/v1/leases", "{\"leases\":[{" + Lease + "}]}");
        server.Answer("/api/v1/leases/L1", "{" + Lease + ",\"holderList\":[{\"id\":\"h1\",\"caller\":\"orders/orders-api-0\",\"connections\":100,\"endsAt\":\"2199-01-01T00:00:00Z\"}]}");
    }

    public async ValueTask DisposeAsync()
    {
        if (context is not null) await context.DisposeAsync();
        if (server is not null) await server.DisposeAsync();
    }

    [Theory]
    [InlineData(1280)]
    [InlineData(400)]
    public async Task Shows_budgets_leases_and_holders_and_fits(int width)
    {
        var page = await Open(width);

        (await page.Locator(".bar").GetAttributeAsync("aria-label")).ShouldBe(
            "Connections of orders: limit 200, ceiling 137. 3 reserved for superusers, 8 foreign, 100 granted, 29 free, 60 above the ceiling.");
        (await page.Locator(".legend dd").AllTextContentsAsync()).ShouldBe(["3", "8", "100", "29", "60", "200"]);
        (await page.Locator(".waiting").TextContentAsync()).ShouldBe("4 claims waiting");
        await page.Locator("button.toggle").ClickAsync();
        await page.GetByText("orders/orders-api-0").WaitForAsync();
        (await page.EvaluateAsync<int>("document.documentElement.scrollWidth - innerWidth")).ShouldBeLessThanOrEqualTo(0, "the page scrolls sideways");
        complaints.ShouldBeEmpty();
    }

    [Fact]
    public async Task The_bars_parts_are_as_wide_as_their_numbers_and_the_ceiling_stands_behind_what_is_free()
    {
        var page = await Open(1280);

        var bar = await Box(page, ".bar");
        (await Box(page, ".segment.granted")).Width.ShouldBe(bar.Width * 100 / 200, tolerance: 3);
        (await Box(page, ".segment.free")).Width.ShouldBe(bar.Width * 29 / 200, tolerance: 3);
        (await Box(page, ".mark")).X.ShouldBe(bar.X + bar.Width * (3 + 8 + 129) / 200, tolerance: 4);
    }

    [Fact]
    public async Task Names_are_shown_as_text_whatever_they_hold()
    {
        var page = await Open(1280);

        await page.GetByText(Hostile).WaitForAsync();
        (await page.Locator("img").CountAsync()).ShouldBe(0);
        (await page.TitleAsync()).ShouldBe("Connection budgets · broker");
    }

    [Fact]
    public async Task Follows_what_changes_and_keeps_focus()
    {
        var page = await Open(1280);
        await page.Locator("button.toggle").FocusAsync();

        server!.Answer("/api/v1/budgets", Budgets.Replace("\"granted\":100,\"free\":29", "\"granted\":120,\"free\":9").Replace("\"stale\":false", "\"stale\":true"));

        await page.Locator(".legend dd", new() { HasTextString = "120" }).WaitForAsync();
        await page.Locator(".badge.stale").WaitForAsync();
        (await page.EvaluateAsync<string>("document.activeElement.className")).ShouldBe("toggle");
    }

    [Theory]
    [InlineData(503, "The broker cannot answer now (status 503). What is shown is old")]
    [InlineData(401, "The broker does not know who you are any more")]
    [InlineData(403, "You may not look at budgets")]
    public async Task Says_when_the_broker_does_not_answer_and_heals(int status, string text)
    {
        var page = await Open(1280);

        server!.StopAnswering(status);
        await page.GetByRole(AriaRole.Alert).Filter(new() { HasTextString = text }).WaitForAsync();
        (await page.Locator(".legend dd").First.TextContentAsync()).ShouldBe("3", "what was known stays in sight");

        server!.Answer("/api/v1/budgets", Budgets);
        server.Answer("/api/v1/leases", "{\"leases\":[]}");
        await page.Locator("#trouble").WaitForAsync(new() { State = WaitForSelectorState.Hidden });
        await page.GetByText("No lease: nobody has asked").WaitForAsync();
    }

    private static async Task<LocatorBoundingBoxResult> Box(IPage page, string selector)
    {
        var box = await page.Locator(selector).BoundingBoxAsync();
        return box.ShouldNotBeNull();
    }

    private async Task<IPage> Open(int width)
    {
        context = await browser.Running!.NewContextAsync(new()
        {
            ViewportSize = new() { Width = width, Height = 900 },
            ReducedMotion = ReducedMotion.Reduce,
            ExtraHTTPHeaders = new Dictionary<string, string> { ["Authorization"] = "Bearer viewer" },
        });
        var page = await context.NewPageAsync();
        page.Console += (_, message) => { if (message.Type is "error" or "warning") complaints.Add(message.Text); };
        page.PageError += (_, error) => complaints.Add(error);
        await page.GotoAsync(server!.Address.ToString());
        await page.Locator("section.database").WaitForAsync();
        return page;
    }
}
