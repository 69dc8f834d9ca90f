using System.Net.Http.Json;
using System.Text.Json.Nodes;
using LoadTests.Servers.Stages;
using Shouldly;

namespace Broker.Tests.Failure;

/// <summary>An operator's order on a stage.</summary>
internal static class Rotation
{
    /// <summary>The stage's role is to be served by another lease.</summary>
    public static async Task OrderAsync(Stage stage, CancellationToken cancellation)
    {
        using var client = new HttpClient { BaseAddress = stage.Brokers[0].Address };
        client.DefaultRequestHeaders.Authorization = new("Bearer", stage.Identity.OperatorToken());
        using var answer = await client.PostAsJsonAsync($"/api/v1/roles/{StageSettings.RoleName}/rotate", new JsonObject { ["reason"] = "a leaked password" }, cancellation);
        answer.IsSuccessStatusCode.ShouldBeTrue(await answer.Content.ReadAsStringAsync(cancellation));
    }
}
