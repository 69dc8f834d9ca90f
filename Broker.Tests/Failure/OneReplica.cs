using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using LoadTests.Servers.Stages;
using Xunit;

namespace Broker.Tests.Failure;

/// <summary>What the API of a stage's only replica answers.</summary>
internal static class OneReplica
{
    /// <summary>How many connections are granted.</summary>
    public static async Task<int> GrantedAsync(Stage stage)
    {
        using var viewer = new HttpClient { BaseAddress = stage.Brokers[0].Address };
        viewer.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", stage.Identity.ViewerToken());
        var answer = await viewer.GetFromJsonAsync<JsonObject>(new Uri("/api/v1/budgets", UriKind.Relative), TestContext.Current.CancellationToken);
        return answer!["budgets"]![0]!["roles"]!.AsArray().Sum(role => role!["connections"]!.GetValue<int>());
    }
}
