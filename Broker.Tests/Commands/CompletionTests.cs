using Shouldly;
using Xunit;

namespace Broker.Tests.Commands;

/// <summary>What a shell completes.</summary>
public sealed class CompletionTests
{
    [Theory]
    [InlineData("fore", "forecast")]
    [InlineData("pau", "pause")]
    [InlineData("forecast --pod", "--pods")]
    [InlineData("holders --nam", "--namespace")]
    [InlineData("completion b", "bash")]
    public async Task What_is_typed_is_completed(string typed, string with) =>
        (await CommandLine.RunAsync($"[suggest:{typed.Length}]", typed)).Text.Split('\n', StringSplitOptions.TrimEntries).ShouldContain(with);

    [Theory]
    [InlineData("bash", "complete -F _broker broker")]
    [InlineData("zsh", "compdef _broker broker")]
    [InlineData("fish", "complete -f -c broker")]
    public async Task Each_shell_has_its_script(string shell, string line) => (await CommandLine.RunAsync("completion", shell)).Text.ShouldContain(line);
}
