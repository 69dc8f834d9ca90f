using System.CommandLine;
using Spectre.Console;

namespace Broker.Api.Commands;

/// <summary><c>broker completion</c>: prints the script with which a shell completes what is typed. The script asks the program itself, through its <c>[suggest]</c> directive.</summary>
internal static class CompletionCommand
{
    private static readonly Dictionary<string, string> Scripts = new(StringComparer.Ordinal)
    {
        ["bash"] = """
            _broker() {
              local line="${COMP_LINE:0:COMP_POINT}"
              local rest="${line#* }"
              local IFS=$'\n'
              COMPREPLY=( $(compgen -W "$(broker "[suggest:${#rest}]" "$rest" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}") )
            }
            complete -F _broker broker
            """,
        ["zsh"] = """
            _broker() {
              local line="${BUFFER[1,CURSOR]}"
              local rest="${line#* }"
              compadd -- ${(f)"$(broker "[suggest:${#rest}]" "$rest" 2>/dev/null)"}
            }
            compdef _broker broker
            """,
        ["fish"] = """
            function __broker_complete
              set -l rest (commandline -cp | string replace -r '^\S+\s' '')
              broker "[suggest:"(string length -- "$rest")"]" "$rest" 2>/dev/null
            end
            complete -f -c broker -a '(__broker_complete)'
            """,
    };

    public static Command Create(IAnsiConsole console)
    {
        var shell = new Argument<string>("shell") { Description = "bash, zsh or fish." };
        shell.AcceptOnlyFromAmong([.. Scripts.Keys]);
        var command = new Command("completion", "Prints the script that makes a shell complete broker's commands: source <(broker completion bash).") { shell };
        command.SetAction(result => console.Profile.Out.Writer.WriteLine(Scripts[result.GetRequiredValue(shell)].ReplaceLineEndings("\n")));
        return command;
    }
}
