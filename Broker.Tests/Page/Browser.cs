using System.Runtime.CompilerServices;
using Microsoft.Playwright;
using Shouldly;
using Xunit;
using Xunit.Sdk;

namespace Broker.Tests.Page;

/// <summary>One Chromium for all tests of a class, which fail where the machine has none.</summary>
public sealed class Browser : IAsyncLifetime
{
    private static readonly string? Program = Environment.GetEnvironmentVariable("BROKER_TEST_CHROMIUM")
        ?? new[] { "/usr/bin/chromium-headless-shell", "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome" }.FirstOrDefault(File.Exists);

    private static readonly ConditionalWeakTable<IBrowserContext, ITest> Whose = [];

    // As long as a slow machine needs, in milliseconds.
    private static readonly float Patience = (float)TimeSpan.FromMinutes(3).TotalMilliseconds;

    private IPlaywright? playwright;

    public IBrowser Running { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Program.ShouldNotBeNull("No Chromium here: apt-get install chromium-headless-shell (or chromium), or name one in BROKER_TEST_CHROMIUM.");
        playwright = await Playwright.CreateAsync();
        Running = await playwright.Chromium.LaunchAsync(new()
        {
            ExecutablePath = Program,
            Timeout = Patience,
            Args = ["--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic"],
        });
    }

    /// <summary>A page in a context of its own, which waits for what a test looks for as long as a slow machine needs.</summary>
    public static async Task<IPage> PageAsync(IBrowser browser, BrowserNewContextOptions? options = null)
    {
        // The pages of tests that are over would go on drawing what their brokers tell.
        var test = TestContext.Current.Test!;
        foreach (var over in browser.Contexts.Where(context => Whose.TryGetValue(context, out var whose) && whose != test).ToList()) await over.CloseAsync();
        var context = await browser.NewContextAsync(options);
        Whose.Add(context, test);
        context.SetDefaultTimeout(Patience);
        return await context.NewPageAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (Running is not null) await Running.DisposeAsync();
        playwright?.Dispose();
    }
}
