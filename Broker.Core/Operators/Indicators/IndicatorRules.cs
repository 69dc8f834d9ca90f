using System.Globalization;
using Broker.Core.Audit;
using Broker.Core.Catalog;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;
using Broker.Core.Operators;
using Broker.Core.Operators.Indicators;

namespace Broker.Core.Operators.Indicators;

/// <summary>How each indicator is computed, and when its objective is met.</summary>
internal static class IndicatorRules
{
    private const double Latency = 2;
    private const double GrantedInTime = 0.99;
    private const double Unproven = 0.01;
    private const double Use = 0.7;
    private const double Available = 0.999;

    // A login that could not be tried is tried again; only one that is late by more than this is overdue.
    private static readonly TimeSpan Grace = TimeSpan.FromMinutes(1);

    /// <summary>All but the drill's.</summary>
    /// <param name="hour">What this replica saw.</param>
    /// <param name="budgets">Those of all databases; null: the ledger does not answer.</param>
    /// <param name="leases">All of them; null likewise.</param>
    /// <param name="roles">The catalog's.</param>
    /// <param name="sinks">Where this replica's audit goes.</param>
    public static IEnumerable<Indicator> Of(
        LastHourCounts hour, IReadOnlyList<Budget>? budgets, IReadOnlyList<LeaseRecord>? leases, IReadOnlyDictionary<string, Role> roles, IReadOnlyList<AuditSink> sinks) =>
        [OfLatency(hour), OfAuthentication(hour), OfVerification(leases, roles), OfUse(budgets), OfAvailability(hour), OfAudit(hour, sinks)];

    private static Indicator OfLatency(LastHourCounts hour)
    {
        var granted = hour.GrantedWithin.Sum();
        const string objective = "99 of 100 claims are granted within 2 s";
        if (granted == 0) return new("credential-latency", objective, null, "s", null, "Nothing was granted in the last hour.");
        var at = 0;
        for (var sum = hour.GrantedWithin[0]; sum < granted * GrantedInTime; sum += hour.GrantedWithin[at]) at++;
        var within = LastHourCounts.Seconds[at];
        var said = double.IsFinite(within) ? Text($"at most {within} s") : Text($"more than {LastHourCounts.Seconds[^2]} s");
        return new(
            "credential-latency", objective, double.IsFinite(within) ? within : LastHourCounts.Seconds[^2], "s", within <= Latency,
            Text($"Of {granted} grants in the last hour 99 of 100 took {said}."));
    }

    private static Indicator OfAuthentication(LastHourCounts hour)
    {
        double? share = hour.Requests > 0 ? (double)hour.Unproven / hour.Requests : null;
        return new(
            "authentication-failures", "less than 1 % of requests fail to prove their caller", share, "1", share is null ? null : share < Unproven,
            share is null ? "There were no requests in the last hour." : $"{hour.Unproven} of {hour.Requests} requests in the last hour failed to prove their caller.");
    }

    private static Indicator OfVerification(IReadOnlyList<LeaseRecord>? leases, IReadOnlyDictionary<string, Role> roles)
    {
        const string objective = "every lease's login is tried at least as often as its role's VerifyEvery says";
        if (leases is null) return new("unverified-leases", objective, null, "{lease}", null, "The ledger does not answer.");
        var promised = leases.Where(lease => IsTried(lease) && roles.TryGetValue(lease.Role, out var role) && role.VerifyEvery > TimeSpan.Zero).ToArray();
        var late = promised.Where(lease => lease.ReadAt - (lease.VerifiedAt ?? lease.IssuedAt ?? lease.CreatedAt) > roles[lease.Role].VerifyEvery + Grace).ToArray();
        return new(
            "unverified-leases", objective, late.Length, "{lease}", late.Length == 0,
            late.Length == 0 ? $"All {promised.Length} leases in use were tried in time." : $"Late: {string.Join(", ", late.Take(5).Select(static lease => $"{lease.Database}/{lease.Username}"))}.");
    }

    // Holders of a retiring lease use its login too. One that nobody holds may lapse (lapse.lua): it is not tried until somebody comes to it.
    private static bool IsTried(LeaseRecord lease) => lease.State is LeaseState.Active or LeaseState.Retiring && (lease.Holders > 0 || lease.VerifiedAt is not null);

    private static Indicator OfUse(IReadOnlyList<Budget>? budgets)
    {
        const string objective = "less than 70 % of each database's connections, and of those that may be promised, are taken";
        if (budgets is null) return new("connection-use", objective, null, "1", null, "The ledger does not answer.");
        var counted = budgets.Where(static budget => budget is { IsStale: false, Record.Limit: > 0 })
            .Select(static budget => (budget.Database.Name, Share: Math.Max((double)(budget.Record.Granted + budget.Record.Foreign) / budget.Record.Limit, Promised(budget.Record)))).ToArray();
        if (counted.Length == 0) return new("connection-use", objective, null, "1", null, "No database could be counted recently.");
        var (name, share) = counted.MaxBy(static database => database.Share);
        var stale = budgets.Count - counted.Length;
        return new(
            "connection-use", objective, share, "1", share >= Use ? false : stale > 0 ? null : true,
            Text($"{name} has the most, {share:P0}.") + (stale > 0 ? $" {stale} could not be counted recently." : ""));
    }

    // The share of what may be promised that cannot be promised any more. The broker stops at the ceiling, long before the server's limit. What is kept
    // for a guarantee is free; nobody needs anything of a database that rests.
    private static double Promised(BudgetRecord record) =>
        record is { Resting: false, Ceiling: > 0 } ? 1 - ((double)(record.Free + record.KeptElsewhere) / record.Ceiling) : 0;

    private static Indicator OfAvailability(LastHourCounts hour)
    {
        double? share = hour.Claims > 0 ? 1 - ((double)hour.Failed / hour.Claims) : null;
        return new(
            "availability", "more than 99.9 % of claims are not refused because of a fault in the broker or in a server that it needs", share, "1", share is null ? null : share > Available,
            share is null ? "There were no requests in the last hour." : $"{hour.Failed} of {hour.Claims} claims in the last hour failed.");
    }

    // What cannot be recorded is refused, so the record is always complete somewhere; the refusals are what to look at, and the sinks that miss a part of it.
    private static Indicator OfAudit(LastHourCounts hour, IReadOnlyList<AuditSink> sinks)
    {
        string[] failing = [.. sinks.Where(static sink => !sink.IsUp).Select(static sink => sink.Name)];
        return new(
            "audit-complete", "no claim is refused because it cannot be recorded, and each sink of the audit accepts records", hour.Unrecorded, "{claim}", hour.Unrecorded == 0 && failing.Length == 0,
            (hour.Unrecorded == 0 ? "Everything in the last hour was recorded." : $"{hour.Unrecorded} claims in the last hour could not be recorded, and were refused.")
            + (failing.Length == 0 ? "" : $" No records are accepted by: {string.Join(", ", failing)}."));
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
