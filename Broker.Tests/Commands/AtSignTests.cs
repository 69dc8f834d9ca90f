using Broker.Api.Commands;
using Shouldly;
using Spectre.Console;
using Xunit;

namespace Broker.Tests.Commands;

/// <summary>Words that begin with an @ are what they look like, and never a file of further arguments.</summary>
public sealed class AtSignTests
{
    [Theory]
    [InlineData("explain --token @/var/run/secrets/broker/token --role orders-api")]
    [InlineData("budgets --token @missing --address http://localhost:1")]
    [InlineData("rotate orders-api --reason @alice-asked-for-it")]
    public void An_argument_may_begin_with_one(string line)
    {
        var words = line.Split(' ');
        var parsed = BrokerCommands.Create(AnsiConsole.Console).Parse(words, BrokerCommands.Parsing);

        parsed.Errors.Select(static error => error.Message).ShouldBeEmpty();
        parsed.Tokens.Select(static token => token.Value).ShouldBe(words);
    }

    [Fact]
    public async Task A_broker_whose_token_file_is_missing_says_which() =>
        (await CommandLine.RunAsync("budgets", "--token", "@/nowhere/token", "--address", "http://localhost:1")).Text.ShouldContain("/nowhere/token");
}
