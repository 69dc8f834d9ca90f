using System.Net;
using Broker.Api.Page;
using Shouldly;
using Xunit;

namespace Broker.Tests.Page;

public sealed class PageEndpointsTests : IAsyncLifetime
{
    private PageServer server = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => server = await PageServer.StartAsync();

    public async ValueTask DisposeAsync() => await server.DisposeAsync();

    [Fact]
    public void No_slice_shows_what_is_written_for_the_compiler()
    {
        var slices = Directory.GetFiles(Deployment.Repository.PathOf("Broker.Api/Page/Slices"), "*.cshtml");
        slices.ShouldNotBeEmpty();
        slices.SelectMany(File.ReadLines).ShouldNotContain(line => line.StartsWith("using ", StringComparison.Ordinal) || line.StartsWith("inherits ", StringComparison.Ordinal), "without its @ it is a text of the page");
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/page/live")]
    public async Task What_the_page_shows_is_for_viewers_alone(string path)
    {
        using var nobody = server.Client(null);
        using var somebody = server.Client("somebody");
        using var viewer = server.Client("viewers");

        (await nobody.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, Cancel)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        (await somebody.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, Cancel)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await viewer.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("/page/live")]
    [InlineData("/page/live/orders")]
    public async Task A_proxy_is_told_to_hold_back_no_event(string path)
    {
        using var viewer = server.Client("viewers");
        using var answer = await viewer.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, Cancel);
        answer.Headers.GetValues("X-Accel-Buffering").ShouldBe(["no"]);
    }

    [Theory]
    [InlineData("rotate?role=orders-api")]
    [InlineData("ceiling?database=orders")]
    public async Task Orders_are_for_operators_alone(string order)
    {
        using var viewer = server.Client("viewers");
        using var steering = server.Client("operators");

        (await viewer.GetAsync("/orders/" + order, Cancel)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        (await steering.GetAsync("/orders/" + order, Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Fact]
    public async Task An_order_that_another_site_sends_is_not_carried_out()
    {
        using var steering = server.Client("operators");

        using var answer = await steering.PostAsync("/orders/ceiling", new FormUrlEncodedContent([new("database", "orders"), new("ceiling", "1"), new("reason", "because")]), Cancel);

        answer.StatusCode.ShouldBe(HttpStatusCode.Conflict);
        (await answer.Content.ReadAsStringAsync(Cancel)).ShouldContain("Nothing was done.");
    }

    [Fact]
    public async Task Only_the_pages_own_files_may_run_and_nobody_may_frame_it()
    {
        using var viewer = server.Client("viewers");

        var headers = (await viewer.GetAsync("/", Cancel)).Headers;

        var policy = headers.GetValues("Content-Security-Policy").ShouldHaveSingleItem().Split("; ");
        policy.ShouldBe(["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"]);
        headers.GetValues("X-Content-Type-Options").ShouldBe(["nosniff"]);
        headers.GetValues("Referrer-Policy").ShouldBe(["no-referrer"]);
        headers.CacheControl!.NoStore.ShouldBeTrue();
    }

    [Fact]
    public async Task An_unchanged_file_is_not_sent_again()
    {
        using var viewer = server.Client("viewers");
        var first = await viewer.GetAsync("/page.js", Cancel);
        first.Headers.CacheControl!.NoCache.ShouldBeTrue();

        viewer.DefaultRequestHeaders.IfNoneMatch.Add(first.Headers.ETag!);
        (await viewer.GetAsync("/page.js", Cancel)).StatusCode.ShouldBe(HttpStatusCode.NotModified);
        (await viewer.GetAsync("/page.css", Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("page.css")]
    [InlineData("page.js")]
    public async Task No_file_makes_markup_of_data_or_reaches_outside(string name)
    {
        using var file = new StreamReader(typeof(PageEndpoints).Assembly.GetManifestResourceStream($"page/{name}").ShouldNotBeNull());
        var text = await file.ReadToEndAsync(Cancel);

        text.ShouldNotMatch(@"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|https?:|url\(|@import| style=| on[a-z]+=");
    }
}
