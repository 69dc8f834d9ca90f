using Broker.Core.Operators.Holdings;

namespace Broker.Api.Fronts.Native.Holdings;

/// <summary>A holder, what was granted to it, and what it has open.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Database">Its database.</param>
/// <param name="Role">Its role.</param>
/// <param name="Caller">Who it is.</param>
/// <param name="Namespace">Its namespace; null when it is not a pod.</param>
/// <param name="Team">The team it is counted with; null: none.</param>
/// <param name="Node">The node its pod runs on; null: not known.</param>
/// <param name="Lease">Its lease; null while it waits for one.</param>
/// <param name="Username">The database user it has; null while it waits.</param>
/// <param name="Granted">Connections granted to it.</param>
/// <param name="Moving">Connections of the lease that it is moving from, which may also be open.</param>
/// <param name="Over">Open beyond both.</param>
/// <param name="Open">What it has open now; null when the database does not report it.</param>
/// <param name="Since">Since when it has been a holder; null: not known.</param>
/// <param name="EndsAt">Its end unless it renews.</param>
/// <param name="Waiting">It waits for its login.</param>
public sealed record HoldingShape(
    string Id, string Database, string Role, string Caller, string? Namespace, string? Team, string? Node, string? Lease, string? Username, int Granted, int Moving, int Over,
    OpenShape? Open, DateTimeOffset? Since, DateTimeOffset EndsAt, bool Waiting)
{
    /// <summary>Of a holder.</summary>
    public static HoldingShape Of(Holding holder) => new(
        holder.Id, holder.Database, holder.Role, holder.Caller, holder.Namespace, holder.Team, holder.Node, holder.Lease.Length > 0 ? holder.Lease : null,
        holder.Username.Length > 0 ? holder.Username : null, holder.Granted, holder.Moving, holder.Over, holder.Open is { } open ? OpenShape.Of(open) : null,
        holder.Since, holder.EndsAt, holder.Waiting);
}

/// <summary>What is open at one moment.</summary>
/// <param name="Connections">Connections open.</param>
/// <param name="Idle">The idle ones.</param>
/// <param name="IdleInTransaction">Those that are idle in an open transaction.</param>
/// <param name="LongestQuerySeconds">How long the oldest running statement has run; null when none runs.</param>
/// <param name="LongestIdleInTransactionSeconds">The longest time that one has been idle in a transaction; null when there are none.</param>
public sealed record OpenShape(int Connections, int Idle, int IdleInTransaction, double? LongestQuerySeconds, double? LongestIdleInTransactionSeconds)
{
    /// <summary>Of what is open.</summary>
    public static OpenShape Of(OpenCount open) => new(
        open.Connections, open.Idle, open.IdleInTransaction, Seconds(open.LongestQuery), Seconds(open.LongestIdleInTransaction));

    private static double? Seconds(TimeSpan? span) => span is { } known ? Math.Round(known.TotalSeconds, 1) : null;
}

/// <summary>A page of holders.</summary>
/// <param name="Total">How many holders match.</param>
/// <param name="Page">Which page this is, from 1.</param>
/// <param name="Pages">How many pages there are.</param>
/// <param name="Holders">The holders of this page.</param>
/// <param name="Unseen">Databases whose open connections are not known, with the reason.</param>
public sealed record HoldingsShape(int Total, int Page, int Pages, IReadOnlyList<HoldingShape> Holders, IReadOnlyList<HoldingsShape.UnseenShape> Unseen)
{
    /// <summary>A database that does not report its open connections.</summary>
    /// <param name="Database">The database.</param>
    /// <param name="Why">Its server's words.</param>
    public sealed record UnseenShape(string Database, string Why);
}

/// <summary>Connections that belong to no holder, grouped by what they have in common.</summary>
/// <param name="Username">The database user; null when it no longer exists, or the server does not say.</param>
/// <param name="Program">What the client calls itself; null: nothing, or not shown.</param>
/// <param name="Address">Where it connects from; null: the database's machine, or not shown.</param>
/// <param name="Role">The role, when it is the user of one of its leases without a holder's name; null when it is another user.</param>
/// <param name="Open">What is open.</param>
public sealed record OtherShape(string? Username, string? Program, string? Address, string? Role, OpenShape Open);

/// <summary>Who else has connections to a database, most first.</summary>
/// <param name="Database">The database.</param>
/// <param name="Connections">Connections of all of them.</param>
/// <param name="Others">Who.</param>
/// <param name="Unseen">Why it is not known; null when it is.</param>
public sealed record OthersShape(string Database, int Connections, IReadOnlyList<OtherShape> Others, string? Unseen)
{
    /// <summary>Of what is known of a database.</summary>
    public static OthersShape Of(DatabaseHoldings holdings) => new(
        holdings.Database,
        holdings.Others.Sum(other => other.Open.Connections),
        [.. holdings.Others.Select(other => new OtherShape(other.Username, Or(other.Program), Or(other.Address), other.Role, OpenShape.Of(other.Open)))],
        holdings.WhyUnseen);

    private static string? Or(string text) => text.Length > 0 ? text : null;
}

/// <summary>Who waits in line for a database's connections, in the order in which they are served, at most 1,000.</summary>
/// <param name="Database">The database.</param>
/// <param name="Waiting">Who.</param>
public sealed record LineShape(string Database, IReadOnlyList<LineShape.WaitingShape> Waiting)
{
    /// <summary>A caller that waits.</summary>
    /// <param name="Holder">The id of the holder that it will become.</param>
    /// <param name="Caller">Who it is.</param>
    /// <param name="Want">Connections that it wants.</param>
    /// <param name="Least">The fewest connections that it accepts.</param>
    /// <param name="Since">Since when it waits; null: not known.</param>
    /// <param name="Until">Until when it waits.</param>
    public sealed record WaitingShape(string Holder, string Caller, int Want, int Least, DateTimeOffset? Since, DateTimeOffset Until);
}
