using Broker.Api.Authentication.BrokerTokens;
using Broker.Tests.Security;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace Broker.Tests.Page;

/// <summary>People sign in by a link that works once, and steer; in a real Chromium, before a whole broker.</summary>
public sealed class SignInTests(Browser browser) : IClassFixture<Browser>, IAsyncLifetime
{
    private readonly BrokerWorld world = new();
    private Uri address = null!;

    public async ValueTask InitializeAsync()
    {
        address = await world.ListeningReplicaAsync();
    }

    public async ValueTask DisposeAsync() => await world.DisposeAsync();

    [Fact]
    public async Task A_link_signs_in_once_and_signing_out_ends_it()
    {
        var page = await PageAsync();
        await page.GotoAsync(address.ToString());
        page.Url.ShouldEndWith("/signin");

        var link = Link();
        await UseAsync(page, link);
        await page.GetByRole(AriaRole.Heading, new() { Name = "Connection budgets" }).WaitForAsync();
        (await page.Locator(".who").TextContentAsync())!.ShouldContain("grace@laptop, operator");

        var other = await PageAsync();
        await UseAsync(other, link);
        (await other.GetByRole(AriaRole.Alert).TextContentAsync()).ShouldBe("This link has already been used. Make a new one with `broker admin-link`.");

        await page.GotoAsync(new Uri(address, "/signin").ToString());
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign out" }).ClickAsync();
        await page.GotoAsync(address.ToString());
        page.Url.ShouldEndWith("/signin");
    }

    [Fact]
    public async Task What_is_no_link_signs_nobody_in()
    {
        var page = await PageAsync();
        await UseAsync(page, new Uri(address, "/signin/link?code=nonsense").ToString());

        (await page.GetByRole(AriaRole.Alert).TextContentAsync()).ShouldBe("This link was not made by this broker, or it has expired. Make a new one with `broker admin-link`.");
    }

    [Fact]
    public async Task An_operator_changes_a_ceiling_with_a_reason_and_the_audit_keeps_it()
    {
        var page = await PageAsync();
        await UseAsync(page, Link());
        await page.GetByText("Change the ceiling…").ClickAsync();
        await page.GetByText("A lower ceiling takes nothing from anybody").WaitForAsync();

        await page.Locator("input[name=ceiling]").FillAsync("42");
        await page.Locator("input[name=reason]").FillAsync("a migration tonight");
        await page.GetByRole(AriaRole.Button, new() { Name = "Change it" }).ClickAsync();

        await page.GetByText("The ceiling takes effect with the next count of connections.").WaitForAsync();
        await page.Locator(".legend .total", new() { HasTextString = "Ceiling42" }).WaitForAsync();
        var audited = world.Audited("ceiling").Single(static line => (string?)line["outcome"] == "granted");
        ((string?)audited["reason"], (int?)audited["connections"]).ShouldBe(("a migration tonight", 42));
    }

    private string Link() =>
        new Uri(address, "/signin/link?code=" + Uri.EscapeDataString(world.Service<AdminTokens>().MakeLink("grace@laptop", TimeSpan.FromMinutes(10)).Reveal())).ToString();

    private static async Task UseAsync(IPage page, string link)
    {
        await page.GotoAsync(link);
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign in" }).ClickAsync();
    }

    private Task<IPage> PageAsync() => Browser.PageAsync(browser.Running);
}
