using Broker.Core.Ledger;

namespace Broker.Api.Fronts.Native.Leases;

/// <summary>A lease as operators see it.</summary>
public sealed record LeaseShape(
    string Id, string Database, string Role, string Pool, string State, string? Username, DateTimeOffset CreatedAt, DateTimeOffset? IssuedAt,
    DateTimeOffset? VerifiedAt, DateTimeOffset? ExpiresAt, int Holders, int Connections, string? Reason)
{
    /// <summary>The progress of its replacement; null when it is not being replaced.</summary>
    public RotationShape? Rotation { get; init; }

    /// <summary>The progress of a rotation.</summary>
    /// <param name="Left">Holders that still use the old user.</param>
    /// <param name="Moved">Holders that have the new one.</param>
    public sealed record RotationShape(int Left, int Moved);

    /// <summary>Of leases, each beside the others.</summary>
    public static IReadOnlyList<LeaseShape> Of(IReadOnlyList<LeaseRecord> leases) =>
    [
        .. leases.Select(lease => Of(lease) with
        {
            Rotation = lease is { State: Core.Model.LeaseState.Retiring, Holders: > 0 }
                ? new(lease.Holders, leases.Where(other => other.Database == lease.Database && other.Pool == lease.Pool && other.State == Core.Model.LeaseState.Active).Sum(other => other.Holders))
                : null,
        }),
    ];

    /// <summary>Of a lease.</summary>
    public static LeaseShape Of(LeaseRecord lease) => new(
        lease.Id, lease.Database, lease.Role, lease.Pool, lease.State.ToString(), Or(lease.Username), lease.CreatedAt, lease.IssuedAt, lease.VerifiedAt,
        lease.ExpiresAt, lease.Holders, lease.Connections, Or(lease.Reason));

    private static string? Or(string text) => text.Length > 0 ? text : null;
}

/// <summary>All leases.</summary>
public sealed record LeasesShape(IReadOnlyList<LeaseShape> Leases);

/// <summary>A holder as operators see it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Caller">Who it is.</param>
/// <param name="Connections">Connections granted.</param>
/// <param name="EndsAt">Its end unless it renews.</param>
/// <param name="Waiting">It waits for the lease to be issued.</param>
public sealed record HolderShape(string Id, string Caller, int Connections, DateTimeOffset EndsAt, bool Waiting);

/// <summary>A lease with the holders that end first.</summary>
public sealed record LeaseWithHoldersShape(
    string Id, string Database, string Role, string Pool, string State, string? Username, DateTimeOffset CreatedAt, DateTimeOffset? IssuedAt,
    DateTimeOffset? VerifiedAt, DateTimeOffset? ExpiresAt, int Holders, int Connections, string? Reason, IReadOnlyList<HolderShape> HolderList)
{
    /// <summary>Of a lease and its holders.</summary>
    public static LeaseWithHoldersShape Of(LeaseRecord record, IReadOnlyList<HolderRecord> holders)
    {
        var lease = LeaseShape.Of(record);
        return new(
            lease.Id, lease.Database, lease.Role, lease.Pool, lease.State, lease.Username, lease.CreatedAt, lease.IssuedAt, lease.VerifiedAt,
            lease.ExpiresAt, lease.Holders, lease.Connections, lease.Reason,
            [.. holders.Select(holder => new HolderShape(holder.Id, holder.Caller, holder.Connections, holder.EndsAt, holder.Waiting))]);
    }
}
