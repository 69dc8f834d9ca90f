using System.Text.Json.Nodes;
using LoadTests.FromOutside.Rollouts;
using LoadTests.Servers.LocalServers;
using LoadTests.Servers.Stages;

namespace LoadTests.FromOutside.Chaos;

/// <summary>One misfortune from the first pod to the verdict, on a stage of its own.</summary>
internal sealed class ChaosRun(ChaosSettings settings, Misfortune misfortune, Action<string> say, TimeProvider time)
{
    private static readonly TimeSpan FirstGrantWithin = TimeSpan.FromMinutes(3);

    private readonly Dictionary<string, string> broken = new(StringComparer.Ordinal);

    public async Task<ChaosResult> RunAsync(CancellationToken cancellation)
    {
        say($"{misfortune.Name}: {misfortune.What}");
        var set = misfortune.On(settings.Stage);
        await using var stage = await Stage.SetAsync(set, cancellation);
        var weather = new Weather(stage.Database.AdminConnectionString);
        await weather.SetUpAsync(cancellation);
        var service = new Service([.. stage.Brokers.Select(broker => broker.Address)], time);
        await using var watch = await DatabaseWatch.StartAsync(stage.Engine, stage.Database.AdminConnectionString, time, cancellation);
        await using var load = new Load(settings, service, stage.Identity, time);
        using var scene = new Scene(stage, service, weather, load, time);

        load.Start();
        await Poll.UntilAsync(_ => Task.FromResult(load.Grants >= settings.Pods / 2), FirstGrantWithin, "half of the pods to be at work", cancellation);
        await Task.Delay(settings.Calm, time, cancellation);
        Say("all is well", load);
        var ceiling = await CeilingAsync(scene, cancellation);
        await HappenAsync(scene, cancellation);
        Say("it is over", load);
        var healed = await HealedAsync(stage, load, cancellation);
        await Task.Delay(settings.Calm, time, cancellation);
        await load.StopAsync();
        await watch.StopAsync();
        Say("all pods have left", load);
        var known = await KnownAsync(scene, weather, cancellation);
        return Judge(new(
            misfortune, scene, service, load, watch, await AuditTrail.ReadAsync(stage.AuditFiles, cancellation),
            ceiling, await weather.UsersMadeAsync(cancellation), time), RedisKinds.NameOf(set.Ledger), healed, known);
    }

    private async Task HappenAsync(Scene scene, CancellationToken cancellation)
    {
        try
        {
            await misfortune.HappenAsync(scene, cancellation);
        }
        catch (Exception failure) when (failure is not OperationCanceledException)
        {
            // The verdict on the rest is worth having all the same.
            broken["else"] = $"it could not be carried out: {failure.GetType().Name}: {failure.Message}";
        }
    }

    /// <summary>When each replica had granted something that was asked of it after the misfortune, a new claim among it.</summary>
    private async Task<TimeSpan?> HealedAsync(Stage stage, Load load, CancellationToken cancellation)
    {
        var over = time.GetTimestamp();
        try
        {
            await Poll.UntilAsync(
                _ =>
                {
                    var since = load.Calls.Where(call => call.Asked >= over && call.Outcome == Witness.Granted).ToArray();
                    return Task.FromResult(
                        since.Any(call => call.IsClaim) && stage.Brokers.All(broker => Array.Exists(since, call => call.Replica.Authority == broker.Address.Authority)));
                },
                settings.HealsWithin, "every replica to grant something again", cancellation);
            return time.GetElapsedTime(over);
        }
        catch (TimeoutException late)
        {
            broken["L10"] = late.Message;
            return null;
        }
    }

    /// <summary>When the users in the database were those that the ledger knows, or shows as leftovers (L5).</summary>
    private async Task<TimeSpan?> KnownAsync(Scene scene, Weather weather, CancellationToken cancellation)
    {
        var from = time.GetTimestamp();
        try
        {
            await Poll.UntilAsync(
                async cancel => await DifferenceAsync(scene, weather, cancel) is null, settings.KnownWithin, "the database's users to be those that the ledger knows", cancellation);
            return time.GetElapsedTime(from);
        }
        catch (TimeoutException late)
        {
            broken["L5"] = $"{late.Message} {await DifferenceAsync(scene, weather, cancellation) ?? "They came to be it later."}";
            return null;
        }
    }

    /// <summary>Which users the database and the ledger do not agree on; null: they agree.</summary>
    private static async Task<string?> DifferenceAsync(Scene scene, Weather weather, CancellationToken cancellation)
    {
        try
        {
            return await DifferenceNowAsync(scene, weather, cancellation);
        }
        catch (HttpRequestException away)
        {
            // A broker that does not answer has broken a law already, and the verdict on the rest is worth having.
            return $"The broker does not say: {away.Message}";
        }
    }

    private static async Task<string?> DifferenceNowAsync(Scene scene, Weather weather, CancellationToken cancellation)
    {
        // A user that is made or dropped between the looks is seen by the next.
        var users = await weather.UsersAsync(cancellation);
        var known = await scene.LeaseUsersAsync(state => state is not ("Revoked" or "Failed"), cancellation);
        var holding = await scene.LeaseUsersAsync(state => state is "Active" or "Retiring", cancellation);
        var leftovers = (await scene.ReadAsync("/api/v1/leftovers", cancellation))["leftovers"]!.AsArray().Select(left => left!["username"]!.GetValue<string>());
        string[] strangers = [.. users.Except(known).Except(leftovers)], missing = [.. holding.Except(users)];
        return strangers.Length + missing.Length == 0 ? null : $"Unknown to the ledger: {string.Join(", ", strangers)}; not in the database: {string.Join(", ", missing)}.";
    }

    private ChaosResult Judge(Seen seen, string redis, TimeSpan? healed, TimeSpan? known)
    {
        foreach (var (law, what) in Verdict.On(seen)) broken.TryAdd(law, what);
        if (seen.Load.Faults.FirstOrDefault() is { } fault) broken.TryAdd("else", fault);
        var (calls, load) = (seen.Load.Calls, seen.Load);
        return new()
        {
            Fault = misfortune.Name,
            What = misfortune.What,
            Redis = redis,
            Broken = broken,
            LookedAt = [.. Verdict.Laws.Where(law => law != "L8" || misfortune.LosesLedger)],
            UsersMade = seen.UsersMade,
            UsersPermitted = Verdict.Permitted(seen),
            MostConnections = seen.Watch.MostConnections,
            Ceiling = seen.Ceiling,
            ConnectionsOpened = load.Connections,
            Queries = load.Queries,
            Granted = calls.Count(call => call.Outcome == Witness.Granted),
            Refusals = calls.Where(call => call.Outcome is not (null or Witness.Granted)).GroupBy(call => call.Outcome!).ToDictionary(code => code.Key, code => code.Count()),
            Unanswered = calls.Count(call => call.Outcome is null),
            SlowestMilliseconds = calls.Where(call => !seen.Service.WasLame(call)).Select(call => time.GetElapsedTime(call.Asked, call.Answered).TotalMilliseconds).DefaultIfEmpty().Max(),
            AuditLines = seen.Audit.Count(calls),
            AuditLinesOfUnanswered = seen.Audit.Count(calls.Where(call => call.Outcome is null)),
            HealedAfterMilliseconds = healed?.TotalMilliseconds,
            KnownAfterMilliseconds = known?.TotalMilliseconds,
        };
    }

    private static async Task<int> CeilingAsync(Scene scene, CancellationToken cancellation) =>
        ((await scene.ReadAsync("/api/v1/budgets", cancellation))["budgets"] as JsonArray)!.Single(budget => budget!["database"]!.GetValue<string>() == StageSettings.DatabaseName)!["ceiling"]!.GetValue<int>();

    private void Say(string phase, Load load) =>
        say($"  {phase}: {load.Grants} grants and renewals, {load.Calls.Count} calls, {load.Connections} connections opened, {load.Queries} queries, {load.Incidents.Count} incidents");
}
