using System.Text.Json.Nodes;

namespace LoadTests.FromOutside.Chaos;

/// <summary>The audit of all replicas, held against what their callers saw (L7).</summary>
internal sealed class AuditTrail
{
    private readonly ILookup<string, Line> byTrace;
    private readonly IReadOnlyList<Line> lines;

    private AuditTrail(IReadOnlyList<Line> lines)
    {
        this.lines = lines;
        byTrace = lines.ToLookup(line => line.Trace, StringComparer.Ordinal);
    }

    public static async Task<AuditTrail> ReadAsync(IEnumerable<string> files, CancellationToken cancellation)
    {
        var lines = new List<Line>();
        foreach (var file in files)
        {
            // A replica that is at work holds a lock on its file, which readers pass by.
            await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(stream);
            while (await reader.ReadLineAsync(cancellation) is { } text)
            {
                var line = JsonNode.Parse(text)!;
                if (line["traceId"]?.GetValue<string>() is { } trace)
                    lines.Add(new(trace, line["refusal"]?.GetValue<string>() ?? line["outcome"]!.GetValue<string>(), file, line["caller"]?["podUid"]?.GetValue<string>()));
            }
        }

        return new AuditTrail(lines);
    }

    /// <summary>How many lines there are for some calls.</summary>
    public int Count(IEnumerable<Call> calls) => calls.Sum(call => byTrace[call.Trace].Count());

    /// <summary>What is wrong; null: nothing.</summary>
    public string? Mistake(IReadOnlyCollection<Call> calls)
    {
        var strange = Strange(calls);
        foreach (var call in calls)
        {
            var found = byTrace[call.Trace].ToArray();
            // What cannot be written says so.
            if (call.Outcome is null or "audit-unavailable") continue;
            if (found.Length != 1) return $"a call of {call.Replica} was answered '{call.Outcome}', and the audit has {found.Length} lines of it (trace {call.Trace}). {strange}";
            if (found[0].Outcome != call.Outcome) return $"a call of {call.Replica} was answered '{call.Outcome}', and the audit says '{found[0].Outcome}' (trace {call.Trace})";
        }

        return strange ?? Disorder(calls.Where(call => call.Outcome is not null).ToDictionary(call => call.Trace, StringComparer.Ordinal));
    }

    // A line under another trace than its call's is one that no request caused.
    private string? Strange(IReadOnlyCollection<Call> calls)
    {
        var sent = calls.Select(call => call.Trace).ToHashSet(StringComparer.Ordinal);
        var strange = lines.Where(line => line.Pod is not null && !sent.Contains(line.Trace)).ToArray();
        return strange.Length == 0 ? null : $"The audit has {strange.Length} lines of pods that belong to no call, such as '{strange[0].Outcome}' of pod {strange[0].Pod} (trace {strange[0].Trace})";
    }

    // A pod's next call is sent when the one before was answered; so its line comes later.
    private string? Disorder(Dictionary<string, Call> answered)
    {
        foreach (var ofPod in lines.Where(line => line.Pod is not null && answered.ContainsKey(line.Trace)).GroupBy(line => (line.File, line.Pod)))
        {
            var before = long.MinValue;
            foreach (var line in ofPod)
            {
                if (answered[line.Trace].Answered < before) return $"the audit has the lines of pod {line.Pod} in another order than its calls (trace {line.Trace})";
                before = Math.Max(before, answered[line.Trace].Asked);
            }
        }

        return null;
    }

    private sealed record Line(string Trace, string Outcome, string File, string? Pod);
}
