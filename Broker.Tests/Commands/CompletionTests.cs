using Broker.Api.Commands;
using Shouldly;
using Spectre.Console;
using Xunit;

namespace Broker.Tests.Commands;

/// <summary>What a shell completes.</summary>
public sealed class CompletionTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("fore", "forecast")]
    [InlineData("pau", "pause")]
    [InlineData("forecast --pod", "--pods")]
    [InlineData("holders --nam", "--namespace")]
    [InlineData("completion b", "bash")]
    public async Task What_is_typed_is_completed(string typed, string with) =>
        (await RunAsync($"[suggest:{typed.Length}]", typed)).Split('\n', StringSplitOptions.TrimEntries).ShouldContain(with);

    [Theory]
    [InlineData("bash", "complete -F _broker broker")]
    [InlineData("zsh", "compdef _broker broker")]
    [InlineData("fish", "complete -f -c broker")]
    public async Task Each_shell_has_its_script(string shell, string line) => (await RunAsync("completion", shell)).ShouldContain(line);

    private static async Task<string> RunAsync(params string[] words)
    {
        using var text = new StringWriter();
        var console = AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(text), Ansi = AnsiSupport.No });
        await BrokerCommands.Create(console).Parse(words).InvokeAsync(new() { Output = text }, Cancel);
        return text.ToString();
    }
}
