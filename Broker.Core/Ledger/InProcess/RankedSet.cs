using System.Globalization;

namespace Broker.Core.Ledger.InProcess;

/// <summary>A sorted set as Redis has it: members unique, ordered by score, then by their bytes.</summary>
internal sealed class RankedSet
{
    // Behind every existing member.
    private const string Last = "\uffff";

    private readonly Dictionary<string, double> scores = new(StringComparer.Ordinal);
    private readonly SortedSet<(double Score, string Member)> sorted = new(Comparer<(double Score, string Member)>.Create(
        static (a, b) => a.Score != b.Score ? a.Score.CompareTo(b.Score) : string.CompareOrdinal(a.Member, b.Member)));

    public RankedSet()
    {
    }

    public RankedSet(RankedSet other)
    {
        foreach (var (member, score) in other.scores) Add(member, score);
    }

    public int Count => scores.Count;

    /// <summary>A score as text, which reads back as the very same number.</summary>
    public static string? Text(double? score) => score?.ToString("R", CultureInfo.InvariantCulture);

    public double? Score(string member) => scores.TryGetValue(member, out var score) ? score : null;

    public bool Add(string member, double score)
    {
        var known = scores.TryGetValue(member, out var old);
        if (known) sorted.Remove((old, member));
        scores[member] = score;
        sorted.Add((score, member));
        return !known;
    }

    public bool Remove(string member) => scores.Remove(member, out var score) && sorted.Remove((score, member));

    /// <summary>Its place, from 0; null when it is not in the set. Walks the set: used for the line only, which is bounded.</summary>
    public object? Rank(string member)
    {
        if (!scores.ContainsKey(member)) return null;
        var rank = 0L;
        foreach (var (_, other) in sorted)
        {
            if (other == member) return rank;
            rank++;
        }

        return null;
    }

    /// <summary>Its members by their places, both ends included; a place below 0 counts from the end, as Redis has it.</summary>
    public string[] Range(int from, int to, bool withScores)
    {
        if (from < 0) from = Math.Max(0, from + Count);
        if (to < 0) to += Count;
        var members = new List<string>();
        foreach (var (score, member) in sorted.Skip(from).Take(to - from + 1))
        {
            members.Add(member);
            if (withScores) members.Add(Text(score)!);
        }

        return [.. members];
    }

    /// <summary>Its members by their scores, both ends included, without some of the first.</summary>
    public string[] Between(double least, double most, int limit, int skip = 0) =>
        [.. sorted.GetViewBetween((least, ""), (most, Last)).Skip(skip).Take(limit).Select(entry => entry.Member)];
}
