using Broker.Core.Operators.Holdings;

namespace Broker.Api.Fronts.Native.Holdings;

/// <summary>A holder, with what was granted to it and what it has open.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Database">Its database.</param>
/// <param name="Role">Its role.</param>
/// <param name="Caller">Who it is.</param>
/// <param name="Namespace">Its namespace; null where it is no pod.</param>
/// <param name="Team">The team it is counted with; null: none.</param>
/// <param name="Node">The node its pod runs on; null: not known.</param>
/// <param name="Lease">Its lease; null while it waits for one.</param>
/// <param name="Username">The database user it has; null while it waits.</param>
/// <param name="Granted">Connections granted to it.</param>
/// <param name="Moving">Connections of the lease that it moves from, which may be open besides.</param>
/// <param name="Over">Open beyond both.</param>
/// <param name="Open">What it has open now; null: the database does not tell.</param>
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
/// <param name="Idle">Those that do nothing.</param>
/// <param name="IdleInTransaction">Those that do nothing and have a transaction open.</param>
/// <param name="LongestQuerySeconds">How long the oldest statement under way has run; null: none runs.</param>
/// <param name="LongestIdleInTransactionSeconds">How long the longest of those idle in a transaction has done nothing; null: there are none.</param>
public sealed record OpenShape(int Connections, int Idle, int IdleInTransaction, double? LongestQuerySeconds, double? LongestIdleInTransactionSeconds)
{
    /// <summary>Of what is open.</summary>
    public static OpenShape Of(OpenCount open) => new(
        open.Connections, open.Idle, open.IdleInTransaction, Seconds(open.LongestQuery), Seconds(open.LongestIdleInTransaction));

    private static double? Seconds(TimeSpan? span) => span is { } known ? Math.Round(known.TotalSeconds, 1) : null;
}

/// <summary>A page of holders.</summary>
/// <param name="Total">How many there are that were asked for.</param>
/// <param name="Page">Which page this is, from 1.</param>
/// <param name="Pages">How many there are.</param>
/// <param name="Holders">Those of this page.</param>
/// <param name="Unseen">Databases of which it is not known what is open, with the reason.</param>
public sealed record HoldingsShape(int Total, int Page, int Pages, IReadOnlyList<HoldingShape> Holders, IReadOnlyList<HoldingsShape.UnseenShape> Unseen)
{
    /// <summary>A database that does not tell what is open.</summary>
    /// <param name="Database">The database.</param>
    /// <param name="Why">Its server's words.</param>
    public sealed record UnseenShape(string Database, string Why);
}

/// <summary>Connections that no holder has, alike ones together.</summary>
/// <param name="Username">The database user; null: it exists no more, or the server does not say.</param>
/// <param name="Program">What the client calls itself; null: nothing, or not shown.</param>
/// <param name="Address">Where it connects from; null: the database's machine, or not shown.</param>
/// <param name="Role">The role whose lease's user this is, with no holder's name; null: a user of others'.</param>
/// <param name="Open">What is open.</param>
public sealed record OtherShape(string? Username, string? Program, string? Address, string? Role, OpenShape Open);

/// <summary>Who besides holders has connections of a database, most first.</summary>
/// <param name="Database">The database.</param>
/// <param name="Connections">Connections of all of them.</param>
/// <param name="Others">Who.</param>
/// <param name="Unseen">Why it is not known; null: it is.</param>
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

/// <summary>Who waits in line for a database's connections, those first that are served first, at most 1,000.</summary>
/// <param name="Database">The database.</param>
/// <param name="Waiting">Who.</param>
public sealed record LineShape(string Database, IReadOnlyList<LineShape.WaitingShape> Waiting)
{
    /// <summary>A caller that waits.</summary>
    /// <param name="Holder">The holder that it wants to be.</param>
    /// <param name="Caller">Who it is.</param>
    /// <param name="Want">Connections that it wants.</param>
    /// <param name="Least">Connections that it can live with.</param>
    /// <param name="Since">Since when it waits; null: not known.</param>
    /// <param name="Until">How long it would wait.</param>
    public sealed record WaitingShape(string Holder, string Caller, int Want, int Least, DateTimeOffset? Since, DateTimeOffset Until);
}
