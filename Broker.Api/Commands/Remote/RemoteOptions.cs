using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;

namespace Broker.Api.Commands.Remote;

/// <summary>
/// The options of every command that calls a running broker: its address, the caller's token, and how to print the answer. It ends with one of
/// <see cref="ExitCodes"/>.
/// </summary>
internal sealed class RemoteOptions
{
    private readonly Option<Uri?> address = AddressOption.Create("The broker's base address, e.g. https://broker.broker.svc. Default: the environment variable BROKER_ADDR.");
    private readonly Option<string?> token = new("--token")
    {
        Description = "Your token; - reads it from standard input, @FILE from a file, so that no process list shows it. Default: the environment variable BROKER_TOKEN.",
    };

    private readonly Option<bool> json = new("--json") { Description = "Print the broker's JSON instead of a table." };
    private readonly Option<int> watch = new("--watch")
    {
        Description = "Refresh at this interval in seconds (2 when no number is given) until Ctrl-C, also while the broker does not answer.",
        Arity = ArgumentArity.ZeroOrOne,
        DefaultValueFactory = _ => 0,
        CustomParser = result =>
        {
            if (result.Tokens.Count == 0) return 2;
            if (int.TryParse(result.Tokens[0].Value, out var seconds) && seconds is > 0 and <= 3600) return seconds;
            result.AddError("--watch must be 1 to 3600 seconds.");
            return 0;
        },
    };

    /// <summary>Creates a command that shows an answer.</summary>
    /// <param name="command">The command; gets the options.</param>
    /// <param name="ask">Asks the broker.</param>
    /// <param name="write">Writes the answer for people.</param>
    /// <param name="console">Where to.</param>
    /// <param name="isNo">Whether the answer is no; null: no answer is.</param>
    public Command Showing<T>(
        Command command, IAnsiConsole console, Func<RemoteBroker, ParseResult, CancellationToken, Task<JsonNode>> ask, Action<T> write, Func<T, bool>? isNo = null)
    {
        foreach (var option in new Option[] { address, token, json, watch }) command.Options.Add(option);
        command.SetAction((result, cancellation) => RunAsync(console, result, async broker =>
        {
            var code = Show(await ask(broker, result, cancellation));
            while (result.GetValue(watch) is > 0 and var seconds)
            {
                await Task.Delay(TimeSpan.FromSeconds(seconds), TimeProvider.System, cancellation);
                try
                {
                    var answer = await ask(broker, result, cancellation);
                    console.Clear();
                    Show(answer);
                }
                catch (RemoteException e)
                {
                    // A broker that is away for a while, in an incident or an upgrade, is asked again; its last answer stays on the screen.
                    Complain(console, e.Message);
                }
            }

            return code;

            int Show(JsonNode answer)
            {
                if (result.GetValue(json)) Print(console, answer);
                else write(Read(answer));
                return isNo is not null && isNo(Read(answer)) ? ExitCodes.No : ExitCodes.Done;
            }

            static T Read(JsonNode answer) => answer.Deserialize<T>(RemoteBroker.Json)!;
        }, cancellation));
        return command;
    }

    /// <summary>Creates a command that gives an order.</summary>
    public Command Ordering(Command command, IAnsiConsole console, Func<RemoteBroker, ParseResult, CancellationToken, Task<string>> order)
    {
        foreach (var option in new Option[] { address, token }) command.Options.Add(option);
        command.SetAction((result, cancellation) => RunAsync(console, result, async broker =>
        {
            console.WriteLine(await order(broker, result, cancellation));
            return ExitCodes.Done;
        }, cancellation));
        return command;
    }

    // Written without the console's layout, which would wrap long lines.
    private static void Print(IAnsiConsole console, JsonNode answer) =>
        console.Profile.Out.Writer.WriteLine(answer.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));

    private static void Complain(IAnsiConsole console, string why)
    {
        console.Write(new Text(PlainText.Of(why), new Style(Color.Red)));
        console.WriteLine();
    }

    private async Task<int> RunAsync(IAnsiConsole console, ParseResult result, Func<RemoteBroker, Task<int>> run, CancellationToken cancellation)
    {
        try
        {
            var where = result.GetValue(address) ?? FromEnvironment()
                ?? throw new RemoteException("No broker is named. Give --address, or set BROKER_ADDR.");
            var text = await TokenText.ReadAsync(
                result.GetValue(token) ?? Environment.GetEnvironmentVariable("BROKER_TOKEN")
                    ?? throw new RemoteException("No token is given. Give --token, or set BROKER_TOKEN; on the broker's server, `broker admin-token` makes one."),
                cancellation);
            using var broker = RemoteBroker.At(where, text);
            return await run(broker);
        }
        catch (Exception e) when (e is RemoteException or IOException or UnauthorizedAccessException)
        {
            Complain(console, e.Message);
            return ExitCodes.NoAnswer;
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // Whoever watches ends it like this; whoever only asked has no answer yet.
            return result.GetValue(watch) > 0 ? ExitCodes.Done : ExitCodes.NoAnswer;
        }
    }

    private static Uri? FromEnvironment() =>
        Environment.GetEnvironmentVariable("BROKER_ADDR") is not { Length: > 0 } text ? null
        : AddressOption.Read(text)
        ?? throw new RemoteException($"BROKER_ADDR is '{text}', which is not an address; write it as https://broker.broker.svc.");
}
