using System.Globalization;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Leases;
using Broker.Core.Ledger;
using Broker.Core.Model;

namespace Broker.Core.Limits;

/// <summary>Holds callers and teams to their shares, so that one looping client cannot starve the rest.</summary>
internal sealed class CallerShares(ICatalog catalog, ShareLedger ledger, TimeProvider time)
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);

    private readonly RateLimit rateLimit = new(time);

    /// <summary>The limits that concern a caller; null when none do, as mostly.</summary>
    public IReadOnlyList<(string Name, ShareLimits Limits)>? LimitsOf(Caller caller)
    {
        var identity = catalog.Current.Identity;
        var own = identity.Callers;
        if (identity.Teams.Count == 0 && own.ClaimsPerSecond == 0 && !own.AreCounted) return null;
        var team = TeamOf(identity, caller);
        return team is null
            ? [("caller:" + caller.OwnerHash, own)]
            : [("caller:" + caller.OwnerHash, own), ("team:" + team.Name, team.Limits)];
    }

    /// <summary>The first team whose members a caller is among; null: none.</summary>
    public static Team? TeamOf(IdentitySettings identity, Caller caller)
    {
        foreach (var team in identity.Teams)
        {
            if (team.Members.Allow(caller)) return team;
        }

        return null;
    }

    /// <summary>Takes a claim's part of the shares, makes it, and gives back what it did not get.</summary>
    public async ValueTask<Outcome> WithinAsync(
        IReadOnlyList<(string Name, ShareLimits Limits)> limits, Claim claim, Func<Claim, ValueTask<Outcome>> make, CancellationToken cancellation)
    {
        foreach (var (name, limit) in limits)
        {
            if (limit.ClaimsPerSecond > 0 && rateLimit.Take(name, limit.ClaimsPerSecond, limit.Burst) is { } wait) return TooFast(name, limit, wait);
        }

        var shares = SharesOf(limits);
        if (shares.Count == 0) return await make(claim);
        try
        {
            var (connections, full) = await ledger.TakeAsync(claim.Holder, claim.Want, claim.Least, claim.Role.HolderTtl, shares, cancellation);
            if (full is not null) return Full(full, shares.Single(share => share.Name == full.Name));
            claim = claim with { Want = connections };
        }
        catch (LedgerException)
        {
            // It cannot promise anything either: who holds a lease is answered from memory, everybody else is refused.
            return await make(claim);
        }

        var outcome = await make(claim);
        await SettleAsync(claim, outcome, shares);
        return outcome;
    }

    /// <summary>The holder is still there with what it has: its part of the shares is counted on.</summary>
    public async ValueTask StaysAsync(Caller caller, string holder, int connections, TimeSpan lasts, CancellationToken cancellation)
    {
        if (LimitsOf(caller) is not { } limits || SharesOf(limits) is not { Count: > 0 } shares) return;
        try
        {
            await ledger.TakeAsync(holder, connections, connections, lasts, shares, cancellation);
        }
        catch (LedgerException)
        {
            // Counted until the end it had: a moment too short, for something that it has anyway.
        }
    }

    /// <summary>The holder left: its part comes free.</summary>
    public async ValueTask LeaveAsync(Caller caller, string holder, CancellationToken cancellation)
    {
        if (LimitsOf(caller) is not { } limits || SharesOf(limits) is not { Count: > 0 } shares) return;
        await ledger.LeaveAsync(holder, shares, cancellation);
    }

    private async ValueTask SettleAsync(Claim claim, Outcome outcome, IReadOnlyList<Share> shares)
    {
        try
        {
            if (outcome.Grant is { } grant)
            {
                if (grant.Connections != claim.Want)
                    await ledger.TakeAsync(claim.Holder, grant.Connections, grant.Connections, claim.Role.HolderTtl, shares, CancellationToken.None);
            }
            else if (claim.Kind == ClaimKind.Claim && outcome.Refusal?.Code != RefusalCode.HolderInUse)
            {
                await ledger.LeaveAsync(claim.Holder, shares, CancellationToken.None);
            }
        }
        catch (LedgerException)
        {
            // Counted too much until the holder's end, never too little.
        }
    }

    private static List<Share> SharesOf(IReadOnlyList<(string Name, ShareLimits Limits)> limits) =>
        [.. limits.Where(limit => limit.Limits.AreCounted).Select(limit => new Share(limit.Name, limit.Limits.Holders, limit.Limits.Connections))];

    private static Refusal TooFast(string name, ShareLimits limits, TimeSpan wait) => new(
        RefusalCode.LimitExceeded,
        string.Create(CultureInfo.InvariantCulture, $"{Who(name)} may claim {limits.ClaimsPerSecond} times a second. Come back then; a grant is good until its end and need not be asked for again."),
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
