using System.Net.Http.Headers;
using System.Net.Http.Json;
using LoadTests.Stages;
using Npgsql;
using Orders.Data;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs;

/// <summary>The .NET client of the documentation, compiled into these tests and run against a broker.</summary>
public sealed class ClientsTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_documented_client_follows_a_rotation_to_another_user_and_gives_its_connections_back()
    {
        await using var stage = await Stage.SetAsync(new() { Replicas = 1, Ledger = LedgerKind.InProcess }, Cancellation);
        using var http = new HttpClient { BaseAddress = stage.Brokers[0].Address };
        string first, second;
        await using (var source = new LeasedDataSource(http, StageSettings.RoleName, () => stage.Identity.PodToken(0), TimeProvider.System))
        {
            await source.StartAsync(Cancellation);
            await using var held = await source.OpenAsync(Cancellation);
            first = await WhoAsync(held);

            using var rotate = new HttpRequestMessage(HttpMethod.Post, $"/api/v1/roles/{StageSettings.RoleName}/rotate");
            rotate.Headers.Authorization = new AuthenticationHeaderValue("Bearer", stage.Identity.OperatorToken());
            rotate.Content = JsonContent.Create(new { reason = "a test" });
            (await http.SendAsync(rotate, Cancellation)).EnsureSuccessStatusCode();
            await Eventually.HoldsAsync(
                async () =>
                {
                    await source.RenewAsync(Cancellation);
                    await using var next = await source.OpenAsync(Cancellation);
                    return await WhoAsync(next) != first;
                },
                "a renewal moves to another user",
                Cancellation);

            (await WhoAsync(held)).ShouldBe(first, "what is in use goes on working");
            await using var last = await source.OpenAsync(Cancellation);
            second = await WhoAsync(last);
        }

        second.ShouldNotBe(first);
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", stage.Identity.ViewerToken());
        (await http.GetStringAsync(new Uri("/api/v1/budgets/" + StageSettings.DatabaseName, UriKind.Relative), Cancellation)).ShouldContain("\"granted\":0");
    }

    private static async Task<string> WhoAsync(NpgsqlConnection connection)
    {
        await using var command = new NpgsqlCommand("SELECT current_user::text", connection);
        return (string)(await command.ExecuteScalarAsync(Cancellation))!;
    }
}
