using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using LoadTests.Servers.Stages;
using Microsoft.Extensions.Logging;
using Npgsql;
using Shouldly;
using Xunit;

namespace Broker.Tests.Docs;

/// <summary>The documented clients of five languages, each a program that works without a pause, before a real broker and a real database.</summary>
public sealed class ClientsTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> Languages => [".NET", "Node", "Python", "Go", "Java"];

    [Theory]
    [MemberData(nameof(Languages))]
    public async Task A_client_follows_its_lease_and_no_query_fails_that_need_not(string language)
    {
        await using var stage = await Stage.SetAsync(new() { Replicas = 1, Connections = 4, Ledger = LedgerKind.File }, Cancellation);
        using var token = new TokenFile(stage.Identity.PodToken(0));
        await using var client = await ClientProgram.StartAsync(language, stage.Brokers[0].Address, StageSettings.RoleName, token.Path, Cancellation);
        var first = await client.AnotherUserAsync("", Cancellation);

        // Rotation: it moves to the next user.
        await OrderAsync(stage, $"/api/v1/roles/{StageSettings.RoleName}/rotate");
        var second = await client.AnotherUserAsync(first, Cancellation);
        client.Failures.ShouldBeEmpty("a rotation is no reason for a query to fail");

        // The holder is ended: it claims again, and keeps its connections.
        var holder = await HolderAsync(stage);
        await OrderAsync(stage, $"/api/v1/holders/{holder}/end");
        await Eventually.HoldsAsync(() => Task.FromResult(client.Log.Contains("new holder", StringComparison.OrdinalIgnoreCase)), "it claims again", Cancellation);
        (await HolderAsync(stage)).ShouldBe(holder, "the same pod is the same holder");
        client.Failures.ShouldBeEmpty("the end of a holder is no reason for a query to fail");

        // The broker goes away and comes back, and the token's file cannot be read for a while: work goes on, and the next rotation is followed.
        await stage.Brokers[0].TerminateAsync();
        token.Break();
        var before = client.Lines;
        await Eventually.HoldsAsync(() => Task.FromResult(client.Lines > before), "it works without the broker", Cancellation);
        await stage.Brokers[0].StartAgainAsync(Cancellation);
        token.Mend();
        await OrderAsync(stage, $"/api/v1/roles/{StageSettings.RoleName}/rotate");
        var third = await client.AnotherUserAsync(second, Cancellation);
        client.Failures.ShouldBeEmpty("a broker that is away is no reason for a query to fail");

        // The lease is revoked: its sessions are ended, and with them what is under way; then it works on as another user.
        await OrderAsync(stage, $"/api/v1/leases/{await LeaseAsync(stage)}/revoke");
        await client.AnotherUserAsync(third, Cancellation);

        await client.StopAsync(Cancellation);
        await Eventually.HoldsAsync(async () => await GrantedAsync(stage) == 0, "it gave its connections back", Cancellation);
        client.Log.ShouldContain("moves from", Case.Insensitive);
    }

    private static async Task OrderAsync(Stage stage, string path)
    {
        using var http = Of(stage, stage.Identity.OperatorToken());
        await Eventually.HoldsAsync(
            async () =>
            {
                using var answer = await http.PostAsJsonAsync(path, new { reason = "a test" }, Cancellation);
                return answer.IsSuccessStatusCode;
            },
            path,
            Cancellation);
    }

    private static async Task<JsonNode> LeaseOfNowAsync(Stage stage)
    {
        using var http = Of(stage, stage.Identity.ViewerToken());
        var leases = JsonNode.Parse(await http.GetStringAsync(new Uri("/api/v1/leases", UriKind.Relative), Cancellation))!;
        var list = leases as JsonArray ?? leases.AsObject().Select(member => member.Value).OfType<JsonArray>().First();
        return list.Single(lease => lease!["state"]!.GetValue<string>() == "Active")!;
    }

    private static async Task<string> LeaseAsync(Stage stage) => (await LeaseOfNowAsync(stage))["id"]!.GetValue<string>();

    private static async Task<string> HolderAsync(Stage stage)
    {
        using var http = Of(stage, stage.Identity.ViewerToken());
        var lease = JsonNode.Parse(await http.GetStringAsync(new Uri($"/api/v1/leases/{await LeaseAsync(stage)}", UriKind.Relative), Cancellation))!;
        return lease["holderList"]!.AsArray().Single()!["id"]!.GetValue<string>();
    }

    private static async Task<int> GrantedAsync(Stage stage)
    {
        using var http = Of(stage, stage.Identity.ViewerToken());
        return JsonNode.Parse(await http.GetStringAsync(new Uri("/api/v1/budgets/" + StageSettings.DatabaseName, UriKind.Relative), Cancellation))!["granted"]!.GetValue<int>();
    }

    private static HttpClient Of(Stage stage, string token)
    {
        var http = new HttpClient { BaseAddress = stage.Brokers[0].Address };
        http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return http;
    }

    private sealed class TokenFile : IDisposable
    {
        private readonly string directory = Directory.CreateTempSubdirectory("broker-token-").FullName;

        public TokenFile(string token)
        {
            Path = System.IO.Path.Combine(directory, "token");
            File.WriteAllText(Path, token + "\n");
        }

        public string Path { get; }

        public void Break() => File.Move(Path, Path + ".away");

        public void Mend() => File.Move(Path + ".away", Path);

        public void Dispose() => Directory.Delete(directory, recursive: true);
    }
}
