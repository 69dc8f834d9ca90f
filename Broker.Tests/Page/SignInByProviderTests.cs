using Broker.Tests.Authentication;
using Broker.Tests.Security;
using Microsoft.Playwright;
using Shouldly;
using Xunit;

namespace Broker.Tests.Page;

/// <summary>People sign in with an identity provider that lets nothing pass, in a real Chromium, before a whole broker.</summary>
public sealed class SignInByProviderTests(Browser browser) : IClassFixture<Browser>, IAsyncLifetime
{
    private readonly TokenMint mint = new("provider", TimeProvider.System, 1), stranger = new("provider", TimeProvider.System, 2);
    private IdentityProvider provider = null!;
    private BrokerWorld world = null!;
    private Uri address = null!;

    public async ValueTask InitializeAsync()
    {
        provider = await IdentityProvider.StartAsync(mint);
        world = new(
            ("Identity:Issuers:staff:Authority", provider.Address.OriginalString), ("Identity:Issuers:staff:Audience", IdentityProvider.ClientId),
            ("Identity:Operators:1:Issuer", "staff"), ("Identity:Operators:1:Claims:groups", "dba"),
            ("Page:SignIn:Issuer", "staff"), ("Page:SignIn:ClientSecret", IdentityProvider.ClientSecret));
        address = await world.ListeningReplicaAsync();
        provider.Callback = new Uri(address, "/signin/callback").ToString();
    }

    public async ValueTask DisposeAsync()
    {
        if (world is not null) await world.DisposeAsync();
        if (provider is not null) await provider.DisposeAsync();
        mint.Dispose();
        stranger.Dispose();
    }

    [Fact]
    public async Task Whoever_logs_in_there_is_signed_in_here_until_they_sign_out()
    {
        var page = await Browser.PageAsync(browser.Running);
        await LogInAsync(page, "grace");

        await page.GetByRole(AriaRole.Heading, new() { Name = "Connection budgets" }).WaitForAsync();
        page.Url.ShouldBe(address.ToString(), "nothing of the provider's answer stays in the address");
        (await page.Locator(".who").TextContentAsync())!.ShouldContain("operator");
        provider.Refused.ShouldBeEmpty();
        var cookies = await page.Context.CookiesAsync([address.ToString()]);
        cookies.ShouldAllBe(static cookie => cookie.HttpOnly);
        cookies.Single(static cookie => cookie.Name == "broker-page").SameSite.ShouldBe(SameSiteAttribute.Lax);
        (await page.EvaluateAsync<string>("document.cookie")).ShouldBeEmpty("no script of a page reads them");

        await page.GotoAsync(new Uri(address, "/signin").ToString());
        await page.GetByRole(AriaRole.Button, new() { Name = "Sign out" }).ClickAsync();
        await page.GotoAsync(address.ToString());
        page.Url.ShouldEndWith("/signin");
    }

    [Fact]
    public async Task Whoever_is_in_no_group_that_may_look_is_told_so()
    {
        var page = await Browser.PageAsync(browser.Running);
        await LogInAsync(page, "eve");

        await page.GetByText("not-allowed").Or(page.GetByText("may not")).First.WaitForAsync();
        (await page.Locator(".database").CountAsync()).ShouldBe(0);
    }

    [Theory]
    [InlineData("a nonce of another login")]
    [InlineData("no nonce")]
    [InlineData("another audience")]
    [InlineData("another issuer")]
    [InlineData("an end that is past")]
    [InlineData("a key that is not published")]
    [InlineData("an error in place of a code")]
    [InlineData("a state that nobody made")]
    public async Task An_answer_with_something_wrong_in_it_signs_nobody_in(string wrong)
    {
        switch (wrong)
        {
            case "a nonce of another login": provider.Change = static token => token["nonce"] = "639000000000000000.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"; break;
            case "no nonce": provider.Change = static token => token.Remove("nonce"); break;
            case "another audience": provider.Change = static token => token["aud"] = "another-page"; break;
            case "another issuer": provider.Change = static token => token["iss"] = "http://127.0.0.1:1"; break;
            case "an end that is past": provider.Change = static token => token["exp"] = 1_700_000_000; break;
            case "a key that is not published": provider.Signer = stranger; break;
            case "an error in place of a code": provider.Error = "access_denied"; break;
            default: provider.State = static state => state[..^4] + "AAAA"; break;
        }

        var page = await Browser.PageAsync(browser.Running);
        await LogInAsync(page, "grace");

        (await page.GetByRole(AriaRole.Alert).TextContentAsync())!.ShouldContain("The identity provider did not sign you in");
        await page.GotoAsync(address.ToString());
        page.Url.ShouldEndWith("/signin");
    }

    [Fact]
    public async Task What_another_browser_began_signs_nobody_in()
    {
        // An attacker's own login, brought into the victim's browser, would have the victim work as the attacker.
        provider.Waits = true;
        var attacker = await Browser.PageAsync(browser.Running);
        await LogInAsync(attacker, "grace");
        var form = await attacker.Locator("form").First.EvaluateAsync<string>("form => form.outerHTML");

        var victim = await Browser.PageAsync(browser.Running);
        await victim.SetContentAsync(form);
        await victim.GetByText("Back").ClickAsync();

        (await victim.GetByRole(AriaRole.Alert).TextContentAsync())!.ShouldContain("The identity provider did not sign you in");
        await victim.GotoAsync(address.ToString());
        victim.Url.ShouldEndWith("/signin");
    }

    [Fact]
    public async Task L10_What_was_begun_is_redeemed_once_however_often_it_is_brought_back()
    {
        using var anybody = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = address };
        var (state, cookies) = await BeginAsync(anybody);
        for (var time = 0; time < 10; time++) await BringBackAsync(anybody, state, cookies);

        provider.Refused.ShouldHaveSingleItem("the provider was asked once").ShouldContain("never given");
    }

    [Theory]
    [InlineData("a code that the provider never gave")]
    [InlineData("a state that nobody made")]
    [InlineData("no cookies")]
    [InlineData("access denied")]
    public async Task L7_A_sign_in_that_fails_is_on_record(string what)
    {
        using var anybody = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = address };
        var (state, cookies) = await BeginAsync(anybody);
        await BringBackAsync(
            anybody, what == "a state that nobody made" ? "nonsense" : state, what == "no cookies" ? "" : cookies, what == "access denied" ? ("error", "access_denied") : ("code", "made-up"));

        var line = world.AuditLines().Where(static line => line.Contains("The identity provider did not sign anybody in", StringComparison.Ordinal)).ShouldHaveSingleItem();
        line.ShouldContain("\"refusal\":\"unauthenticated\"");
        world.AuditLines(0).ShouldNotContain(line);
    }

    private static async Task<(string State, string Cookies)> BeginAsync(HttpClient anybody)
    {
        using var begun = await anybody.GetAsync(new Uri("/signin/oidc", UriKind.Relative), TestContext.Current.CancellationToken);
        var asked = System.Web.HttpUtility.ParseQueryString(begun.Headers.Location!.Query);
        return (asked["state"]!, string.Join("; ", begun.Headers.GetValues("Set-Cookie").Select(static cookie => cookie.Split(';')[0])));
    }

    private static async Task BringBackAsync(HttpClient anybody, string state, string cookies, (string Name, string Value)? what = null)
    {
        var (name, value) = what ?? ("code", "made-up");
        using var form = new FormUrlEncodedContent([new("state", state), new(name, value)]);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/signin/callback") { Content = form };
        if (cookies.Length > 0) request.Headers.Add("Cookie", cookies);
        using var answer = await anybody.SendAsync(request, TestContext.Current.CancellationToken);
        answer.Headers.Location?.OriginalString.ShouldBe("/signin?refused=provider");
    }

    private async Task LogInAsync(IPage page, string user)
    {
        await page.GotoAsync(address.ToString());
        page.Url.ShouldEndWith("/signin");
        await page.GetByText("Sign in with staff").ClickAsync();
        await page.Locator("input[name=user]").FillAsync(user);
        await page.GetByRole(AriaRole.Button, new() { Name = "Log in" }).ClickAsync();
    }
}
