using System.CommandLine;
using Broker.Api.Commands;
using Broker.Tests.Deployment;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Shouldly;
using Spectre.Console;
using Xunit;

namespace Broker.Tests.Commands;

/// <summary>A pipeline decides by what a command ends with: the same however it prints, and never "no" when there is no answer.</summary>
public sealed class ExitCodesTests : IAsyncLifetime
{
    private readonly WebApplication broker;

    public ExitCodesTests()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        broker = builder.Build();
        broker.MapPost("/api/v1/budgets/{database}/forecast", (string database) => Results.Json(new { fits = database == "roomy", summary = "So many." }));
        broker.MapGet("/api/v1/budgets/{database}/findings", (string database) => Results.Json(new
        {
            database,
            unseen = database == "away" ? "it does not answer" : null,
            findings = database == "unfit" ? new[] { new { kind = "problem", title = "t", words = "w" } } : [],
        }));
    }

    public static TheoryData<string> Verbs => [.. All(BrokerCommands.Create(AnsiConsole.Console), []).Select(static verb => string.Join(' ', verb.Path))];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await broker.StartAsync(Cancellation);

    public ValueTask DisposeAsync() => broker.DisposeAsync();

    [Theory]
    [InlineData(0, "forecast --database roomy --pods 2 --connections 5")]
    [InlineData(1, "forecast --database full --pods 2 --connections 5")]
    [InlineData(2, "forecast --database full --pods 2 --connections 5 --surge many")]
    [InlineData(0, "examine fit")]
    [InlineData(1, "examine unfit")]
    [InlineData(1, "examine away")]
    [InlineData(2, "leases")] // 404
    [InlineData(2, "budgets")]
    public async Task The_answer_is_the_same_as_a_table_and_as_JSON(int code, string words)
    {
        foreach (var form in new string[][] { [], ["--json"] })
            (await RunAsync(Cancellation, [.. words.Split(' '), .. form])).ShouldBe(code, string.Join(' ', form));
    }

    [Fact]
    public async Task Who_is_interrupted_has_no_answer()
    {
        using var stopped = new CancellationTokenSource();
        await stopped.CancelAsync();

        (await RunAsync(stopped.Token, "forecast", "--database", "roomy", "--pods", "2", "--connections", "5")).ShouldBe(2);
        (await RunAsync(stopped.Token, "rotate", "orders-api", "--reason", "why")).ShouldBe(2);
    }

    [Theory]
    [MemberData(nameof(Verbs))]
    public async Task A_wrong_command_line_is_no_answer(string verb) =>
        (await BrokerCommands.RunAsync(BrokerCommands.Create(CommandLine.ConsoleInto(TextWriter.Null)), [.. verb.Split(' '), "--no-such-option"], TextWriter.Null)).ShouldBe(2);

    [Theory]
    [InlineData("no-such-verb")]
    [InlineData("audit")]
    public async Task A_verb_that_is_none_is_no_answer(string words) =>
        (await BrokerCommands.RunAsync(BrokerCommands.Create(CommandLine.ConsoleInto(TextWriter.Null)), words.Split(' '), TextWriter.Null)).ShouldBe(2);

    [Fact]
    public void Each_verb_that_can_say_no_is_in_the_table_and_says_so_in_its_help()
    {
        var no = Repository.Read("docs/configuration.md").Split('\n').Single(static line => line.StartsWith("| 1 | the answer is no.", StringComparison.Ordinal));
        foreach (var (path, command) in All(BrokerCommands.Create(AnsiConsole.Console), []))
        {
            var verb = string.Join(' ', path);
            no.Contains($" `{verb}`: ", StringComparison.Ordinal).ShouldBe(command.Description!.Contains("xit code", StringComparison.Ordinal), verb);
        }
    }

    private static IEnumerable<(string[] Path, Command Command)> All(Command command, string[] path) =>
        command.Subcommands.SelectMany(one => one.Subcommands.Count > 0 ? All(one, [.. path, one.Name]) : [([.. path, one.Name], one)]);

    private async Task<int> RunAsync(CancellationToken cancellation, params string[] words)
    {
        var address = broker.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        await using var text = new StringWriter();
        return await CommandLine.RunAsync(text, cancellation, [.. words, "--address", address, "--token", "t"]);
    }
}
