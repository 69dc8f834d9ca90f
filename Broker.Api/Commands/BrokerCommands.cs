using System.CommandLine;
using System.CommandLine.Invocation;
using Broker.Api.Commands.Remote;
using Broker.Api.Starting;
using Spectre.Console;

namespace Broker.Api.Commands;

/// <summary>The commands of <c>broker</c>: its first argument selects one. Without a command it serves requests.</summary>
internal static class BrokerCommands
{
    private const int WidthOfFiles = 400;

    /// <summary>Turns off the library's response files: a word that begins with <c>@</c> is an ordinary argument, such as a token's file (<see cref="TokenText"/>) or a reason.</summary>
    public static ParserConfiguration Parsing { get; } = new() { ResponseFileTokenReplacer = null };

    /// <summary>Runs a command. Null when there is none, so that the broker serves.</summary>
    public static Task<int>? Run(string[] args)
    {
        var console = AnsiConsole.Console;
        // A file or a pipe has no width; a table cut to 80 columns would be unreadable in it.
        if (!console.Profile.Out.IsTerminal) console.Profile.Width = WidthOfFiles;
        var root = Create(console);
        // A word that looks like an option, or sets a value, is configuration; any other word is a command, or was meant to be one.
        return args.Length > 0 && (args[0].StartsWith("[suggest", StringComparison.Ordinal) || args[0] is "--help" or "-h" or "-?" or "--version" || !(args[0].StartsWith('-') || args[0].StartsWith('/') || args[0].Contains('=')))
            ? RunAsync(root, args, Console.Error)
            : null;
    }

    /// <summary>Runs a command; an unexpected exception is also reported in one line, never as a stack trace.</summary>
    public static async Task<int> RunAsync(RootCommand root, string[] args, TextWriter error)
    {
        try
        {
            var parsed = root.Parse(args, Parsing);
            // A mistake prints one line; help is printed only on request.
            var mistake = parsed.Action as ParseErrorAction;
            if (mistake is not null) mistake.ShowHelp = false;
            var code = await parsed.InvokeAsync(new() { EnableDefaultExceptionHandler = false });
            return mistake is null ? code : ExitCodes.NoAnswer;
        }
        catch (Exception fault)
        {
            await error.WriteLineAsync($"broker {args.FirstOrDefault()}: {PlainText.Of(StartFaults.Describe(fault))}");
            return ExitCodes.NoAnswer;
        }
    }

    /// <summary>All of them.</summary>
    public static RootCommand Create(IAnsiConsole console) => new("The broker. Without a command it serves requests; docs/configuration.md describes its configuration.")
    {
        AuditCommands.Create(console),
        AdminTokenCommand.Create(),
        AdminTokenCommand.CreateLink(),
        SecretIdCommand.Create(),
        ExplainCommand.Create(console),
        BudgetCommands.Budgets(console),
        HistoryCommand.Create(console),
        ExamineCommand.Create(console),
        BudgetCommands.Forecast(console),
        BudgetCommands.Ceiling(console),
        LeaseCommands.Leases(console),
        HolderCommands.Holders(console),
        HolderCommands.Others(console),
        HolderCommands.Line(console),
        OrderCommands.Rotate(console),
        OrderCommands.Pause(console),
        OrderCommands.Drain(console),
        OrderCommands.Resume(console),
        OrderCommands.Revoke(console),
        OrderCommands.EndHolder(console),
        ShadowCommand.Create(console),
        HealthCommand.Create(),
        CheckCommand.Create(console),
        CompletionCommand.Create(console),
    };
}
