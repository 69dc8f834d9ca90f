using System.Collections.Frozen;
using Broker.Core.Leases;
using Broker.Core.Operators.Holdings;

namespace Broker.Core.Operators.Holdings;

/// <summary>The requested holders, in which order, and which page of them.</summary>
public sealed record HoldingFilter
{
    /// <summary>The most that one page has.</summary>
    public const int LargestPage = 1000;

    private static readonly FrozenDictionary<string, Func<IEnumerable<Holding>, IOrderedEnumerable<Holding>>> Orders =
        new Dictionary<string, Func<IEnumerable<Holding>, IOrderedEnumerable<Holding>>>(StringComparer.Ordinal)
        {
            ["ends"] = found => found.OrderBy(holder => holder.EndsAt),
            ["age"] = found => found.OrderBy(holder => holder.Since ?? DateTimeOffset.MaxValue),
            ["who"] = found => found.OrderBy(holder => holder.Caller, StringComparer.Ordinal),
            ["namespace"] = found => found.OrderBy(holder => holder.Namespace ?? "\uffff", StringComparer.Ordinal),
            ["team"] = found => found.OrderBy(holder => holder.Team ?? "\uffff", StringComparer.Ordinal),
            ["role"] = found => found.OrderBy(holder => holder.Role, StringComparer.Ordinal),
            ["node"] = found => found.OrderBy(holder => holder.Node ?? "\uffff", StringComparer.Ordinal),
            ["connections"] = found => found.OrderByDescending(holder => holder.Granted),
            ["open"] = found => found.OrderByDescending(holder => holder.Open?.Connections ?? -1),
            ["over"] = found => found.OrderByDescending(holder => holder.Over),
            ["idle"] = found => found.OrderByDescending(holder => holder.Open?.Idle ?? -1),
            ["transaction"] = found => found.OrderByDescending(holder => holder.Open?.LongestIdleInTransaction ?? TimeSpan.MinValue),
            ["query"] = found => found.OrderByDescending(holder => holder.Open?.LongestQuery ?? TimeSpan.MinValue),
        }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The orders there are.</summary>
    public static IReadOnlyList<string> Sorts { get; } =
        ["ends", "age", "who", "namespace", "team", "role", "node", "connections", "open", "over", "idle", "transaction", "query"];

    /// <summary>What a holder's name, id, node, user or team has to contain, whatever its case; empty: anything.</summary>
    public string Search { get; init; } = "";

    /// <summary>Its namespace; null: any.</summary>
    public string? Namespace { get; init; }

    /// <summary>Its team; null: any.</summary>
    public string? Team { get; init; }

    /// <summary>Its role; null: any.</summary>
    public string? Role { get; init; }

    /// <summary>Its node; null: any.</summary>
    public string? Node { get; init; }

    /// <summary>Its lease; null: any.</summary>
    public string? Lease { get; init; }

    /// <summary>Only those that have more open than granted.</summary>
    public bool OnlyOver { get; init; }

    /// <summary>One of <see cref="Sorts"/>.</summary>
    public string Sort { get; init; } = "ends";

    /// <summary>Which page, from 1.</summary>
    public int Page { get; init; } = 1;

    /// <summary>How many a page has, 1 to <see cref="LargestPage"/>.</summary>
    public int PageSize { get; init; } = 100;

    /// <summary>What is wrong with it; null when nothing is.</summary>
    public string? WhyNot() =>
        !Orders.ContainsKey(Sort) ? $"'sort' must be one of {string.Join(", ", Sorts)}."
        : Page is < 1 or > 1_000_000 ? "'page' must be 1 to 1000000."
        : PageSize is < 1 or > LargestPage ? $"'pageSize' must be 1 to {LargestPage}."
        : null;

    /// <summary>The requested page; if there is no such page, the last.</summary>
    public HoldingPage Of(IEnumerable<Holding> holders)
    {
        var found = holders.Where(Matches).ToArray();
        var pages = Math.Max(1, (found.Length + PageSize - 1) / PageSize);
        var page = Math.Min(Page, pages);
        return new(
            found.Length, page, pages,
            [.. Orders[Sort](found).ThenBy(holder => holder.Caller, StringComparer.Ordinal).ThenBy(holder => holder.Id, StringComparer.Ordinal).Skip((page - 1) * PageSize).Take(PageSize)]);
    }

    private bool Matches(Holding holder) =>
        (Namespace is null || holder.Namespace == Namespace)
        && (Team is null || holder.Team == Team)
        && (Role is null || holder.Role == Role)
        && (Node is null || holder.Node == Node)
        && (Lease is null || holder.Lease == Lease)
        && (!OnlyOver || holder.Over > 0)
        && (Search.Length == 0 || Has(holder.Caller) || Has(holder.Id) || Has(holder.Node) || Has(holder.Team) || Has(holder.Username));

    private bool Has(string? text) => text?.Contains(Search, StringComparison.OrdinalIgnoreCase) == true;
}

/// <summary>A page of holders.</summary>
/// <param name="Total">How many were found.</param>
/// <param name="Page">Which page this is, from 1.</param>
/// <param name="Pages">How many there are.</param>
/// <param name="Holders">Those of this page.</param>
public sealed record HoldingPage(int Total, int Page, int Pages, IReadOnlyList<Holding> Holders);
