using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;
using Spectre.Console;

namespace LoadTests.FromOutside.Rollouts;

/// <summary>A rollout from its first pod to its verdict, on a stage of ours or against a broker that runs already.</summary>
internal static class RolloutRun
{
    public static async Task<RolloutResult> OnStageAsync(
        RolloutSettings settings, StageSettings stageSettings, Stage stage, IAnsiConsole progress, TimeProvider time, CancellationToken cancellation)
    {
        await using var watch = await DatabaseWatch.StartAsync(stage.Engine, stage.Database.AdminConnectionString, time, cancellation);
        if (settings.Via == Via.Issuer)
        {
            await using var issuer = new IssuerDoor(settings, stage);
            return await RunAsync(settings, stageSettings, issuer, watch, () => Task.FromResult<(int?, int)>(default), progress, time, cancellation);
        }

        var replicas = stage.Brokers.Select(broker => broker.Address).ToList();
        using var broker = new BrokerDoor(replicas, stage.Identity, settings);
        return await RunAsync(
            settings, stageSettings, broker, watch, async () => (await ReadCeilingAsync(replicas[0], stage.Identity, cancellation), await ReadIssuesInVainAsync(replicas, stage.Identity, cancellation)),
            progress, time, cancellation);
    }

    /// <param name="settings">The rollout.</param>
    /// <param name="brokers">Where the replicas listen.</param>
    /// <param name="identity">Proves the pods.</param>
    /// <param name="adminConnectionString">To watch the database; null: it is not watched, and its numbers are null.</param>
    /// <param name="progress">Where the progress goes.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Ends the run.</param>
    public static async Task<RolloutResult> AgainstAsync(
        RolloutSettings settings,
        IReadOnlyList<Uri> brokers,
        LocalIdentity identity,
        string? adminConnectionString,
        IAnsiConsole progress,
        TimeProvider time,
        CancellationToken cancellation)
    {
        await using var watch = adminConnectionString is null ? null : await DatabaseWatch.StartAsync(settings.Engine, adminConnectionString, time, cancellation);
        using var broker = new BrokerDoor(brokers, identity, settings);
        return await RunAsync(settings, null, broker, watch, () => Task.FromResult<(int?, int)>(default), progress, time, cancellation);
    }

    private static async Task<RolloutResult> RunAsync(
        RolloutSettings settings,
        StageSettings? stage,
        IDoor door,
        DatabaseWatch? watch,
        Func<Task<(int? Ceiling, int IssuesInVain)>> readBrokers,
        IAnsiConsole progress,
        TimeProvider time,
        CancellationToken cancellation)
    {
        var tally = new Tally(time);
        var run = new Rollout(settings, door, tally, time).RunAsync(cancellation);
        await Progress.ShowAsync(progress, settings, tally, watch, run, time);
        var podsAtWork = await run;
        var took = tally.Elapsed;
        if (watch is not null)
            await watch.StopAsync();
        var (ceiling, issuesInVain) = await readBrokers();
        return new RolloutResult
        {
            Via = settings.Via,
            Pods = settings.Pods,
            PodsAtWork = podsAtWork,
            UsersCreated = watch?.UsersCreated,
            IssuesInVain = issuesInVain,
            ConnectionsOpened = tally.ConnectionsOpened,
            ConnectionsRefused = tally.ConnectionsRefused,
            MostConnectionsAtOnce = watch?.MostConnections,
            DatabaseLimit = watch?.Limit,
            BrokerCeiling = ceiling,
            Refusals = tally.Refusals,
            ConnectionFailures = tally.ConnectionFailures,
            ShortestRetryAfterSeconds = tally.RetryAfter?.Shortest.TotalSeconds,
            LongestRetryAfterSeconds = tally.RetryAfter?.Longest.TotalSeconds,
            CameBackInVain = tally.CameBackInVain,
            MostReturns = tally.MostReturns,
            LastFirstQueryMilliseconds = tally.LastFirstQuery?.TotalMilliseconds,
            CredentialsP50Milliseconds = tally.CredentialsAt(50)?.TotalMilliseconds,
            CredentialsP99Milliseconds = tally.CredentialsAt(99)?.TotalMilliseconds,
            TookMilliseconds = took.TotalMilliseconds,
            Faults = Verdict.On(settings, stage, tally, watch, podsAtWork, ceiling, issuesInVain),
        };
    }

    // Attempts that came to nothing, e.g. because their replica stood still for so long that another took over: each may have made a user, which is dropped.
    private static async Task<int> ReadIssuesInVainAsync(IReadOnlyList<Uri> replicas, LocalIdentity identity, CancellationToken cancellation)
    {
        var inVain = 0;
        foreach (var replica in replicas)
        {
            using var client = Viewer(replica, identity);
            foreach (var line in (await client.GetStringAsync(new Uri("/metrics", UriKind.Relative), cancellation)).Split('\n'))
            {
                if (line.StartsWith("broker_issues_total{", StringComparison.Ordinal) && !line.Contains("broker_outcome=\"issued\"", StringComparison.Ordinal))
                    inVain += (int)double.Parse(line[(line.IndexOf('}', StringComparison.Ordinal) + 1)..].Trim().Split(' ')[0], CultureInfo.InvariantCulture);
            }
        }

        return inVain;
    }

    private static HttpClient Viewer(Uri broker, LocalIdentity identity)
    {
        var client = new HttpClient { BaseAddress = broker };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", identity.ViewerToken());
        return client;
    }

    private static async Task<int> ReadCeilingAsync(Uri broker, LocalIdentity identity, CancellationToken cancellation)
    {
        using var client = Viewer(broker, identity);
        var answer = await client.GetFromJsonAsync<JsonObject>(new Uri("/api/v1/budgets", UriKind.Relative), cancellation);
        var budget = answer!["budgets"]!.AsArray().Single(budget => budget!["database"]!.GetValue<string>() == StageSettings.DatabaseName);
        return budget!["ceiling"]!.GetValue<int>();
    }
}
