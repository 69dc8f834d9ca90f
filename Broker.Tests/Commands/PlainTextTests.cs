using Broker.Api.Commands;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Shouldly;
using Xunit;

namespace Broker.Tests.Commands;

/// <summary>What callers, databases and operators named themselves steers the terminal of nobody who asks for it.</summary>
public sealed class PlainTextTests : IAsyncLifetime
{
    private const string Steers = @"me\u001b]0;\u009b2J\u0007\r";

    private readonly WebApplication broker;
    private string answer = "";
    private int status = 200;

    public PlainTextTests()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        broker = builder.Build();
        broker.MapFallback(() => Results.Text(answer.Replace("STEERS", Steers, StringComparison.Ordinal), "application/json", statusCode: status));
    }

    public async ValueTask InitializeAsync() => await broker.StartAsync(TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync() => await broker.DisposeAsync();

    [Theory]
    [InlineData("others orders", """{"database":"STEERS","others":[{"username":"STEERS","program":"STEERS","address":"STEERS","role":"STEERS","open":{"connections":1}}],"unseen":"STEERS"}""")]
    [InlineData("holders", """{"total":1,"page":1,"pages":1,"holders":[{"id":"STEERS","role":"STEERS","caller":"STEERS","team":"STEERS","node":"STEERS"}],"unseen":[{"database":"STEERS","why":"STEERS"}]}""")]
    [InlineData("line orders", """{"waiting":[{"holder":"STEERS","caller":"STEERS","want":1}]}""")]
    [InlineData("leases", """{"leases":[{"id":"STEERS","database":"STEERS","role":"STEERS","state":"STEERS","username":"STEERS","reason":"STEERS"}]}""")]
    [InlineData("examine orders", """{"database":"STEERS","findings":[{"kind":"notice","title":"STEERS","words":"STEERS","sql":"STEERS\nSTEERS"}],"unseen":"STEERS"}""")]
    [InlineData("history orders", """{"stretchSeconds":60,"stretches":[{"start":"2030-01-01T00:00:00Z"}],"peaks":[{"role":"STEERS"}],"refusals":[{"role":"STEERS","code":"STEERS","caller":"STEERS","words":"STEERS"}]}""")]
    [InlineData("budgets", """{"budgets":[{"database":"STEERS","roles":[{"role":"STEERS"}],"ceilingOrder":{"ceiling":1,"reason":"STEERS","by":"STEERS"}}]}""")]
    [InlineData("forecast --database orders --pods 1 --connections 1", """{"fits":true,"summary":"STEERS"}""")]
    public async Task L15_Nothing_that_somebody_wrote_steers_the_terminal_of_a_command(string command, string says)
    {
        answer = says;
        await ShowsPlainlyAsync(command.Split(' '));
        await ShowsPlainlyAsync([.. command.Split(' '), "--json"]);

        (answer, status) = ("""{"code":"not-allowed","detail":"STEERS"}""", 403);
        await ShowsPlainlyAsync(command.Split(' '));
    }

    [Fact]
    public void L15_Nothing_of_a_token_that_is_explained_steers_the_terminal()
    {
        const string Steering = "me\u001b]0;\u009b2J\u0007\r";
        using var text = new StringWriter();
        ExplainCommand.Write(
            CommandLine.ConsoleInto(text),
            new(true, null, new("ci", Steering, Steering, null, null, null, DateTimeOffset.UnixEpoch), false, Steering, [new("ci", true, [new(Steering, Steering, [Steering], false)], false)]));

        text.ToString().ShouldContain("me");
        text.ToString().Where(static letter => char.IsControl(letter) && letter is not '\n').ShouldBeEmpty();
    }

    private async Task ShowsPlainlyAsync(string[] words)
    {
        var address = broker.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        var (_, text) = await CommandLine.RunAsync([.. words, "--address", address, "--token", "t"]);

        text.ShouldContain("me");
        text.Where(static letter => char.IsControl(letter) && letter is not '\n').ShouldBeEmpty(text);
    }
}
