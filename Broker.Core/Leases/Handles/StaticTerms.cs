using Broker.Core.Catalog;

namespace Broker.Core.Leases.Handles;

/// <summary>How long a static role's password is handed out.</summary>
internal static class StaticTerms
{
    /// <summary>Until the next one replaces it; zero: it is due.</summary>
    public static TimeSpan LeftOf(Rotation rotation, Grant grant)
    {
        var left = rotation.TurnOf(grant.Lease.IssuedAt, grant.Lease.ExpiresAt) - (grant.Lease.ExpiresAt - grant.LeaseEndsIn);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }
}
