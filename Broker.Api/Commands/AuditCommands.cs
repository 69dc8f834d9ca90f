using System.CommandLine;
using System.Globalization;
using Broker.Api.Fronts.Native.Problems;
using Broker.Core.Audit.Reading;
using Spectre.Console;

namespace Broker.Api.Commands;

/// <summary><c>broker audit verify</c> and <c>broker audit query</c>.</summary>
internal static class AuditCommands
{
    public static Command Create(IAnsiConsole console) => new("audit", "Reads audit files.") { Verify(console), Query(console) };

    private static Command Verify(IAnsiConsole console)
    {
        var files = Files();
        var keys = new Option<FileInfo[]>("--key") { Description = "PEM file of the checkpoints' EC key, public or private; repeat the option for each older key. Without a key, no signature is verified." };
        keys.AcceptExistingOnly();
        var anchors = new Option<FileInfo[]>("--anchors")
        {
            Description = "The broker's log, or the copy that syslog or a collector keeps: every checkpoint in it must also be in the audit. This finds records that were cut off together with the checkpoint beside the file.",
        };
        anchors.AcceptExistingOnly();
        var sink = new Option<string>("--sink") { Description = "The sink that the files were copied from, when they are not the audit's own: - (standard output), syslog or otlp." };
        sink.AcceptOnlyFromAmong("-", "syslog", "otlp");
        var noHead = new Option<bool>("--no-head") { Description = "The last checkpoint (.head) was not copied: records missing at the end cannot be detected." };
        var command = new Command("verify", "Finds changed, missing and reordered records. Exit code 1 when there are any, 2 when a file cannot be read.") { files, keys, anchors, sink, noHead };
        command.SetAction(result => Guarded(console, () =>
        {
            var verified = ChainVerifier.Against(Paths(result, files), new VerifyOptions
            {
                KeysPem = [.. (result.GetValue(keys) ?? []).Select(static file => File.ReadAllText(file.FullName))],
                Anchors = [.. (result.GetValue(anchors) ?? []).Select(static file => file.FullName)],
                Sink = result.GetValue(sink),
                WantsHead = !result.GetValue(noHead),
            });
            foreach (var problem in verified.Problems) console.MarkupLineInterpolated($"[red]{Plain(problem)}[/]");
            foreach (var note in verified.Notes) console.MarkupLineInterpolated($"[yellow]{Plain(note)}[/]");
            console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{verified.Records} records, {verified.Checkpoints} signatures verified: {(verified.Problems.Count == 0 ? "no record is changed, missing or out of order." : "this audit is not as it was written.")}"));
            return verified.Problems.Count == 0 ? ExitCodes.Done : ExitCodes.No;
        }));
        return command;
    }

    private static Command Query(IAnsiConsole console)
    {
        var files = Files();
        var user = new Option<string>("--user") { Description = "The database user's name.", Required = true };
        var at = new Option<DateTimeOffset>("--at")
        {
            Description = "The time, e.g. 2026-03-01T12:00:00Z (RFC 3339; UTC when it names no offset).",
            Required = true,
            CustomParser = result =>
            {
                if (DateTimeOffset.TryParse(result.Tokens.Single().Value, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)) return time;
                result.AddError("--at is not a time; write it as 2026-03-01T12:00:00Z.");
                return default;
            },
        };
        var command = new Command("query", "Tells who held a database user at a given time. Exit code 1 when nobody did, 2 when a file cannot be read.") { files, user, at };
        command.SetAction(result => Guarded(console, () =>
        {
            var held = HolderQuery.At(Paths(result, files), result.GetRequiredValue(user), result.GetValue(at));
            if (held.Count == 0)
            {
                console.WriteLine("According to these files, nobody held it then.");
                return ExitCodes.No;
            }

            var table = new Table().AddColumns("caller", "pod", "role", "holder", "lease", "connections", "from", "until", "ended", "trace");
            foreach (var row in held)
            {
                table.AddRow(new[]
                {
                    row.Caller, row.PodUid ?? "-", row.Role ?? "-", row.Holder, row.Lease ?? "-", row.Connections.ToString(CultureInfo.InvariantCulture),
                    Time(row.From), Time(row.Until), row.Ended ?? "-", row.TraceId ?? "-",
                }.Select(static cell => Markup.Escape(Plain(cell))).ToArray());
            }

            console.Write(table);
            return ExitCodes.Done;
        }));
        return command;
    }

    private static Argument<string[]> Files() => new("file")
    {
        Description = "Audit files of one replica, including rotated ones; a trailing * matches every file that begins with what precedes it.",
        Arity = ArgumentArity.OneOrMore,
    };

    // The checkpoint kept beside a file is not an audit file, although its name begins the same way.
    private static string[] Paths(ParseResult result, Argument<string[]> files) => [.. result.GetRequiredValue(files).SelectMany(path => path.EndsWith('*')
        ? Directory.EnumerateFiles(Path.GetDirectoryName(Path.GetFullPath(path))!, Path.GetFileName(path))
        : [path]).Where(path => !path.EndsWith(".head", StringComparison.Ordinal) && !path.EndsWith(".head.new", StringComparison.Ordinal)).Distinct(StringComparer.Ordinal)];

    private static int Guarded(IAnsiConsole console, Func<int> run)
    {
        try
        {
            return run();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            console.MarkupLineInterpolated($"[red]{Plain(e.Message)}[/]");
            return ExitCodes.NoAnswer;
        }
    }

    // Whoever can write the audit could otherwise steer the terminal, and say there what its reader is to believe (law L15).
    private static string Plain(string text) => RefusalWriter.OneLine(text);

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
