using Microsoft.Playwright;

namespace Broker.Tests.Page;

/// <summary>Pictures of the page for people to judge, written into the directory that <c>BROKER_PAGE_PICTURES</c> names; none without it.</summary>
internal static class Pictures
{
    private static readonly string? Directory = Environment.GetEnvironmentVariable("BROKER_PAGE_PICTURES");

    public static async Task TakeAsync(IPage page, string name, bool fullPage = true)
    {
        if (string.IsNullOrEmpty(Directory)) return;
        // Relative to the checkout, wherever the tests run.
        var path = Path.Combine(Deployment.Repository.PathOf("."), Directory, $"{name}.png");
        await page.ScreenshotAsync(new() { Path = path, FullPage = fullPage });
    }
}
