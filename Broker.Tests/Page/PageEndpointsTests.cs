using System.Net;
using Broker.Api.Authentication;
using Broker.Api.Page;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;
using Shouldly;
using Xunit;

namespace Broker.Tests.Page;

public class PageEndpointsTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/", "text/html")]
    [InlineData("/page.css", "text/css")]
    [InlineData("/page.js", "text/javascript")]
    public async Task Every_file_is_served_to_viewers_alone(string path, string type)
    {
        await using var server = await PageServer.Start();
        using var nobody = server.Client(null);
        using var somebody = server.Client("somebody");
        using var viewer = server.Client("viewer");

        (await nobody.GetAsync(path, Cancel)).StatusCode.ShouldBe(HttpStatusCode.Unauthorized);
        (await somebody.GetAsync(path, Cancel)).StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        var answer = await viewer.GetAsync(path, Cancel);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK);
        answer.Content.Headers.ContentType!.MediaType.ShouldBe(type);
    }

    [Fact]
    public async Task A_browser_is_asked_for_the_token_as_a_password()
    {
        await using var app = WebApplication.CreateSlimBuilder().Build();
        app.MapPage();

        var endpoints = ((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints).ToList();
        endpoints.Count.ShouldBe(3);
        endpoints.ShouldAllBe(endpoint => endpoint.Metadata.GetMetadata<TokenAsPasswordMetadata>() != null);
    }

    [Fact]
    public async Task Only_the_pages_own_files_may_run_and_nobody_may_frame_it()
    {
        await using var server = await PageServer.Start();
        using var viewer = server.Client("viewer");

        var headers = (await viewer.GetAsync("/", Cancel)).Headers;

        var policy = headers.GetValues("Content-Security-Policy").ShouldHaveSingleItem().Split("; ");
        policy.ShouldBe(["default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]);
        headers.GetValues("X-Content-Type-Options").ShouldBe(["nosniff"]);
        headers.GetValues("Referrer-Policy").ShouldBe(["no-referrer"]);
    }

    [Fact]
    public async Task An_unchanged_file_is_not_sent_again()
    {
        await using var server = await PageServer.Start();
        using var viewer = server.Client("viewer");
        var first = await viewer.GetAsync("/page.js", Cancel);
        first.Headers.CacheControl!.NoCache.ShouldBeTrue();

        viewer.DefaultRequestHeaders.IfNoneMatch.Add(first.Headers.ETag!);
        (await viewer.GetAsync("/page.js", Cancel)).StatusCode.ShouldBe(HttpStatusCode.NotModified);
        (await viewer.GetAsync("/page.css", Cancel)).StatusCode.ShouldBe(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("index.html")]
    [InlineData("page.css")]
    [InlineData("page.js")]
    public async Task No_file_makes_markup_of_data_or_reaches_outside(string name)
    {
        using var file = new StreamReader(typeof(PageEndpoints).Assembly.GetManifestResourceStream($"page/{name}").ShouldNotBeNull());
        var text = await file.ReadToEndAsync(Cancel);

        text.ShouldNotMatch(@"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|eval\(|new Function|https?:|url\(|@import| style=| on[a-z]+=");
    }
}
