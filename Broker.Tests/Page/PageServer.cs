using System.Net.Http.Headers;
using Broker.Api.Page;
using Broker.Core.Identity;
using Broker.Tests.Security;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Playwright;

namespace Broker.Tests.Page;

/// <summary>A whole broker whose page shows what a test writes.</summary>
internal sealed class PageServer : IAsyncDisposable
{
    private readonly BrokerWorld world;

    private PageServer(BrokerWorld world, Uri address)
    {
        this.world = world;
        Address = address;
    }

    public Uri Address { get; }

    public FixedPage Shown { get; private init; } = null!;

    public static async Task<PageServer> StartAsync()
    {
        var shown = new FixedPage();
        var world = new BrokerWorld { Services = services => services.Replace(ServiceDescriptor.Singleton<IPageSource>(shown)) };
        return new(world, await world.ListeningReplicaAsync()) { Shown = shown };
    }

    public string TokenOf(string group) => world.Person(group);

    public HttpClient Client(string? group)
    {
        var client = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false }) { BaseAddress = Address };
        if (group is not null) client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", world.Person(group));
        return client;
    }

    /// <summary>A browser's page that shows who has a token of a group.</summary>
    public async Task<IPage> OpenAsync(IBrowser browser, string group, int width, ColorScheme scheme = ColorScheme.Light, bool script = true, string path = "/")
    {
        var page = await Browser.PageAsync(browser, new()
        {
            ViewportSize = new() { Width = width, Height = 900 },
            ColorScheme = scheme,
            ReducedMotion = ReducedMotion.Reduce,
            JavaScriptEnabled = script,
            ExtraHTTPHeaders = new Dictionary<string, string> { ["Authorization"] = $"Bearer {world.Person(group)}" },
        });
        await page.GotoAsync(new Uri(Address, path).ToString());
        return page;
    }

    public ValueTask DisposeAsync() => world.DisposeAsync();
}

/// <summary>What a test writes.</summary>
internal sealed class FixedPage : IPageSource
{
    private volatile Func<Caller, PageQuery, PageModel> make = (caller, query) => new(caller.DisplayName, false, DateTimeOffset.UnixEpoch, null, [], query, null);

    public void Show(Func<Caller, PageQuery, PageModel> model) => make = model;

    public Task<PageModel> ReadAsync(Caller caller, PageQuery query, string? done, CancellationToken cancellation) => Task.FromResult(make(caller, query) with { Done = done });
}
