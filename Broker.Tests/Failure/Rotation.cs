using System.Net.Http.Json;
using System.Text.Json.Nodes;
using LoadTests.Servers.Stages;
using Shouldly;

namespace Broker.Tests.Failure;

/// <summary>A stage whose leases are short, and an operator's order to rotate its role.</summary>
internal static class Rotation
{
    /// <summary>Two replicas, room for many pods of one connection each, and leases short enough for a test to outlive.</summary>
    public static StageSettings Settings() => new()
    {
        MaxConnections = 60,
        Connections = 1,
        Replicas = 2,
        Configure = static (_, configuration) =>
        {
            var role = configuration["Broker"]!["Roles"]![StageSettings.RoleName]!;
            (role["LeaseTtl"], role["HolderTtl"]) = ("00:01:00", "00:00:30");
        },
    };

    /// <summary>The stage's role is to be served by another lease.</summary>
    public static async Task OrderAsync(Stage stage, CancellationToken cancellation)
    {
        using var client = new HttpClient { BaseAddress = stage.Brokers[0].Address };
        client.DefaultRequestHeaders.Authorization = new("Bearer", stage.Identity.OperatorToken());
        using var answer = await client.PostAsJsonAsync($"/api/v1/roles/{StageSettings.RoleName}/rotate", new JsonObject { ["reason"] = "a leaked password" }, cancellation);
        answer.IsSuccessStatusCode.ShouldBeTrue(await answer.Content.ReadAsStringAsync(cancellation));
    }
}
