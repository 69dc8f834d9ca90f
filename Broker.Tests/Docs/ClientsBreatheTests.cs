using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using LoadTests.Servers.Stages;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs;

/// <summary>The documented clients follow the sizes that they are told: they go down when another pod needs connections, and up when it has left, and no query fails.</summary>
public sealed class ClientsBreatheTests
{
    // A pool may keep an idle connection besides those that its six workers use.
    // Six workers want a connection each; a machine that is short of processors keeps fewer of them at the database at a time.
    private const int Several = 4, Ceiling = 8;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(ClientsTests.Languages), MemberType = typeof(ClientsTests))]
    public async Task A_client_goes_down_for_another_and_up_again_and_no_query_fails(string language)
    {
        await using var stage = await Stage.SetAsync(
            new()
            {
                Replicas = 1,
                MaxConnections = 30,
                Configure = (_, configuration) =>
                {
                    var broker = configuration["Broker"]!;
                    broker["Databases"]![StageSettings.DatabaseName]!["Budget"] = new JsonObject { ["Ceiling"] = Ceiling };
                    broker["Roles"]![StageSettings.RoleName]!["Connections"] = new JsonObject { ["Default"] = 1, ["Max"] = 10, ["SurgePercent"] = 0 };
                },
            },
            Cancellation);
        var token = Path.GetTempFileName();
        await File.WriteAllTextAsync(token, stage.Identity.PodToken(0), Cancellation);
        await using var client = await ClientProgram.StartAsync(language, stage.Brokers[0].Address, StageSettings.RoleName, token, Cancellation, sizes: (8, 2));
        await client.AnotherUserAsync("", Cancellation);
        await SaysAsync(client, $"has {Ceiling} connections");
        await Eventually.HoldsAsync(async () => await OpenAsync(stage) is >= Several and <= Ceiling, "its workers have several connections, more than it keeps in the end", Cancellation, () => client.Log);

        // Another pod needs five: the client is asked to go down to three, and who waits is served at its word.
        using var other = Of(stage, stage.Identity.PodToken(1));
        var grant = await ClaimAsync(other, connections: 5);
        (await OpenAsync(stage, "AND state = 'active'")).ShouldBeLessThanOrEqualTo(3, $"it said that it has no more open\n{client.Log}");
        grant["connections"]!.GetValue<int>().ShouldBe(5);
        await Eventually.HoldsAsync(async () => await OpenAsync(stage) <= 3, "the server has seen off what the client closed", Cancellation);
        client.Failures.ShouldBeEmpty();

        // The other has left: it is given what is free again.
        using var left = await other.DeleteAsync(new Uri($"/api/v1/holders/{grant["holder"]!["id"]!.GetValue<string>()}", UriKind.Relative), Cancellation);
        left.StatusCode.ShouldBe(HttpStatusCode.NoContent);
        await Eventually.HoldsAsync(async () => await OpenAsync(stage) is >= Several and <= Ceiling, "it opens more again", Cancellation, () => client.Log);
        await SaysAsync(client, "has 3 connections now");
        client.Failures.ShouldBeEmpty();
        await client.StopAsync(Cancellation);
        client.Failures.ShouldBeEmpty();
        File.Delete(token);
    }

    // What it says of its work and what it logs come by two pipes, in no order.
    private static Task SaysAsync(ClientProgram client, string words) => Eventually.HoldsAsync(
        () => Task.FromResult(client.Log.Contains(words, StringComparison.OrdinalIgnoreCase)), $"it says '{words}'", Cancellation, () => client.Log);

    private static async Task<JsonNode> ClaimAsync(HttpClient http, int connections)
    {
        JsonNode? grant = null;
        await Eventually.HoldsAsync(
            async () =>
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/roles/{StageSettings.RoleName}/credentials") { Content = JsonContent.Create(new { connections }) };
                request.Headers.Add("Prefer", "wait=20");
                using var answer = await http.SendAsync(request, Cancellation);
                if (answer.StatusCode == HttpStatusCode.OK) grant = await answer.Content.ReadFromJsonAsync<JsonNode>(Cancellation);
                return grant is not null;
            },
            "the other pod is served",
            Cancellation);
        return grant!;
    }

    // What the server sees of the leases' users.
    private static async Task<long> OpenAsync(Stage stage, string which = "")
    {
        await using var connection = new NpgsqlConnection(stage.Postgres.AdminConnectionString + ";Pooling=false");
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand($"SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'b-%' {which}", connection);
        return (long)(await command.ExecuteScalarAsync(Cancellation))!;
    }

    private static HttpClient Of(Stage stage, string token)
    {
        var http = new HttpClient { BaseAddress = stage.Brokers[0].Address };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return http;
    }
}
