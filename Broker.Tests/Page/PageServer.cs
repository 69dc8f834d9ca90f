using System.Net.Http.Headers;
using Broker.Api.Page;
using Broker.Core.Identity;
using Broker.Core.Leases.History;
using Broker.Core.Ledger;
using Broker.Core.Operators;
using Broker.Core.Operators.Holdings;
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

    public FixedHolders Holders { get; private init; } = null!;

    public static async Task<PageServer> StartAsync()
    {
        var shown = new FixedPage();
        var holders = new FixedHolders();
        var world = new BrokerWorld
        {
            Services = services => services.Replace(ServiceDescriptor.Singleton<IPageSource>(shown)).Replace(ServiceDescriptor.Singleton<IHoldersSource>(holders)),
        };
        return new(world, await world.ListeningReplicaAsync()) { Shown = shown, Holders = holders };
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

/// <summary>The holders that a test writes.</summary>
internal sealed class FixedHolders : IHoldersSource
{
    public IReadOnlyList<Holding> Holders { get; set; } = [];

    public IReadOnlyList<OtherConnections> Others { get; set; } = [];

    public string? WhyUnseen { get; set; }

    public DatabaseHistory? History { get; set; }

    public DatabaseExamination? Examination { get; set; }

    public Task<HoldersModel?> ReadAsync(Caller caller, string database, HoldingFilter filter, HistorySpan span, CancellationToken cancellation) => Task.FromResult<HoldersModel?>(
        database == "orders"
            ? new(caller.DisplayName, caller.Subject.StartsWith("operators", StringComparison.Ordinal), database, Views.Now, null, filter, filter.Of(Holders), Holders, Others, WhyUnseen) { History = History, Examination = Examination }
            : null);
}
