using System.Net.Http.Headers;
using Broker.Tests.Endpoints;
using LoadTests.Servers.Stages;
using Microsoft.Playwright;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Page;

/// <summary>
/// An incident before a real broker and a real server: a database that is full, a pod that leaks, a report that nobody knew of, somebody who waits. Each of the five
/// questions that a DBA comes with is answered where the eye is: on the first screen, without a click. Takes the pictures of docs/dba.md (see <see cref="Pictures"/>).
/// </summary>
public sealed class FiveQuestionsTests(Browser browser) : IClassFixture<Browser>
{
    private const int Height = 900;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_is_answered_on_the_first_screen()
    {
        browser.Running.ShouldNotBeNull("No Chromium here: apt-get install chromium-headless-shell (or chromium), or name one in BROKER_TEST_CHROMIUM.");
        await using var stage = await Stage.SetAsync(new() { Replicas = 1, MaxConnections = 60, CeilingPercent = 70, Connections = 5 }, Cancel);
        var open = new List<NpgsqlConnection>();
        var leaving = new CancellationTokenSource();
        try
        {
            for (var i = 0; i < 4; i++) await OpenAsync(open, stage.Postgres.AdminConnectionString + ";Application Name=nightly-report");
            using (var viewer = Client(stage, stage.Identity.ViewerToken()))
                await Eventually.HoldsAsync(async () => (int)(await (await viewer.GetAsync(new Uri("/api/v1/budgets/orders", UriKind.Relative), Cancel)).JsonAsync())["foreign"]! >= 5, "the report's connections and the broker's own are counted", Cancel);
            for (var pod = 1; pod <= 5; pod++)
            {
                using var client = Client(stage, stage.Identity.PodToken(pod));
                var grant = await client.GrantAsync("""{"connections":5}""", StageSettings.RoleName);
                // One opens more than it was granted, and two hold on to transactions that nobody ends.
                for (var i = 0; i < (pod == 3 ? 8 : 3); i++) await OpenAsync(open, (string)grant["credentials"]!["adoNet"]!, begin: pod == 3 && i < 2);
            }

            // It gets what is left, which depends on how many connections the broker itself has just then.
            int left;
            using (var last = Client(stage, stage.Identity.PodToken(6))) left = (int)(await last.GrantAsync("""{"connections":20,"minConnections":1}""", StageSettings.RoleName))["connections"]!;
            using var waiting = Client(stage, stage.Identity.PodToken(7));
            var waits = WaitAsync(waiting, leaving.Token);

            var page = await OpenAsync(stage, "/");
            // 1 and 2: who fills it, since when.
            await SeenAsync(page, page.Locator(".filled", new() { HasTextString = "orders-api has " }));
            await SeenAsync(page, page.Locator(".filled", new() { HasTextString = " others are foreign" }));
            await SeenAsync(page, page.Locator(".filled", new() { HasTextString = "Full since " }));
            await SeenAsync(page, page.Locator(".badge.waiting", new() { HasTextString = "1 claim waiting" }));
            // 3: is it a leak, and whose.
            await SeenAsync(page, page.Locator(".filled", new() { HasTextString = "orders/orders-api-3 has 8 open and was granted 5: a leak, or a pool that is too large." }));
            // What could come free.
            await SeenAsync(page, page.Locator(".filled", new() { HasTextString = "Granted and not open: orders/orders-api-6 has 0 of " }));
            await SeenAsync(page, page.Locator(".why", new() { HasTextString = $"that may be promised are promised; {(4 * 2) + left} of these are not open, and 3 are open that nobody was granted." }));
            await SeenAsync(page, page.Locator(".roles td.over", new() { HasTextString = "3" }));
            // 5: what stops it.
            await SeenAsync(page, page.GetByRole(AriaRole.Link, new() { Name = "Change the ceiling…" }));
            foreach (var order in new[] { "Raise the ceiling… ", " above it cannot be promised now. Pause orders-api… No new holder gets it; holders keep it, so this frees no connections." })
                await SeenAsync(page, page.Locator(".aside", new() { HasTextString = "Without cutting anybody off:" }).Filter(new() { HasTextString = order }));
            foreach (var order in new[] { "Pause…", "Drain…", "Rotate…" }) await SeenAsync(page, page.GetByRole(AriaRole.Link, new() { Name = order }).First);
            await Pictures.TakeAsync(page, "incident", fullPage: false);
            // 4: will the next rollout fit.
            await page.Locator("input[name=pods]").FillAsync("12");
            await page.Locator("input[name=connections]").FillAsync("5");
            await page.GetByRole(AriaRole.Button, new() { Name = "Ask" }).ClickAsync();
            await SeenAsync(page, page.Locator("output", new() { HasTextString = "It does not fit:" }));
            await Pictures.TakeAsync(page, "incident-forecast", fullPage: false);

            // One click further: which pod, what it does, and who the others are.
            await page.GetByRole(AriaRole.Link, new() { Name = "Who holds it" }).ClickAsync();
            await SeenAsync(page, page.Locator(".why", new() { HasTextString = "orders/orders-api-3 has 8 open and was granted 5." }));
            await SeenAsync(page, page.Locator("table.others tr", new() { HasTextString = "nightly-report" }));
            await SeenAsync(page, page.GetByRole(AriaRole.Link, new() { Name = "End…" }).First);
            await Pictures.TakeAsync(page, "incident-holders", fullPage: false);
            await leaving.CancelAsync();
            await waits;
            await RevokeAsync(page, stage);
        }
        finally
        {
            await leaving.CancelAsync();
            foreach (var connection in open) await connection.DisposeAsync();
            leaving.Dispose();
        }
    }

    // The last resort, given in the browser: the user is gone from the server, and so are all its sessions.
    private static async Task RevokeAsync(IPage page, Stage stage)
    {
        await page.GetByRole(AriaRole.Link, new() { Name = "All databases" }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Revoke…" }).First.ClickAsync();
        await page.Locator("input[name=reason]").FillAsync("a stolen password");
        await page.GetByRole(AriaRole.Button, new() { Name = "Revoke now" }).ClickAsync();
        await page.GetByText("The lease is being revoked.").WaitForAsync();
        const string Left = $"SELECT (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'b-{StageSettings.RoleName}-%') + (SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'b-{StageSettings.RoleName}-%')";
        await using var administrator = NpgsqlDataSource.Create(stage.Postgres.AdminConnectionString);
        await using var question = administrator.CreateCommand(Left);
        await Eventually.HoldsAsync(async () => (long)(await question.ExecuteScalarAsync(Cancel))! == 0, "neither a user of the role nor a session of one is left on the server", Cancel);
        await page.Locator(".leases tr", new() { HasTextString = "a stolen password" }).WaitForAsync();
    }

    // It is there, and wholly on the screen, as the page is shown.
    private static async Task SeenAsync(IPage page, ILocator what)
    {
        await what.WaitForAsync();
        var box = (await what.BoundingBoxAsync()).ShouldNotBeNull();
        box.Y.ShouldBeGreaterThanOrEqualTo(0, what.ToString());
        (box.Y + box.Height).ShouldBeLessThanOrEqualTo(Height, what.ToString());
    }

    // A pod that stays in line until it is called off.
    private static async Task WaitAsync(HttpClient client, CancellationToken leaving)
    {
        try
        {
            while (true) using (await client.ClaimAsync("""{"connections":5,"minConnections":5}""", StageSettings.RoleName, "wait=30").WaitAsync(leaving)) { }
        }
        catch (OperationCanceledException)
        {
            // The incident is over.
        }
    }

    private static HttpClient Client(Stage stage, string token)
    {
        var client = new HttpClient { BaseAddress = stage.Brokers[0].Address, Timeout = TimeSpan.FromMinutes(2) };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }

    private async Task<IPage> OpenAsync(Stage stage, string path)
    {
        var page = await Browser.PageAsync(browser.Running!, new()
        {
            ViewportSize = new() { Width = 1280, Height = Height },
            ExtraHTTPHeaders = new Dictionary<string, string> { ["Authorization"] = $"Bearer {stage.Identity.OperatorToken()}" },
        });
        await page.GotoAsync(new Uri(stage.Brokers[0].Address, path).ToString());
        return page;
    }

    private static async Task OpenAsync(List<NpgsqlConnection> open, string connectionString, bool begin = false)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString);
        open.Add(connection);
        await connection.OpenAsync(Cancel);
        if (!begin) return;
        await using var command = new NpgsqlCommand("BEGIN; SELECT 1", connection);
        await command.ExecuteNonQueryAsync(Cancel);
    }
}
