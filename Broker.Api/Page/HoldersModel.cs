using System.Globalization;
using Broker.Api.Fronts;
using Broker.Core.Operators;
using Broker.Core.Operators.Holdings;

namespace Broker.Api.Page;

/// <summary>The connections of one database, as the page shows them.</summary>
/// <param name="Who">The viewer of the page.</param>
/// <param name="MayOrder">Whether this person may give orders.</param>
/// <param name="Database">The database.</param>
/// <param name="At">The ledger's time.</param>
/// <param name="Trouble">Why nothing is shown; null when all is well.</param>
/// <param name="Filter">The requested filter.</param>
/// <param name="Page">The holders.</param>
/// <param name="All">All of the database's holders, of which the page shows some.</param>
/// <param name="Others">All others with connections.</param>
/// <param name="WhyUnseen">Why the open connections are not known; null when they are.</param>
public sealed record HoldersModel(
    string Who, bool MayOrder, string Database, DateTimeOffset At, string? Trouble, HoldingFilter Filter, HoldingPage Page, IReadOnlyList<Holding> All,
    IReadOnlyList<OtherConnections> Others, string? WhyUnseen)
{
    /// <summary>The most others that are shown.</summary>
    public const int MostOthers = 100;

    private static readonly HoldingFilter Usual = new();

    /// <summary>What an order has done; null when none was given.</summary>
    public string? Done { get; init; }

    /// <summary>What each team's holders have, most first; empty if there are no teams.</summary>
    public IReadOnlyList<TeamUse> Teams => All.All(holder => holder.Team is null) ? []
        : [.. All.GroupBy(holder => holder.Team).Select(its => new TeamUse(
                its.Key, its.Count(), its.Sum(holder => holder.Granted + holder.Moving), its.Sum(holder => holder.Open?.Connections ?? 0), its.Sum(holder => holder.Over)))
            .OrderByDescending(team => team.Granted).ThenBy(team => team.Team, StringComparer.Ordinal)];

    /// <summary>The findings about the database; null when it was not examined.</summary>
    public Core.Operators.DatabaseExamination? Examination { get; init; }

    /// <summary>The history of its connections; null when not known.</summary>
    public Core.Leases.History.DatabaseHistory? History { get; init; }

    /// <summary>Connections granted to all.</summary>
    public int Granted => All.Sum(holder => holder.Granted + holder.Moving);

    /// <summary>Connections that holders have open, as far as their owners are known.</summary>
    public int Open => All.Sum(holder => holder.Open?.Connections ?? 0);

    /// <summary>Holders with more connections open than granted, most first.</summary>
    public IReadOnlyList<Holding> Over => [.. All.Where(holder => holder.Over > 0).OrderByDescending(holder => holder.Over)];

    /// <summary>The values that a field of theirs has, most frequent first.</summary>
    public IReadOnlyList<string> Values(Func<Holding, string?> field) =>
        [.. All.Select(field).OfType<string>().GroupBy(value => value, StringComparer.Ordinal).OrderByDescending(value => value.Count()).ThenBy(value => value.Key, StringComparer.Ordinal).Take(200).Select(value => value.Key)];

    /// <summary>How the page names a sort order.</summary>
    public static string TextOf(string sort) => sort switch
    {
        "ends" => "end",
        "who" => "name",
        "connections" => "granted",
        "transaction" => "idle in a transaction",
        "query" => "longest query",
        _ => sort,
    };

    /// <summary>The address of the same view with something changed.</summary>
    public string Address(HoldingFilter filter, string? span = null)
    {
        var parts = new List<string>();
        Add("q", filter.Search, Usual.Search);
        Add("namespace", filter.Namespace, null);
        Add("team", filter.Team, null);
        Add("role", filter.Role, null);
        Add("node", filter.Node, null);
        Add("over", filter.OnlyOver ? "true" : null, null);
        Add("sort", filter.Sort, Usual.Sort);
        if (span is { } chosen) Add("span", chosen, "6h");
        Add("page", filter.Page.ToString(CultureInfo.InvariantCulture), "1");
        return $"/databases/{Uri.EscapeDataString(Database)}{(parts.Count > 0 ? "?" : "")}{string.Join('&', parts)}";

        void Add(string name, string? value, string? usual)
        {
            if (!string.IsNullOrEmpty(value) && value != usual) parts.Add($"{name}={Uri.EscapeDataString(value)}");
        }
    }

    /// <summary>How long ago something was.</summary>
    public string Age(DateTimeOffset? since) => since is { } known ? Wording.Span(At - known) : "not known";
}

/// <summary>What a team's holders have.</summary>
/// <param name="Team">The team; null: those that have none.</param>
/// <param name="Holders">How many there are.</param>
/// <param name="Granted">Connections granted to them.</param>
/// <param name="Open">Connections that they visibly have open.</param>
/// <param name="Over">Connections open beyond what their holders were granted.</param>
public sealed record TeamUse(string? Team, int Holders, int Granted, int Open, int Over);
