using Deque.AxeCore.Commons;
using Microsoft.Playwright;
using Shouldly;

namespace Broker.Tests.Page;

/// <summary>Asks axe-core about a page.</summary>
internal static class Accessible
{
    /// <summary>Fails the test when axe finds something serious or critical on the page.</summary>
    public static async Task CheckAsync(IPage page)
    {
        // In the page itself: the package's own call hands over, three times, all that axe has looked at and found well, which costs ten times what axe does.
        await page.EvaluateAsync($"() => {{ {new BundledAxeScriptProvider().GetScript()} }}");
        (await page.EvaluateAsync<string[]>("""
            () => axe.run(document).then(found => found.violations
                .filter(violation => violation.impact === 'serious' || violation.impact === 'critical')
                .map(violation => `${violation.id}: ${violation.help}: ${violation.nodes[0].html}`))
            """)).ShouldBeEmpty();
    }
}
