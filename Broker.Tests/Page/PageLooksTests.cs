using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace Broker.Tests.Page;

/// <summary>The page with much and little to show, wide and narrow, dark and light: nothing overflows and nothing covers another.</summary>
public sealed class PageLooksTests(Browser browser) : IClassFixture<Browser>
{
    private const string Overflowing = """
        [...document.querySelectorAll("main *")].filter(each => !each.closest(".scale") && each.scrollWidth > each.clientWidth + 1
            && getComputedStyle(each).display !== "inline" && each.clientWidth > 1).map(each => each.tagName + "." + each.className + ": " + each.textContent.slice(0, 40))
        """;

    private const string LongRole = "payments-reconciliation-nightly-batch-worker-europe-west-4-canary";

    [Theory]
    [InlineData(1, 1280, ColorScheme.Light)]
    [InlineData(1, 390, ColorScheme.Dark)]
    [InlineData(3, 1280, ColorScheme.Dark)]
    [InlineData(3, 390, ColorScheme.Light)]
    [InlineData(3, 768, ColorScheme.Light)]
    [InlineData(12, 1600, ColorScheme.Light)]
    [InlineData(12, 390, ColorScheme.Dark)]
    public async Task Everything_fits(int databases, int width, ColorScheme scheme)
    {
        Assert.SkipWhen(browser.Running is null, "No Chromium here: install one, or name it in BROKER_TEST_CHROMIUM.");
        await using var server = await PageServer.Start();
        Answer(server, databases);
        await using var context = await browser.Running.NewContextAsync(new()
        {
            ViewportSize = new() { Width = width, Height = 900 },
            ColorScheme = scheme,
            ReducedMotion = ReducedMotion.Reduce,
            ExtraHTTPHeaders = new Dictionary<string, string> { ["Authorization"] = "Bearer viewer" },
        });
        var page = await context.NewPageAsync();
        await page.GotoAsync(server.Address.ToString());
        await page.Locator("section.database").Nth(databases - 1).WaitForAsync();
        await page.Locator("[aria-labelledby=database-orders] button.toggle").First.ClickAsync();
        await page.GetByText("orders/orders-api-7d9c5b6f4-0").WaitForAsync();
        await Pictures.TakeAsync(page, $"{databases}-databases-{width}-{scheme}".ToLowerInvariant());

        (await page.EvaluateAsync<string[]>(Overflowing)).ShouldBeEmpty();
        (await page.EvaluateAsync<int>("document.documentElement.scrollWidth - innerWidth")).ShouldBeLessThanOrEqualTo(0, "the page scrolls sideways");
        foreach (var flag in await page.Locator(".mark:not([hidden]) .flag").AllAsync())
        {
            var box = (await flag.BoundingBoxAsync()).ShouldNotBeNull();
            box.X.ShouldBeGreaterThanOrEqualTo(0);
            (box.X + box.Width).ShouldBeLessThanOrEqualTo(width);
        }
    }

    private static string In(int minutes) => TimeProvider.System.GetUtcNow().AddMinutes(minutes).ToString("O");

    // One of everything that a DBA has to tell apart, again and again.
    private static void Answer(PageServer server, int databases)
    {
        var budgets = new JsonArray();
        var leases = new JsonArray();
        for (var i = 0; i < databases; i++)
        {
            var name = i == 2 ? "analytics-warehouse-replica-eu-central-1-with-a-name-that-does-not-end" : i == 0 ? "orders" : $"service-{i}";
            budgets.Add((i % 6) switch
            {
                0 => Budget(name, limit: 200, ceiling: 137, foreign: 8, granted: 100, holders: 100, waiting: 0),
                1 => Budget(name, limit: 100, ceiling: 67, foreign: 12, granted: 55, holders: 55, waiting: 17, engine: "MySql"),
                2 => Budget(name, limit: 5000, ceiling: 3497, foreign: 1204, granted: 2500, holders: 1250, waiting: 0, stale: true),
                3 => Budget(name, limit: 20, ceiling: 20, foreign: 0, granted: 0, holders: 0, waiting: 0),
                4 => Budget(name, limit: 0, ceiling: 0, foreign: 0, granted: 0, holders: 0, waiting: 0, counted: false),
                _ => Budget(name, limit: 100, ceiling: 10, foreign: 60, granted: 30, holders: 6, waiting: 1234),
            });
            if (i % 6 is not (3 or 4)) leases.Add(Lease($"L{i}", name, "active", holders: 100, connections: 100));
            if (i % 6 is 1 or 2) leases.Add(Lease($"R{i}", name, "retiring", holders: 3, connections: 15, reason: "an operator ordered a new one: grace@example.org"));
            if (i % 6 is 2) leases.Add(Lease($"I{i}", name, "issuing", holders: 12, connections: 60, issued: false, role: LongRole));
            if (i % 6 is 5) leases.Add(Lease($"U{i}", name, "unknown", holders: 0, connections: 0, issued: false, reason: "the replica that was issuing it went away"));
        }

        server.Answer("/api/v1/budgets", new JsonObject { ["budgets"] = budgets }.ToJsonString());
        server.Answer("/api/v1/leases", new JsonObject { ["leases"] = leases }.ToJsonString());
        var open = leases[0]!.DeepClone().AsObject();
        open["holderList"] = new JsonArray([.. Enumerable.Range(0, 100).Select(pod => (JsonNode)new JsonObject
        {
            ["id"] = $"h{pod}",
            ["caller"] = pod == 5 ? $"orders/{LongRole}-7d9c5b6f4-{pod}" : $"orders/orders-api-7d9c5b6f4-{pod}",
            ["connections"] = 1,
            ["endsAt"] = In(52),
            ["waiting"] = pod == 3,
        })]);
        server.Answer("/api/v1/leases/L0", open.ToJsonString());
    }

    private static JsonObject Budget(
        string name, int limit, int ceiling, int foreign, int granted, int holders, int waiting, bool stale = false, bool counted = true, string engine = "PostgreSql")
    {
        var capacity = Math.Max(0, ceiling - foreign);
        var roles = new JsonArray(
            new JsonObject { ["role"] = "orders-api", ["holders"] = holders, ["connections"] = granted, ["expectedHolders"] = 100 },
            new JsonObject { ["role"] = LongRole, ["holders"] = 0, ["connections"] = 0, ["expectedHolders"] = 0 });
        return new()
        {
            ["database"] = name,
            ["engine"] = engine,
            ["limit"] = limit,
            ["reservedForSuperusers"] = limit == 0 ? 0 : 3,
            ["ceiling"] = ceiling,
            ["foreign"] = foreign,
            ["capacity"] = capacity,
            ["granted"] = granted,
            ["free"] = stale ? 0 : Math.Max(0, capacity - granted),
            ["waiting"] = waiting,
            ["sampledAt"] = counted ? In(stale ? -3 : 0) : null,
            ["stale"] = stale || !counted,
            ["roles"] = roles,
        };
    }

    private static JsonObject Lease(
        string id, string database, string state, int holders, int connections, bool issued = true, string role = "orders-api", string? reason = null) => new()
        {
            ["id"] = id,
            ["database"] = database,
            ["role"] = role,
            ["pool"] = role,
            ["state"] = state,
            ["username"] = $"b-{(role.Length > 20 ? role[..13] + "-k3x9qa" : role)}-4lkylt4ch6k4efp4",
            ["issuedAt"] = issued ? In(-7) : null,
            ["verifiedAt"] = issued ? In(-7) : null,
            ["expiresAt"] = issued ? In(52) : null,
            ["holders"] = holders,
            ["connections"] = connections,
            ["reason"] = reason,
        };
}
