using System.Text.RegularExpressions;
using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers.Stages;
using Microsoft.Playwright;
using Shouldly;
using Spectre.Console;
using Xunit;

namespace Broker.Tests.Page;

/// <summary>The page of a real broker while a real rollout runs. Takes the picture <c>docs/page.png</c> (see <see cref="Pictures"/>).</summary>
public sealed partial class PageDuringRolloutTests(Browser browser) : IClassFixture<Browser>
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Shows_a_hundred_pods_come_and_go_without_a_complaint()
    {
        // The pods stay until the page was read, and give up after no time that a slow machine takes.
        var read = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var rollout = new RolloutSettings { Pods = 100, Connections = 5, MinConnections = 1, Until = read.Task, Deadline = TimeSpan.FromMinutes(8) };
        var settings = new StageSettings { Replicas = 2, ExpectedHolders = 100 };
        await using var stage = await Stage.SetAsync(settings, Cancellation);
        var page = await Browser.PageAsync(browser.Running, new()
        {
            ViewportSize = new() { Width = 1120, Height = 860 },
            ExtraHTTPHeaders = new Dictionary<string, string> { ["Authorization"] = $"Bearer {stage.Identity.ViewerToken()}" },
        });
        var complaints = new List<string>();
        page.Console += (_, message) => { if (message.Type is "error" or "warning") complaints.Add(message.Text); };
        page.PageError += (_, error) => complaints.Add(error);
        await page.GotoAsync(stage.Brokers[0].Address.ToString());
        await page.GetByText("No leases: nobody holds a role of this database.").WaitForAsync();

        var silent = AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(TextWriter.Null) });
        var run = RolloutRun.OnStageAsync(rollout, settings, stage, silent, TimeProvider.System, Cancellation);
        try
        {
            await page.Locator(".leases tbody tr", new() { HasTextString = "active" }).WaitForAsync();
            await page.Locator("a.toggle", new() { HasTextRegex = AHundred() }).ClickAsync();
            await page.GetByText("orders/orders-api-0").First.WaitForAsync();
            await Pictures.TakeAsync(page, "page", fullPage: false);

            (await page.Locator(".legend dd").AllTextContentsAsync())[^1].ShouldBe("200");
            await page.Locator(".sum", new() { HasTextString = "100 of " }).WaitForAsync();
        }
        finally
        {
            read.SetResult();
        }

        (await run).Faults.ShouldBeEmpty();
        await page.Locator("a.toggle", new() { HasTextRegex = None() }).WaitForAsync();
        await page.Locator(".sum strong", new() { HasTextRegex = None() }).First.WaitForAsync();
        complaints.ShouldBeEmpty();
    }

    [GeneratedRegex("^100$")]
    private static partial Regex AHundred();

    [GeneratedRegex("^0$")]
    private static partial Regex None();
}
