using Microsoft.Playwright;
using Xunit;

namespace Broker.Tests.Page;

/// <summary>The page with what a test shows on it, in a Chromium that the class shares.</summary>
public abstract class ServedPageTests(Browser browser) : IClassFixture<Browser>, IAsyncLifetime
{
    /// <summary>What serves the page.</summary>
    private protected PageServer Server { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Server = await PageServer.StartAsync();
        Show();
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>What is there before the test begins.</summary>
    private protected virtual void Show()
    {
    }

    private protected Task<IPage> OpenAsAsync(string group, int width, ColorScheme scheme = ColorScheme.Light, bool script = true, string path = "/") =>
        Server.OpenAsync(browser.Running, group, width, scheme, script, path);
}
