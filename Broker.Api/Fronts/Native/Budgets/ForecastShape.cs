using System.Globalization;
using System.Text.Json.Serialization;
using Broker.Core.Budgets;
using Broker.Core.Operators;

namespace Broker.Api.Fronts.Native.Budgets;

/// <summary>A planned rollout.</summary>
/// <param name="Pods">Pods that run after the rollout, 1 to 100,000.</param>
/// <param name="ConnectionsPerPod">Connections that each opens, 1 to 10,000.</param>
/// <param name="Role">The role they claim, whose pods' connections count towards the rollout; null: a role that holds nothing yet.</param>
/// <param name="Surge">Extra pods during the rollout, like Kubernetes' <c>maxSurge</c>; not together with the percentage.</param>
/// <param name="SurgePercent">The same in percent of the pods, rounded up; default: the role's, or 25.</param>
/// <param name="At">The time of day in UTC at which it begins, such as <c>02:30</c>; the forecast uses the connections at that time in the last week. Null: now.</param>
public sealed record ForecastBody(int Pods, int ConnectionsPerPod, string? Role, int? Surge, int? SurgePercent, string? At)
{
    internal TimeOnly? TimeOfDay => TimeOnly.TryParseExact(At, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var time) ? time : null;

    /// <summary>What is wrong with it; null when nothing is.</summary>
    internal string? WhyNot() =>
        Pods is < 1 or > PlannedRollout.MostPods ? $"'pods' must be 1 to {PlannedRollout.MostPods}."
        : ConnectionsPerPod is < 1 or > PlannedRollout.MostConnectionsPerPod ? $"'connectionsPerPod' must be 1 to {PlannedRollout.MostConnectionsPerPod}."
        : Surge is not null && SurgePercent is not null ? "Give 'surge' or 'surgePercent', not both."
        : Surge is < 0 or > PlannedRollout.MostPods ? $"'surge' must be 0 to {PlannedRollout.MostPods} pods."
        : SurgePercent is < 0 or > 100 ? "'surgePercent' must be 0 to 100."
        : At is not null && TimeOfDay is null ? "'at' must be a time of day in UTC, such as 02:30."
        : null;
}

/// <summary>The forecast for a rollout.</summary>
/// <param name="Fits">Whether every pod gets its connections: at once, or as soon as holders that follow sizes have given back enough.</param>
/// <param name="Summary">The same in a sentence, with what to do.</param>
/// <param name="Needed">Connections needed beyond what the role holds already.</param>
/// <param name="Free">Connections free for it now, without those guaranteed to others.</param>
/// <param name="GivenBack">Connections that holders that follow sizes would have to give back for it, mostly within seconds; 0: none.</param>
/// <param name="Missing">Connections missing even then; 0 when it fits.</param>
/// <param name="PodsAtOnce">Pods, surge included, that would be served at once.</param>
/// <param name="PodsThatFit">Pods, surge included, that would be served, some of them only after others have given back connections.</param>
/// <param name="PoolSizeThatFits">The largest pool with which all pods fit; 0: none.</param>
/// <param name="EnoughFreeAt">When enough of the other holders have ended, if none renews; null: now, or never.</param>
/// <param name="Stale">Whether the last count is too old: nothing new is promised then, so nothing fits.</param>
/// <param name="HeldBy">Who holds connections now, most first.</param>
public sealed record ForecastShape(
    bool Fits, string Summary, long Needed, int Free, long GivenBack, long Missing, int PodsAtOnce, int PodsThatFit, int PoolSizeThatFits, DateTimeOffset? EnoughFreeAt, bool Stale,
    IReadOnlyList<ForecastShape.HeldByShape> HeldBy)
{
    /// <summary>The time of day that was asked about; null: now.</summary>
    public string? At { get; init; }

    /// <summary>How many days of the last week it is based on; 0: it is based on the current state.</summary>
    public int Days { get; init; }

    /// <summary>What a role holds.</summary>
    /// <param name="Role">The role.</param>
    /// <param name="Holders">Its holders.</param>
    /// <param name="Connections">Their connections.</param>
    public sealed record HeldByShape(string Role, int Holders, int Connections);

    /// <summary>Of a forecast.</summary>
    internal static ForecastShape Of(PlannedRollout rollout, BudgetForecast found)
    {
        var (forecast, stale) = (found.Forecast, found.IsStale);
        return new(
            forecast.Fits && !stale,
            When(found) + SummaryOf(rollout, forecast, stale),
            forecast.Needed,
            stale ? 0 : forecast.Free,
            stale ? 0 : forecast.GivenBack,
            forecast.Missing,
            stale ? 0 : forecast.PodsAtOnce,
            stale ? 0 : forecast.PodsThatFit,
            stale ? 0 : forecast.PoolSizeThatFits,
            forecast.EnoughFreeIn is { } wait ? found.Budget.Record.Now + wait : null,
            stale,
            [
                .. found.Holders.GroupBy(holder => holder.Role)
                    .Select(role => new HeldByShape(role.Key, role.Count(), role.Sum(holder => holder.Connections)))
                    .OrderByDescending(role => role.Connections).ThenBy(role => role.Role, StringComparer.Ordinal),
            ])
        {
            At = found.At?.ToString("HH:mm", CultureInfo.InvariantCulture),
            Days = found.Days,
        };
    }

    private static string When(BudgetForecast found) => found switch
    {
        { At: null } => "",
        { Days: 0 } => string.Create(CultureInfo.InvariantCulture, $"Nothing was counted at {found.At:HH:mm} UTC in the last week, so this is the forecast for now: "),
        _ => string.Create(CultureInfo.InvariantCulture, $"At {found.At:HH:mm} UTC, as on the fullest of {found.Days} {(found.Days == 1 ? "day" : "days")} of the last week: "),
    };

    private static string SummaryOf(PlannedRollout rollout, Forecast forecast, bool stale)
    {
        var asked = string.Create(CultureInfo.InvariantCulture, $"{rollout.Pods} pods and a surge of {rollout.Surge}, {rollout.ConnectionsPerPod} connections each, need {forecast.Needed} more connections");
        if (stale) return $"{asked}, but the database's connections could not be counted recently: nothing new is promised on it until they can be.";
        var free = forecast.GivenBack == 0
            ? string.Create(CultureInfo.InvariantCulture, $"{forecast.Free} are free")
            : string.Create(CultureInfo.InvariantCulture, $"{forecast.Free} are free and {forecast.GivenBack} are given back by holders that follow sizes");
        if (forecast.Fits) return $"{asked}, and {free}.";
        var mend = forecast.PoolSizeThatFits > 0
            ? string.Create(CultureInfo.InvariantCulture, $"all would fit with {forecast.PoolSizeThatFits} connections each")
            : "not even one connection each would fit";
        return string.Create(CultureInfo.InvariantCulture, $"{asked}, and {free}: {forecast.Missing} are missing. {forecast.PodsThatFit} pods would be served; {mend}.{(forecast.EnoughFreeIn is { } wait ? $" If nobody else renews, enough is free in {Words(wait)}." : "")}");
    }

    private static string Words(TimeSpan span) => span.TotalMinutes < 2 ? string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(span.TotalSeconds)} s") : string.Create(CultureInfo.InvariantCulture, $"{Math.Ceiling(span.TotalMinutes)} min");
}

[JsonSerializable(typeof(ForecastBody))]
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, AllowDuplicateProperties = false)]
internal sealed partial class ForecastJson : JsonSerializerContext;
