using System.Globalization;
using Spectre.Console;

namespace LoadTests.FromInside.Capacity;

/// <summary>What the capacity model says, for people.</summary>
internal static class CapacityTable
{
    public static void Write(IAnsiConsole console, IReadOnlyList<CapacityResult> results, ServiceTimes times)
    {
        // A file or a pipe is as wide as it takes.
        if (!console.Profile.Out.IsTerminal) console.Profile.Width = 180;
        var plan = results[0].Plan;
        var hot = plan.HotPercent > 0 ? Text($" ({plan.HotPercent} % of the pods use one of them)") : "";
        var redis = plan.Masters == 1 ? "a single Redis" : Text($"a Redis Cluster of {plan.Masters} masters");
        var shared = plan.Processors > 0 ? Text($"; all share {plan.Processors} processors") : "";
        console.WriteLine(Text($"{plan.Pods:#,0} pods of {plan.Databases} databases{hot} start within {plan.Rollout.TotalSeconds:0.###} s; {redis}; processors of a replica: {plan.Cores}; a round trip of {plan.RoundTrip.TotalMilliseconds:0.###} ms{shared}; seed {plan.Seed}."));
        console.WriteLine(Text($"Service times: {times.TakenOn}."));

        var stations = FigureTable.New(console, "replicas", "where work waits", "busiest", "at work", "all of them", "longest queue", "wait p50", "p99", "grows from");
        foreach (var result in results)
            foreach (var row in result.Stations)
                stations.AddRow(
                    Text($"{result.Plan.Replicas}"), NameOf(row), row.Busiest, Text($"{row.Utilisation:0%}"), Text($"{row.Mean:0%}"), Text($"{row.LongestQueue:#,0}"), Milliseconds(row.P50), Milliseconds(row.P99),
                    row.GrowsFrom is { } from ? Text($"{from:0.0} s") : "–");
        console.Write(stations);

        var sums = FigureTable.New(console, "replicas", "all served after", "answer p50", "p99", "most", "told to come back", "claims per decision", "processor for 1,000 pods: replicas", "Redis", "idle load: each replica", "busiest master");
        foreach (var result in results)
            sums.AddRow(
                Text($"{result.Plan.Replicas}"), Text($"{result.Took:0.00} s"), Milliseconds(result.P50), Milliseconds(result.P99), Milliseconds(result.Most), Text($"{result.ToldToComeBack:#,0}"), Text($"{result.ClaimsADecision:0}"),
                Text($"{result.ReplicasPerThousand:0.000} s"), Text($"{result.RedisPerThousand:0.000} s"), Text($"{result.ReplicaRounds:0.0%}"), Text($"{result.MasterRounds:0.0%}"));
        console.Write(sums);
        foreach (var result in results) console.WriteLine(Text($"{result.Plan.Replicas} {(result.Plan.Replicas == 1 ? "replica" : "replicas")}: {Advice.Of(result)}"));
    }

    private static string NameOf(StationRow row) => row.Kind switch
    {
        StationKind.Replica => Text($"replicas' processors ({row.Count})"),
        StationKind.Master => Text($"Redis' threads ({row.Count})"),
        StationKind.Issuing => Text($"users that databases make ({row.Count})"),
        _ => "the machine they share",
    };

    private static string Milliseconds(double seconds) => Text($"{seconds * 1000:#,0.0} ms");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
