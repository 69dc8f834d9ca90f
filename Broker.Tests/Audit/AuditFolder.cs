using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Microsoft.Extensions.Logging;
using Shouldly;

namespace Broker.Tests.Audit;

/// <summary>A directory of its own for one test, the records it writes, and what the audit logged.</summary>
public sealed class AuditFolder : ILogger<JsonLinesAudit>, IDisposable
{
    private const int Unsigned = 5008;

    private readonly List<int> events = [];

    public string Root { get; } = Directory.CreateTempSubdirectory("broker-audit-").FullName;

    public string Path => System.IO.Path.Combine(Root, "audit.jsonl");

    /// <summary>What the audit logged, but for what it says at its start when it does not sign.</summary>
    public int[] Events
    {
        get { lock (events) return [.. events.Where(id => id != Unsigned)]; }
    }

    public bool IsSaidToBeUnsigned
    {
        get { lock (events) return events.Contains(Unsigned); }
    }

    public static AuditRecord Record(string holder) => new()
    {
        Time = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero),
        Action = AuditAction.Claim,
        Outcome = AuditOutcome.Granted,
        HolderId = holder,
    };

    public JsonLinesAudit Open(TimeProvider? time = null, string? path = null, bool fsync = false, AuditLimits? limits = null) =>
        new(new AuditSettings { Path = path ?? Path, Fsync = fsync }, time ?? TimeProvider.System, this, limits);

    /// <summary>The holders in a file, line by line; every line has to be JSON, and the chain's own lines are passed over.</summary>
    public static string[] Holders(string path) => Holders(Records(path));

    public static string[] Holders(IEnumerable<string> records) =>
        [.. records.Select(line => JsonDocument.Parse(line).RootElement.GetProperty("holderId").GetString()!)];

    /// <summary>The lines of a file that are not the chain's own.</summary>
    public static string[] Records(string path) => [.. Lines(path).Where(line => !IsOfChain(line))];

    public static bool IsOfChain(string line) => line.Contains("\"event\":", StringComparison.Ordinal);

    /// <summary>The lines of a file, each of which has to end.</summary>
    public static string[] Lines(string path)
    {
        var text = File.ReadAllText(path, new UTF8Encoding(false, throwOnInvalidBytes: true));
        if (text.Length == 0) return [];
        text.ShouldEndWith("\n");
        return text[..^1].Split('\n');
    }

    public static void Run(string program, params string[] arguments) => TryRun(program, arguments).ShouldBeTrue($"{program} failed");

    public static bool TryRun(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);

    void ILogger.Log<TState>(LogLevel level, EventId id, TState state, Exception? e, Func<TState, Exception?, string> format)
    {
        lock (events) events.Add(id.Id);
    }

    bool ILogger.IsEnabled(LogLevel level) => true;

    IDisposable? ILogger.BeginScope<TState>(TState state) => null;
}
