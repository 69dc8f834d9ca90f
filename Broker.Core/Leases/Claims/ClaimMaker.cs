using System.Globalization;
using System.Runtime.CompilerServices;
using Broker.Core.Catalog;
using Broker.Core.Identity;
using Broker.Core.Ledger;

namespace Broker.Core.Leases.Claims;

/// <summary>Turns a caller's request into a claim for the ledger, within what its role allows.</summary>
internal static class ClaimMaker
{
    private static readonly ConditionalWeakTable<Role, RoleTerms> Terms = new();

    /// <summary>Makes the claim, or says what is wrong with the request.</summary>
    public static string? From(Ask ask, Role role, WaitingSettings waiting, out Claim claim)
    {
        claim = null!;
        var terms = role.Connections;
        // A session belongs to one job, so it identifies the job without an id.
        var own = ask.Holder ?? ask.Caller.Session;
        if (HolderId.WhyNot(ask.Caller, own) is { } why) return why;
        if (ask.Connections is { } wanted && (wanted < terms.Min || wanted > terms.Max))
            return Say($"'connections' is {wanted}; role '{role.Name}' grants {terms.Min} to {terms.Max}.");
        var want = ask.Connections ?? terms.Default;
        if (ask.MinConnections is { } min && (min < terms.Min || min > want))
            return Say($"'minConnections' is {min}; it must be from {terms.Min} (the role's minimum) to {want} (the connections you ask for).");
        var least = ask.MinConnections ?? (ask.Connections is null ? terms.Min : want);

        // A preference, not a demand (RFC 7240): a caller that asks for more waits as long as allowed.
        var wait = ask.Wait > waiting.MaxWait ? waiting.MaxWait : ask.Wait;
        var holder = HolderId.For(role.Name, ask.Caller, own);
        claim = new(
            holder.Value,
            TermsOf(role),
            Pool.For(role, ask.Caller, holder).Key,
            want,
            least,
            wait ?? waiting.Default,
            wait ?? TimeSpan.Zero,
            ClaimKind.Claim,
            ask.Caller.DisplayName)
        {
            Node = ask.Caller.Node,
            Breathes = ask.Breathes,
            Lasts = ask.Lasts,
        };
        return null;
    }

    /// <summary>The terms of a role; the same object for the same role, so that a batch names them once.</summary>
    public static RoleTerms TermsOf(Role role) => Terms.GetValue(role, static role => new(
        role.Name,
        // Rounded up: half a surge pod is a pod.
        role.Connections.ExpectedHolders + (role.Connections.ExpectedHolders * role.Connections.SurgePercent + 99) / 100,
        role.HolderTtl,
        role.MaxHoldersPerLease,
        role.IdleTtl));

    private static string Say(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
