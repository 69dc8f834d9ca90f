using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using Broker.Api.Authentication;
using Broker.Api.Authentication.Browser;
using Broker.Core;
using Broker.Core.Catalog;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;
using Broker.Core.Sessions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Shouldly;
using Xunit;

namespace Broker.Tests.Authentication;

public sealed class EndpointTests : IAsyncLifetime
{
    private readonly string keys = Path.GetTempFileName();
    private readonly TokenMint mint = new("one", TimeProvider.System, 0);
    private FixedCatalog catalog = null!;
    private WebApplication app = null!;
    private HttpClient client = null!;

    public async ValueTask InitializeAsync()
    {
        File.WriteAllText(keys, TokenMint.KeySet(mint));
        catalog = new FixedCatalog();
        catalog.Swap(Listed(viewers: "viewers", operators: "operators"));
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseTestServer();
        builder.Services.AddSingleton<ICatalog>(catalog);
        builder.Services.AddSingleton<ILedgerStore>(new InProcessLedgerStore(TimeProvider.System) { IsOfThisProcess = true }).AddSingleton<SessionLedger>().AddSingleton<LedgerSeal>().AddSingleton<SessionSealer>();
        builder.Services.AddSealing(new()).AddBrokerAuthentication().AddAuthentication().AddCookie(PageSignIn.Cookie);
        app = builder.Build();
        app.UseAuthentication();
        app.UseAuthorization();
        app.MapMethods("/anybody", ["GET", "POST"], (HttpContext context) => context.GetProof()!.Value.Caller!.DisplayName);
        app.MapGet("/viewer", () => "seen").RequireAuthorization(Policies.Viewer);
        app.MapPost("/operator", () => "done").RequireAuthorization(Policies.Operator);
        app.MapMethods("/page", ["GET", "HEAD", "POST"], () => "page").RequireAuthorization(Policies.Viewer).WithMetadata(new PageCookieMetadata());
        app.MapGet("/open", () => "open").AllowAnonymous();
        await app.StartAsync(TestContext.Current.CancellationToken);
        client = app.GetTestClient();
    }

    public async ValueTask DisposeAsync()
    {
        client.Dispose();
        await app.DisposeAsync();
        mint.Dispose();
        File.Delete(keys);
    }

    [Theory]
    [InlineData("GET", "/anybody")]
    [InlineData("GET", "/viewer")]
    [InlineData("POST", "/operator")]
    [InlineData("GET", "/page")]
    [InlineData("GET", "/nothing-here")]
    public async Task L7_Nobody_gets_in_without_a_token(string method, string path)
    {
        var answer = await Send(method, path, null);
        answer.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        answer.Headers.WwwAuthenticate.ToString().ShouldBe("Bearer");
    }

    [Fact]
    public async Task An_endpoint_may_be_opened_to_everybody_by_saying_so() =>
        (await Send("GET", "/open", null)).StatusCode.ShouldBe(HttpStatusCode.OK);

    [Theory]
    [InlineData("Bearer")]
    [InlineData("bearer")]
    public async Task A_good_token_gets_in_and_the_endpoint_knows_who_it_is(string scheme)
    {
        var answer = await Send("POST", "/anybody", new(scheme, mint.Token()));
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        (await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)).ShouldBe("shop/orders-1");
    }

    [Fact]
    public async Task A_bad_token_is_told_why()
    {
        var answer = await Send("GET", "/anybody", new("Bearer", mint.Token(payload => payload["exp"] = 1)));
        answer.StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        answer.Headers.WwwAuthenticate.ToString().ShouldStartWith("Bearer error=\"invalid_token\", error_description=\"The token has expired (exp).");
    }

    [Fact]
    public async Task Two_authorization_headers_are_no_token()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/anybody");
        request.Headers.TryAddWithoutValidation("Authorization", [$"Bearer {mint.Token()}", $"Bearer {mint.Token()}"]);
        (await client.SendAsync(request, TestContext.Current.CancellationToken)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
    }

    [Theory]
    [InlineData("somebody", HttpStatusCode.Forbidden, HttpStatusCode.Forbidden)]
    [InlineData("viewers", HttpStatusCode.OK, HttpStatusCode.Forbidden)]
    [InlineData("operators", HttpStatusCode.OK, HttpStatusCode.OK)]
    public async Task Viewers_see_and_operators_steer_and_see(string group, HttpStatusCode see, HttpStatusCode steer)
    {
        (await Send("GET", "/viewer", new("Bearer", InGroup(group)))).StatusCode.ShouldBe(see);
        (await Send("POST", "/operator", new("Bearer", InGroup(group)))).StatusCode.ShouldBe(steer);
    }

    [Fact]
    public async Task Somebody_taken_off_the_list_is_out_at_once()
    {
        var token = InGroup("operators");
        (await Send("POST", "/operator", new("Bearer", token))).StatusCode.ShouldBe(HttpStatusCode.OK);
        catalog.Swap(Listed(viewers: "operators", operators: "others"));
        (await Send("POST", "/operator", new("Bearer", token))).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await Send("GET", "/viewer", new("Bearer", token))).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("text/html,application/xhtml+xml,*/*;q=0.8", HttpStatusCode.Redirect)]
    [InlineData("application/json", HttpStatusCode.Unauthorized)]
    [InlineData("*/*", HttpStatusCode.Unauthorized)]
    public async Task A_browser_is_sent_to_sign_in_and_a_program_is_told_what_is_missing(string accept, HttpStatusCode status)
    {
        var answer = await Send("GET", "/page", null, accept);
        answer.StatusCode.ShouldBe(status);
        if (status == HttpStatusCode.Redirect) answer.Headers.Location!.OriginalString.ShouldBe("/signin");
    }

    [Fact]
    public async Task No_password_is_a_token() =>
        (await Send("GET", "/page", new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"anyone:{InGroup("viewers")}"))))).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);

    private CatalogSnapshot Listed(string viewers, string operators) => FixedCatalog.Of(
        [new() { Name = "people", Issuer = TokenMint.Issuer, JwksFile = keys, Audience = "broker" }],
        [new AllowRule("people", new Dictionary<string, string> { ["groups"] = viewers })],
        [new AllowRule("people", new Dictionary<string, string> { ["groups"] = operators })]);

    private string InGroup(string group) => mint.Token(payload => payload["groups"] = new JsonArray("everyone", group));

    private async Task<HttpResponseMessage> Send(string method, string path, AuthenticationHeaderValue? authorization, string? accept = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        request.Headers.Authorization = authorization;
        if (accept is not null) request.Headers.TryAddWithoutValidation("Accept", accept);
        return await client.SendAsync(request, TestContext.Current.CancellationToken);
    }
}
