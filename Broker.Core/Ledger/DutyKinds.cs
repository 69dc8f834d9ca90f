using Broker.Core.Model;

namespace Broker.Core.Ledger;

/// <summary>
/// The kinds of duties, and, for those of leases, the states in which a lease has them: a move into another state removes them. The
/// scripts get them from here.
/// </summary>
public static class DutyKinds
{
    public const string Sample = "sample";
    public const string Leftovers = "leftovers";
    public const string Ready = "ready";
    public const string Token = "token";
    public const string Renew = "renew";
    public const string Rotate = "rotate";
    public const string Verify = "verify";
    public const string Expire = "expire";
    public const string Revoke = "revoke";
    public const string Reap = "reap";

    /// <summary>The kinds that belong to leases.</summary>
    public static IReadOnlyDictionary<string, IReadOnlyList<LeaseState>> OfLeases { get; } = new SortedDictionary<string, IReadOnlyList<LeaseState>>(StringComparer.Ordinal)
    {
        [Renew] = [LeaseState.Active],
        [Rotate] = [LeaseState.Active],
        [Verify] = [LeaseState.Active, LeaseState.Retiring],
        [Expire] = [LeaseState.Active, LeaseState.Retiring],
        [Revoke] = [LeaseState.Expired, LeaseState.Revoking, LeaseState.RevokeFailed],
        [Reap] = [LeaseState.Issuing, LeaseState.Unknown, LeaseState.Revoked, LeaseState.Failed],
    };
}
