using Broker.Api.Commands;
using Shouldly;
using Spectre.Console;
using Xunit;

namespace Broker.Tests.Commands;

/// <summary>Files and words that are no good end a command with one line that says so, and an exit code that is not 0.</summary>
public sealed class CommandFaultsTests : IDisposable
{
    private readonly string directory = Directory.CreateTempSubdirectory("broker-commands-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Theory]
    [InlineData(2, "Could not find file", "audit", "verify", "HERE/nothing")]
    [InlineData(2, "denied", "audit", "verify", "HERE")]
    [InlineData(2, "Could not find a part of the path", "audit", "verify", "/nowhere/x*")]
    [InlineData(1, "is not a record of the chain", "audit", "verify", "HERE/garbage")]
    [InlineData(2, "It is not an EC key in PEM", "audit", "verify", "HERE/garbage", "--key", "HERE/garbage")]
    [InlineData(2, "denied", "audit", "verify", "HERE/garbage", "--anchors", "HERE")]
    [InlineData(2, "Could not find file", "audit", "query", "HERE/nothing", "--user", "u", "--at", "2026-01-01")]
    [InlineData(2, "Could not find file 'HERE/nothing'", "budgets", "--address", "http://127.0.0.1:1", "--token", "@HERE/nothing")]
    [InlineData(2, "denied", "budgets", "--address", "http://127.0.0.1:1", "--token", "@HERE")]
    [InlineData(2, "There is no token in HERE/empty: a token is one line of text", "budgets", "--address", "http://127.0.0.1:1", "--token", "@HERE/empty")]
    [InlineData(2, "There is no token in HERE/garbage: a token is one line of text", "leases", "--address", "http://127.0.0.1:1", "--token", "@HERE/garbage")]
    [InlineData(2, "There is no token in --token: a token is one line of text", "rotate", "orders-api", "--reason", "why", "--address", "http://127.0.0.1:1", "--token", "a\nb")]
    [InlineData(2, "http://127.0.0.1:1/ does not answer", "budgets", "--address", "http://127.0.0.1:1", "--token", "@HERE/token")]
    [InlineData(2, "http://127.0.0.1:1/ does not answer", "budgets", "--address", "http://127.0.0.1:1", "--token", "tökèn")]
    public async Task A_command_says_in_a_line_what_is_no_good(int code, string says, params string[] args)
    {
        await File.WriteAllTextAsync(Path.Combine(directory, "garbage"), "gar\nbage\n", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(directory, "empty"), "", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(Path.Combine(directory, "token"), "a-token\n", TestContext.Current.CancellationToken);
        await using var said = new StringWriter();

        (await BrokerCommands.RunAsync(BrokerCommands.Create(CommandLine.ConsoleInto(said)), [.. args.Select(Here)], said)).ShouldBe(code);

        said.ToString().ShouldContain(Here(says));
        said.ToString().ShouldNotContain("   at ");
    }

    [Fact]
    public async Task What_nobody_foresaw_is_one_line_too()
    {
        await using var error = new StringWriter();
        var root = BrokerCommands.Create(AnsiConsole.Console);
        var broken = new System.CommandLine.Command("broken");
        broken.SetAction((System.CommandLine.ParseResult _) => Break());
        root.Subcommands.Add(broken);

        (await BrokerCommands.RunAsync(root, ["broken"], error)).ShouldBe(2);

        error.ToString().ShouldBe("broker broken: It broke in two lines: No space left on device. The disk is full: make room, or put the file elsewhere." + Environment.NewLine);
    }

    private static int Break() => throw new InvalidOperationException("It broke\nin two lines.", new IOException("No space left on device", 28));

    private string Here(string word) => word.Replace("HERE", directory, StringComparison.Ordinal);
}
