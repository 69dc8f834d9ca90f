using System.CommandLine;

namespace LoadTests.FromOutside.Chaos.Drill;

/// <summary><c>loadtests drill</c>: loses what a recovery has to bring back, while pods are at work, and writes down how it went.</summary>
internal static class DrillCommand
{
    /// <summary>Redis with all that is in it, Vault, and every replica.</summary>
    private static readonly string[] Parts = ["redis-emptied", "vault-sealed", "replicas-rolled"];

    public static Command Create()
    {
        var report = new Option<FileInfo?>("--report") { Description = "Write the report here, as the broker reads it (Broker:Drill:ReportFile)." };
        var page = new Option<FileInfo?>("--page") { Description = "Write it here as Markdown." };
        var pods = CommandOptions.Number("--pods", "Pods that exist at the same time", 16, 4, 1_000);
        var only = new Option<string[]>("--part") { Description = "Only this part (can be repeated). A drill of a part writes no report.", AllowMultipleArgumentsPerToken = true };
        only.AcceptOnlyFromAmong(Parts);
        var command = new Command("drill", "Run a recovery drill: lose Redis, Vault and the replicas and bring them back, one after the other, while pods work. Exit code 1: somebody was locked out, or a law was broken.")
        {
            report, page, pods, only,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var wanted = parsed.GetValue(only) is { Length: > 0 } some ? some : Parts;
            var done = await RunAsync(wanted, new() { Pods = parsed.GetValue(pods) }, Console.Error.WriteLine, TimeProvider.System, cancellation);
            Console.Out.Write(done.ToMarkdown());
            if (wanted.Length < Parts.Length) return done.Passed ? 0 : 1;
            if (parsed.GetValue(report) is { } file) await File.WriteAllTextAsync(file.FullName, done.ToJson(), cancellation);
            if (parsed.GetValue(page) is { } text) await File.WriteAllTextAsync(text.FullName, done.ToMarkdown(), cancellation);
            return done.Passed ? 0 : 1;
        });
        return command;
    }

    public static async Task<DrillReport> RunAsync(IReadOnlyList<string> parts, ChaosSettings settings, Action<string> say, TimeProvider time, CancellationToken cancellation)
    {
        var startedAt = time.GetUtcNow();
        var results = new List<ChaosResult>();
        foreach (var part in parts) results.Add(await new ChaosRun(settings, Misfortunes.Named(part), say, time).RunAsync(cancellation));
        return DrillReport.Of(startedAt, time.GetUtcNow(), results);
    }
}
