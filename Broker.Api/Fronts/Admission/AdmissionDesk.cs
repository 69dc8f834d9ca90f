using System.Collections.Concurrent;
using System.Globalization;
using Broker.Core.Budgets;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Ledger;
using Broker.Core.Operators;

namespace Broker.Api.Fronts.Admission;

/// <summary>
/// Says whether a workload fits into the budgets of the roles that its pods may claim: those that it names, or all whose rules match its
/// namespace and service account. It uses a snapshot of each database that is at most a second old.
/// </summary>
internal sealed class AdmissionDesk(ICatalog catalog, BudgetDesk budgets, TimeProvider time)
{
    private const int MostFindings = 8;

    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, (long At, Task<BudgetForecast?> Read)> pictures = new(StringComparer.Ordinal);

    /// <summary>
    /// What does not fit, in words that say what to change, eight findings at most; empty: everything fits. Certain: whether this justifies a refusal.
    /// </summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    /// <exception cref="OperationCanceledException">There was not enough time.</exception>
    public async Task<IReadOnlyList<(string Words, bool Certain)>> JudgeAsync(Workload workload, Workload? before, CancellationToken cancellation)
    {
        var findings = new List<(string Words, bool Certain)>();
        var current = catalog.Current;
        if (workload.NamesMoreRoles)
            findings.Add(($"{Subject(workload)}: annotation {Workload.RoleAnnotation} names more than {Workload.MostRoles} roles; the others were not looked at.", false));
        foreach (var unknown in (workload.Roles ?? []).Where(role => !current.Roles.ContainsKey(role)))
            findings.Add(($"{Subject(workload)}: annotation {Workload.RoleAnnotation} names role '{unknown}', which the broker does not have.", false));
        Role[] had = before is null ? [] : RolesOf(before, current);
        foreach (var role in RolesOf(workload, current))
        {
            cancellation.ThrowIfCancellationRequested();
            var rollout = Rollout(workload, role);
            // A workload that needs no more than before already runs, so it is not judged.
            if (before is not null && had.Contains(role) && Rollout(before, role).Peak >= rollout.Peak) continue;
            if (await PictureAsync(role.Database, cancellation) is not { } picture) continue;
            if (picture.Budget.IsStale)
            {
                findings.Add(($"{Subject(workload)}: whether it fits is not known, because the connections of database {role.Database} could not be counted recently.", false));
                continue;
            }

            var forecast = Forecast.Of(rollout, role.Name, picture.Budget.Record.Capacity, picture.Holders, picture.Budget.Guaranteed);
            if (!forecast.Fits) findings.Add((WordsFor(workload, role, rollout, forecast, picture.Budget), true));
        }

        // What justifies a refusal is never left out for what does not.
        return [.. findings.OrderByDescending(finding => finding.Certain).Take(MostFindings)];
    }

    private static PlannedRollout Rollout(Workload workload, Role role) => new(workload.Pods, workload.Connections ?? role.Connections.Default, workload.Surge);

    private static Role[] RolesOf(Workload workload, CatalogSnapshot current)
    {
        if (workload.Roles is { } named) return [.. named.Select(name => current.Roles.GetValueOrDefault(name)).OfType<Role>()];
        var found = current.Roles.Values.Where(role => role.Allow.Any(rule => Means(rule, workload))).OrderBy(role => role.Name, StringComparer.Ordinal).ToArray();
        // An autoscaler does not say whose pods it creates: they are known only if there is just one role to choose from.
        return workload.ServiceAccount is null && found.Length > 1 ? [] : found;
    }

    private static bool Means(AllowRule rule, Workload workload)
    {
        if (!rule.Claims.TryGetValue("namespace", out var space)) return false;
        if (workload.ServiceAccount is not { } account) return space.Matches([workload.Namespace]);
        var claims = new[]
        {
            (Caller.KubernetesNamespace, workload.Namespace),
            (Caller.KubernetesServiceAccount, account),
            ("sub", $"system:serviceaccount:{workload.Namespace}:{account}"),
        }.ToLookup(claim => claim.Item1, claim => claim.Item2, StringComparer.Ordinal);
        return rule.Matches(new(rule.Issuer, $"system:serviceaccount:{workload.Namespace}:{account}", claims, DateTimeOffset.MaxValue));
    }

    private async Task<BudgetForecast?> PictureAsync(string database, CancellationToken cancellation)
    {
        if (!pictures.TryGetValue(database, out var known) || time.GetElapsedTime(known.At) >= Fresh || known.Read.IsFaulted || known.Read.IsCanceled)
        {
            // Not cancelled with the first request, because later requests share it.
            known = (time.GetTimestamp(), budgets.ForecastAsync(database, new(1, 1, 0), null, null, CancellationToken.None).AsTask());
            pictures[database] = known;
        }

        return await known.Read.WaitAsync(cancellation);
    }

    private static string WordsFor(Workload workload, Role role, PlannedRollout rollout, Forecast forecast, Budget budget)
    {
        var mends = new List<string>();
        if (rollout.Surge > 0 && (forecast.PodsThatFit >= workload.Pods)) mends.Add(Say($"set spec.strategy.rollingUpdate.maxSurge to {forecast.PodsThatFit - workload.Pods}"));
        if (forecast.PodsThatFit > 0) mends.Add(Say($"set {workload.PodsField} to {Math.Max(1, forecast.PodsThatFit - rollout.Surge)} at most"));
        if (forecast.PoolSizeThatFits > 0) mends.Add(Say($"let each pod open {forecast.PoolSizeThatFits} connections (its pool, and the annotation {Workload.ConnectionsAnnotation})"));
        mends.Add(Say($"ask the DBA of {role.Database} for {forecast.Missing} more connections (its ceiling is {budget.Record.Ceiling})"));
        return Say($"{Subject(workload)} does not fit: {rollout.Pods} pods and a surge of {rollout.Surge}, each with {rollout.ConnectionsPerPod} connections of role {role.Name}, need {forecast.Needed} more, and {Free(forecast)} on database {role.Database}. Do one of: {string.Join("; ", mends)}.");
    }

    private static string Free(Forecast forecast) => forecast.GivenBack == 0 ? Say($"{forecast.Free} are free") : Say($"{forecast.Free} are free and {forecast.GivenBack} can be given back");

    private static string Subject(Workload workload) => $"{workload.Kind} {workload.Namespace}/{workload.Name}";

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
