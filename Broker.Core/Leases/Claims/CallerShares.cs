using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Limits;
using Broker.Core.Model;

namespace Broker.Core.Leases.Claims;

/// <summary>Enforces the limits of callers and teams, so that one looping client cannot starve the rest.</summary>
internal sealed class CallerShares(ICatalog catalog, ShareLedger ledger, KnownCapacities capacities, TimeProvider time)
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);

    // How long a claim may take beyond its wait before its outcome is reported.
    private static readonly TimeSpan AnswerWithin = TimeSpan.FromMinutes(1);

    // A pod makes up the names of its processes itself, and has only so many processes.
    private const int MostNamedInPod = 20;
    private const int NamedAtTheirMost = 4;

    // One name without a pod may represent many processes, perhaps all that use the database: it gets most of it, and others still find room.
    private const int PartWithoutPod = 75;

    private readonly RateLimit rateLimit = new(time);

    /// <summary>Whether anything limits a caller's holder; usually nothing does.</summary>
    public bool Limit(Caller caller, string holder)
    {
        var current = catalog.Current;
        var own = current.Identity.Callers;
        return current.Identity.Teams.Count > 0 || own.ClaimsPerSecond > 0 || own.AreCounted || IsLimitedByDefault(current, caller, holder, out _);
    }

    /// <summary>The limits that concern a caller's holder.</summary>
    private async ValueTask<IReadOnlyList<(string Name, ShareLimits Limits)>> LimitsOfAsync(Caller caller, string holder, CancellationToken cancellation)
    {
        var current = catalog.Current;
        var limits = new List<(string Name, ShareLimits Limits)>(3) { ("caller:" + caller.OwnerHash, current.Identity.Callers) };
        if (IsLimitedByDefault(current, caller, holder, out var role)) limits.Add(await DefaultOfAsync(caller, role, cancellation));
        if (TeamOf(current.Identity, caller) is { } team) limits.Add(("team:" + team.Name, team.Limits));
        return limits;
    }

    // Even without a configured limit, nobody takes a whole budget by making up ever new names or by logging in again and again. A pod without a
    // name has only one holder and need not be counted.
    private static bool IsLimitedByDefault(CatalogSnapshot current, Caller caller, string holder, [NotNullWhen(true)] out Role? role)
    {
        role = null;
        return !current.Identity.Callers.AreCounted && (caller.PodUid is null || !HolderId.HasNoName(holder)) && HolderId.TryParse(holder, out var id) && current.Roles.TryGetValue(id.Role, out role);
    }

    private async ValueTask<(string Name, ShareLimits Limits)> DefaultOfAsync(Caller caller, Role role, CancellationToken cancellation)
    {
        var few = NamedAtTheirMost * role.Connections.Max;
        if (caller.PodUid is not null) return ("caller:" + caller.OwnerHash, new() { Holders = MostNamedInPod, Connections = few });
        var part = await capacities.OfAsync(role.Database, cancellation) * PartWithoutPod / 100;
        return ($"caller:{caller.OwnerHash}:{role.Database}", new() { Connections = part == 0 ? few : Math.Max(part, role.Connections.Max) });
    }

    /// <summary>The first team of which a caller is a member; null: none.</summary>
    public static Team? TeamOf(IdentitySettings identity, Caller caller)
    {
        foreach (var team in identity.Teams)
        {
            if (team.Members.Allow(caller)) return team;
        }

        return null;
    }

    /// <summary>
    /// Takes a claim's part of the shares, makes the claim, and reports what it got. Until then it counts with everything that it may get, whatever else the
    /// holder claims or gives back at the same time.
    /// </summary>
    /// <param name="caller">The caller.</param>
    /// <param name="claim">The claim.</param>
    /// <param name="make">Makes it.</param>
    /// <param name="remembered">Answers from memory when it cannot be determined what the caller holds.</param>
    /// <param name="cancellation">The caller left.</param>
    public async ValueTask<Outcome> WithinAsync(
        Caller caller, Claim claim, Func<Claim, ValueTask<Outcome>> make, Func<LedgerException, ValueTask<Outcome>> remembered, CancellationToken cancellation)
    {
        var limits = await LimitsOfAsync(caller, claim.Holder, cancellation);
        foreach (var (name, limit) in limits)
        {
            if (limit.ClaimsPerSecond > 0 && rateLimit.Take(name, limit.ClaimsPerSecond, limit.Burst) is { } wait) return TooFast(name, limit, wait);
        }

        var shares = SharesOf(limits);
        if (shares.Count == 0) return await make(claim);
        try
        {
            var within = claim.IssueWait + claim.LineWait + AnswerWithin;
            var (connections, full) = await ledger.TakeAsync(claim.Holder, claim.Want, claim.Least, claim.Role.HolderTtl, within, shares, cancellation);
            if (full is not null) return Full(full, shares.Single(share => share.Name == full.Name));
            claim = claim with { Want = connections };
        }
        catch (LedgerException e)
        {
            return await remembered(e);
        }

        // A caller that left may have been granted all it asked for.
        int? granted = claim.Want;
        try
        {
            var outcome = await make(claim);
            granted = outcome.Grant?.Counted;
            return outcome;
        }
        finally
        {
            await SettleAsync(claim, granted, shares);
        }
    }

    /// <summary>The holder was renewed: its part of the shares continues to count.</summary>
    public async ValueTask StaysAsync(Caller caller, string holder, int connections, TimeSpan lasts, CancellationToken cancellation)
    {
        if (await SharesOfAsync(caller, holder, cancellation) is not { Count: > 0 } shares) return;
        try
        {
            var (_, full) = await ledger.TakeAsync(holder, connections, connections, lasts, AnswerWithin, shares, cancellation);
            if (full is null) await ledger.SettleAsync(holder, connections, lasts, shares, cancellation);
        }
        catch (LedgerException)
        {
            // Counted only until its previous end: a moment too short, for something that it has anyway.
        }
    }

    /// <summary>What <see cref="LeaveAsync"/> needs, read before the holder is released; null when nothing limits the caller.</summary>
    /// <exception cref="LedgerException">The ledger does not answer.</exception>
    public async ValueTask<long?> BeforeLeavingAsync(Caller caller, string holder, CancellationToken cancellation) =>
        await SharesOfAsync(caller, holder, cancellation) is [var first, ..] ? await ledger.VersionAsync(holder, first.Name, cancellation) : null;

    /// <summary>The holder was released: its part becomes free, unless it has claimed again in the meantime.</summary>
    public async ValueTask LeaveAsync(Caller caller, string holder, long? version, CancellationToken cancellation)
    {
        if (version is not { } seen || await SharesOfAsync(caller, holder, cancellation) is not { Count: > 0 } shares) return;
        try
        {
            await ledger.LeaveAsync(holder, seen, shares, cancellation);
        }
        catch (LedgerException)
        {
            // It is released: its part counts until its end.
        }
    }

    private async ValueTask SettleAsync(Claim claim, int? granted, IReadOnlyList<Share> shares)
    {
        try
        {
            await ledger.SettleAsync(claim.Holder, granted, claim.Role.HolderTtl, shares, CancellationToken.None);
        }
        catch (LedgerException)
        {
            // It counts as what it asked for until the ask would have ended, and as what it got when the ledger is told of that.
        }
    }

    private async ValueTask<IReadOnlyList<Share>> SharesOfAsync(Caller caller, string holder, CancellationToken cancellation) =>
        Limit(caller, holder) ? SharesOf(await LimitsOfAsync(caller, holder, cancellation)) : [];

    private static List<Share> SharesOf(IReadOnlyList<(string Name, ShareLimits Limits)> limits) =>
        [.. limits.Where(limit => limit.Limits.AreCounted).Select(limit => new Share(limit.Name, limit.Limits.Holders, limit.Limits.Connections))];

    private static Refusal TooFast(string name, ShareLimits limits, TimeSpan wait) => new(
        RefusalCode.LimitExceeded,
        string.Create(CultureInfo.InvariantCulture, $"{Who(name)} may claim {limits.ClaimsPerSecond} times a second. Wait and try again; a grant is valid until its end and need not be claimed again."),
        wait > TimeSpan.FromSeconds(1) ? wait : TimeSpan.FromSeconds(1));

    private static Refusal Full(ShareFull full, Share share) => new(
        RefusalCode.LimitExceeded,
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Who(full.Name)} has {full.Holders} holders{Of(share.Holders)} with {full.Connections} connections{Of(share.Connections)}. Release holders that are not needed, or ask whoever runs the broker for more."),
        full.NextEndIn > Longest ? Longest : full.NextEndIn > TimeSpan.FromSeconds(1) ? full.NextEndIn : TimeSpan.FromSeconds(1));

    private static string Of(int most) => most == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" of {most}");

    private static string Who(string name) => name.StartsWith("team:", StringComparison.Ordinal) ? $"Team '{name[5..]}'" : "This caller";
}
