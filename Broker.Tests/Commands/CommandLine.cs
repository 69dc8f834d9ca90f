using Broker.Api.Commands;
using Spectre.Console;
using Xunit;

namespace Broker.Tests.Commands;

/// <summary>The command line, run in this process; what it says goes into a text.</summary>
internal static class CommandLine
{
    /// <summary>Runs it: what it ends with, and all that it says.</summary>
    public static async Task<(int Code, string Text)> RunAsync(params string[] words)
    {
        await using var text = new StringWriter();
        var code = await RunAsync(text, TestContext.Current.CancellationToken, words);
        return (code, text.ToString());
    }

    /// <summary>Runs it until it ends or is cancelled; <paramref name="text"/> gets what it says as it comes.</summary>
    public static Task<int> RunAsync(TextWriter text, CancellationToken cancellation, params string[] words) =>
        BrokerCommands.Create(ConsoleInto(text)).Parse(words, BrokerCommands.Parsing).InvokeAsync(new() { Output = text, Error = text }, cancellation);

    /// <summary>A console that writes no colours and breaks no lines that a test reads.</summary>
    public static IAnsiConsole ConsoleInto(TextWriter text)
    {
        var console = AnsiConsole.Create(new() { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = 1000;
        return console;
    }
}
