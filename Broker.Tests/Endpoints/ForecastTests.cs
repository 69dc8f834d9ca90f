using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Broker.Tests.Commands;
using Shouldly;
using Xunit;

namespace Broker.Tests.Endpoints;

/// <summary>Forecasts through the API and the command line.</summary>
public sealed class ForecastTests(RunningBroker broker)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Says_whether_a_rollout_fits_and_what_would()
    {
        using var viewer = await broker.ViewerAsync();

        await CountedAsync();
        var fits = await AskAsync(viewer, RunningBroker.PlannedDatabase, """{"pods":1,"connectionsPerPod":1,"surge":1}""");
        (fits["fits"]!.GetValue<bool>(), fits["missing"]!.GetValue<long>()).ShouldBe((true, 0));

        var large = await AskAsync(viewer, RunningBroker.PlannedDatabase, """{"pods":2,"connectionsPerPod":5,"surgePercent":50}""");
        large["fits"]!.GetValue<bool>().ShouldBeFalse();
        large["needed"]!.GetValue<long>().ShouldBe(15);
        large["summary"]!.GetValue<string>().ShouldContain("2 pods and a surge of 1, 5 connections each, need 15 more connections");
    }

    [Fact]
    public async Task Says_whether_it_fits_at_a_time_of_day_by_what_was_counted_then()
    {
        using var viewer = await broker.ViewerAsync();
        await CountedAsync();
        var (now, never) = (TimeProvider.System.GetUtcNow().ToString("HH:mm", null), TimeProvider.System.GetUtcNow().AddHours(12).ToString("HH:mm", null));
        await Eventually.HoldsAsync(
            async () => (int)(await AskAsync(viewer, RunningBroker.PlannedDatabase, $$"""{"pods":100,"connectionsPerPod":5,"surge":0,"at":"{{now}}"}"""))["days"]! == 1, "it was counted at this time of day", Cancel);
        var said = await AskAsync(viewer, RunningBroker.PlannedDatabase, $$"""{"pods":100,"connectionsPerPod":5,"surge":0,"at":"{{now}}"}""");
        (said["fits"]!.GetValue<bool>(), said["at"]!.GetValue<string>()).ShouldBe((false, now));
        said["summary"]!.GetValue<string>().ShouldStartWith($"At {now} UTC, as on the fullest of 1 day of the last week: 100 pods and a surge of 0, 5 connections each, need 500 more connections");
        var unknown = await AskAsync(viewer, RunningBroker.PlannedDatabase, $$"""{"pods":1,"connectionsPerPod":1,"surge":0,"at":"{{never}}"}""");
        (unknown["fits"]!.GetValue<bool>(), unknown["days"]!.GetValue<int>()).ShouldBe((true, 0));
        unknown["summary"]!.GetValue<string>().ShouldStartWith($"Nothing was counted at {never} UTC in the last week, so this is the forecast for now: ");
        (await RunAsync((await broker.IdentityAsync()).ViewerToken(), "forecast", "--database", RunningBroker.PlannedDatabase, "--pods", "100", "--connections", "5", "--at", now)).ShouldSatisfyAllConditions(
            it => it.Code.ShouldBe(1), it => it.Text.ShouldContain($"It does not fit. At {now} UTC"));
    }

    [Theory]
    [InlineData("""{"pods":0,"connectionsPerPod":5}""", "'pods' must be 1 to 100000.")]
    [InlineData("""{"pods":1,"connectionsPerPod":0}""", "'connectionsPerPod' must be 1 to 10000.")]
    [InlineData("""{"pods":1,"connectionsPerPod":1,"surge":1,"surgePercent":1}""", "Give 'surge' or 'surgePercent', not both.")]
    [InlineData("""{"pods":1,"connectionsPerPod":1,"at":"25:00"}""", "'at' must be a time of day in UTC, such as 02:30.")]
    [InlineData("""{"pods":1,"connectionsPerPod":1,"role":"nobody"}""", "There is no role 'nobody' on database 'planned'.")]
    public async Task What_is_no_rollout_is_refused_in_words(string body, string words)
    {
        using var viewer = await broker.ViewerAsync();

        using var answer = await viewer.PostAsync(new Uri("api/v1/budgets/planned/forecast", UriKind.Relative), Json(body), Cancel);

        answer.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
        (await answer.JsonAsync())["detail"]!.GetValue<string>().ShouldBe(words);
    }

    [Fact]
    public async Task Pods_may_not_ask_and_no_database_is_no_database()
    {
        using var pod = await broker.PodAsync();
        using var viewer = await broker.ViewerAsync();

        using var forbidden = await pod.PostAsync(new Uri("api/v1/budgets/planned/forecast", UriKind.Relative), Json("""{"pods":1,"connectionsPerPod":1}"""), Cancel);
        forbidden.StatusCode.ShouldBe(HttpStatusCode.Forbidden);
        using var nowhere = await viewer.PostAsync(new Uri("api/v1/budgets/nowhere/forecast", UriKind.Relative), Json("""{"pods":1,"connectionsPerPod":1}"""), Cancel);
        nowhere.StatusCode.ShouldBe(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task The_command_line_tells_a_pipeline_by_its_exit_code_and_a_person_by_a_table()
    {
        var token = (await broker.IdentityAsync()).ViewerToken();
        await CountedAsync();

        (await RunAsync(token, "forecast", "--database", RunningBroker.PlannedDatabase, "--pods", "1", "--connections", "1", "--surge", "0")).ShouldSatisfyAllConditions(
            said => said.Code.ShouldBe(0), said => said.Text.ShouldContain("It fits."));
        (await RunAsync(token, "forecast", "--database", RunningBroker.PlannedDatabase, "--pods", "100", "--connections", "5")).ShouldSatisfyAllConditions(
            said => said.Code.ShouldBe(1), said => said.Text.ShouldContain("It does not fit."));
        (await RunAsync(token, "forecast", "--database", "nowhere", "--pods", "1", "--connections", "1")).ShouldSatisfyAllConditions(
            said => said.Code.ShouldBe(2), said => said.Text.ShouldContain("There is no database 'nowhere'"));
        (await RunAsync(token, "budgets")).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(0), said => said.Text.ShouldContain(RunningBroker.PlannedDatabase));
        (await RunAsync(token, "leases")).Code.ShouldBe(0);
        (await RunAsync("nobody", "budgets")).ShouldSatisfyAllConditions(said => said.Code.ShouldBe(2), said => said.Text.ShouldContain("Unauthenticated", Case.Insensitive));
    }

    // A database that was not counted yet has room for nobody.
    private async Task CountedAsync()
    {
        using var viewer = await broker.ViewerAsync();
        await Eventually.HoldsAsync(
            async () => (await AskAsync(viewer, RunningBroker.PlannedDatabase, """{"pods":1,"connectionsPerPod":1,"surge":0}"""))["fits"]!.GetValue<bool>(),
            "the database is counted", Cancel);
    }

    private async Task<(int Code, string Text)> RunAsync(string token, params string[] words) =>
        await CommandLine.RunAsync([.. words, "--address", (await broker.AddressAsync()).ToString(), "--token", token]);

    private static StringContent Json(string body) => new(body, Encoding.UTF8, "application/json");

    private static async Task<JsonObject> AskAsync(HttpClient viewer, string database, string body)
    {
        using var answer = await viewer.PostAsync(new Uri($"api/v1/budgets/{database}/forecast", UriKind.Relative), Json(body), Cancel);
        answer.StatusCode.ShouldBe(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync(Cancel));
        return await answer.JsonAsync();
    }
}
