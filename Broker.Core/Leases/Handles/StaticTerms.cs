using Broker.Core.Catalog;

namespace Broker.Core.Leases.Handles;

/// <summary>How long a static role's password is handed out.</summary>
internal static class StaticTerms
{
    // The next password takes a moment to be made. Whoever reads in that moment finds the one of before, and some clients then wait for as long again
    // as they were told first (Vault Secrets Operator, computePostSyncHorizon).
    private static readonly TimeSpan Making = TimeSpan.FromSeconds(2);

    /// <summary>
    /// How long a client is told: until the next one has replaced it, in whole seconds rounded up, and not longer than its whole turn; zero: it is due. It works
    /// for a whole turn more.
    /// </summary>
    public static TimeSpan LeftOf(Rotation rotation, Grant grant)
    {
        if (UntilTurnOf(rotation, grant) is not { Ticks: > 0 } left) return TimeSpan.Zero;
        var told = Math.Ceiling((left + Making).TotalSeconds);
        var turn = rotation.Period is { } period ? Math.Floor(period.TotalSeconds) : Math.Ceiling((TurnOf(rotation, grant) - grant.Lease.IssuedAt).TotalSeconds);
        return TimeSpan.FromSeconds(Math.Min(told, turn));
    }

    /// <summary>How long until the next one's turn; zero: it has come.</summary>
    public static TimeSpan UntilTurnOf(Rotation rotation, Grant grant)
    {
        var left = TurnOf(rotation, grant) - (grant.Lease.ExpiresAt - grant.LeaseEndsIn);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }

    private static DateTimeOffset TurnOf(Rotation rotation, Grant grant) => rotation.TurnOf(grant.Lease.IssuedAt, grant.Lease.ExpiresAt);
}
