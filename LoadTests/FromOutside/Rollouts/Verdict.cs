using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Rollouts;

/// <summary>Whether a run was what it should be, and if not, why.</summary>
internal static class Verdict
{
    // Refusals that tell a pod to come back: with --no-retry it does not, and that is no fault of the broker.
    private static readonly string[] ComeBack = ["budget-exhausted", "issue-throttled"];

    public static IReadOnlyList<string> On(
        RolloutSettings settings, StageSettings? stage, Tally tally, DatabaseWatch? watch, int podsAtWork, int? ceiling, int issuesInVain)
    {
        var faults = new List<string>(tally.Faults);
        if (tally.ConnectionsRefused > 0)
            faults.Add($"The database refused {tally.ConnectionsRefused} connections that pods {(settings.Via == Via.Broker ? "had been promised" : "wanted")}.");
        if (watch is not null && watch.MostConnections > watch.Limit)
            faults.Add($"The pods had {watch.MostConnections} connections at once; the database has {watch.Limit}.");
        if (watch is not null && watch.MostConnections > ceiling)
            faults.Add($"The pods had {watch.MostConnections} connections at once; the broker's ceiling is {ceiling}.");
        var toldToComeBack = settings.Retry ? 0 : ComeBack.Sum(code => tally.Refusals.GetValueOrDefault(code));
        if (podsAtWork + toldToComeBack < settings.Pods)
            faults.Add($"{settings.Pods - podsAtWork - toldToComeBack} of {settings.Pods} pods did not get to work{string.Concat(tally.GaveUp.Take(3).Select(reason => $"; {reason.TrimEnd('.')}"))}.");
        if (settings.Via == Via.Broker && stage is not null && watch is not null)
            faults.AddRange(OnUsers(settings, stage, tally, watch, issuesInVain));
        return faults;
    }

    private static IEnumerable<string> OnUsers(RolloutSettings settings, StageSettings stage, Tally tally, DatabaseWatch watch, int issuesInVain)
    {
        var expected = stage.Sharing == "Holder" ? tally.Granted : Math.Min(1, tally.Granted);
        if (watch.UsersCreated < expected || watch.UsersCreated > expected + issuesInVain)
            yield return $"{watch.UsersCreated} database users were created for {tally.Granted} grants with sharing {stage.Sharing}; {expected} are right{(issuesInVain > 0 ? $", and as many more as attempts came to nothing ({issuesInVain})" : "")}.";
        if (watch.CameFasterThan(stage.UsersPerSecond, stage.Burst, stage.InFlight))
            yield return $"Users were created faster than {stage.UsersPerSecond:0.##} a second.";
        if (!settings.IsRollingUpdate && tally.Granted > settings.Pods)
            yield return $"{tally.Granted} grants were given to {settings.Pods} pods.";
    }
}
