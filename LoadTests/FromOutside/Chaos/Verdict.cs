using LoadTests.FromOutside.Rollouts;

namespace LoadTests.FromOutside.Chaos;

/// <summary>Everything that was seen while a misfortune happened.</summary>
/// <param name="Misfortune">What happened.</param>
/// <param name="Scene">Where.</param>
/// <param name="Service">What was lame, and when.</param>
/// <param name="Load">What the pods saw.</param>
/// <param name="Watch">What the database saw.</param>
/// <param name="Audit">What the replicas wrote down.</param>
/// <param name="Ceiling">Connections that the broker may promise.</param>
/// <param name="UsersMade">Users that were made.</param>
/// <param name="Time">The clock.</param>
internal sealed record Seen(
    Misfortune Misfortune, Scene Scene, Service Service, Load Load, DatabaseWatch Watch, AuditTrail Audit, int Ceiling, long UsersMade, TimeProvider Time);

/// <summary>Holds what was seen against the laws.</summary>
internal static class Verdict
{
    /// <summary>The laws, in the table's order. <c>else</c>: callers are told nothing but what the misfortune explains, and no pod breaks.</summary>
    public static readonly IReadOnlyList<string> Laws = ["L1", "L2", "L4", "L5", "L7", "L8", "L10", "else"];

    private const string TooManyConnections = "53300";

    // A release that the ledger did not answer is carried out late, and finds nothing when it is sent again.
    private const string Released = "holder-unknown", LedgerAway = "ledger-unavailable";

    // What those who ask first may be told.
    private const string FirstLease = "issuer-unavailable";

    // What callers may be told at any time: the database has too few connections for all of them.
    private static readonly string[] Always = ["budget-exhausted"];

    /// <summary>Users that may have been made.</summary>
    public static int Permitted(Seen seen) => 1 + seen.Scene.Rotations + seen.Misfortune.MoreUsers;

    /// <summary>What broke, by law.</summary>
    public static Dictionary<string, string> On(Seen seen)
    {
        var broken = new Dictionary<string, string>(StringComparer.Ordinal);
        void Break(string law, string? what)
        {
            if (what is not null) broken.TryAdd(law, what);
        }

        Break("L1", seen.UsersMade > Permitted(seen) ? $"{seen.UsersMade} users were made; {Permitted(seen)} are permitted" : null);
        Break("L2", Over(seen));
        Break("L4", Deaths(seen));
        Break("L7", seen.Audit.Mistake(seen.Load.Calls));
        if (seen.Misfortune.LosesLedger) Break("L8", Over(seen));
        Break("L10", Late(seen));
        Break("else", Unexplained(seen));
        return broken;
    }

    /// <summary>Whether the database, when it was there, refused a pod what it was granted.</summary>
    private static string? Over(Seen seen)
    {
        if (seen.Watch.MostConnections > seen.Ceiling) return $"pods had {seen.Watch.MostConnections} connections; {seen.Ceiling} may be promised";
        var refused = seen.Load.Incidents.Where(incident => incident.SqlState == TooManyConnections).ToArray();
        return refused.Length > 0 ? $"{refused.Length} connections within a grant were refused: {refused[0].Text}" : null;
    }

    private static string? Deaths(Seen seen)
    {
        var deaths = seen.Load.Incidents.Where(incident => incident.SqlState != TooManyConnections && !seen.Scene.WereEnding(incident.At)).ToArray();
        return deaths.Length > 0 ? $"{deaths.Length} times a login ended before its time: {deaths[0].Username} {deaths[0].Harm}: {deaths[0].Text}" : null;
    }

    private static string? Late(Seen seen)
    {
        foreach (var call in seen.Load.Calls.Where(call => !seen.Service.WasLame(call)))
        {
            var took = seen.Time.GetElapsedTime(call.Asked, call.Answered);
            if (took > call.Wait + seen.Load.Settings.LongestOver) return $"a call took {took.TotalSeconds:0.0} s; its caller waits {call.Wait.TotalSeconds:0} s (trace {call.Trace})";
            if (call.Outcome is null) return $"{call.Replica} gave no answer after {took.TotalSeconds:0.0} s, though nothing had happened to it: {call.Detail} (trace {call.Trace})";
        }

        return null;
    }

    private static string? Unexplained(Seen seen)
    {
        // On a slow machine the pool's first lease takes longer than those who ask for it wait.
        var first = seen.Load.Calls.Where(call => call.Outcome == Witness.Granted).Select(call => call.Answered).DefaultIfEmpty(long.MaxValue).Min();
        string[] explained = [.. Always, .. seen.Misfortune.Refusals, .. seen.Load.Settings.AlsoTold];
        // One that nobody answered is sent again as well.
        var unanswered = seen.Load.Calls.Where(call => call.IsRelease && call.Outcome is null).Select(call => call.Answered).DefaultIfEmpty(long.MaxValue).Min();
        var told = seen.Load.Calls.FirstOrDefault(call =>
            call.Outcome is { } outcome && outcome != Witness.Granted && !explained.Contains(outcome)
            && !(outcome == FirstLease && call.Asked < first)
            && !(outcome == Released && call.IsRelease && (explained.Contains(LedgerAway) || call.Asked >= unanswered)));
        return told is null ? null : $"a caller was told '{told.Outcome}': {told.Detail} (trace {told.Trace})";
    }
}
