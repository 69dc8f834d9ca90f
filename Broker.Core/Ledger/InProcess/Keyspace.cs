using System.Globalization;

namespace Broker.Core.Ledger.InProcess;

/// <summary>
/// The few Redis commands that the ledger's scripts use, on dictionaries, with Redis' answers. Not thread-safe: the store
/// runs one decision at a time, as Redis does.
/// </summary>
internal class Keyspace(TimeProvider time, Action<string, string> publish)
{
    private readonly Dictionary<string, Dictionary<string, string>> hashes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, RankedSet> ranked = new(StringComparer.Ordinal);
    private DateTimeOffset at = DateTimeOffset.UnixEpoch;
    private long readings;

    /// <summary>
    /// Reads the clock once for each decision, when its turn has come: a decision that read the clock and then had to wait would find the ledger's
    /// time ahead of it, and take that for a clock that fell back. A clock may run others' work when it is read, and that work may take
    /// a decision: none may begin while one is under way, and a decision after it is no earlier.
    /// </summary>
    public void ReadClock()
    {
        var before = readings;
        var now = time.GetUtcNow();
        at = readings == before || now > at ? now : at;
        readings++;
    }

    /// <summary>A hash's content, for readers outside the ledger.</summary>
    public IReadOnlyDictionary<string, string> HashAt(string key) => Hash(key);

    /// <summary>A sorted set's content, likewise.</summary>
    public RankedSet RankedAt(string key) => Set(key);

    /// <summary>Takes over the content of another keyspace, and nothing else: a ledger put back to a copy, or emptied.</summary>
    public virtual void Become(Keyspace other)
    {
        hashes.Clear();
        ranked.Clear();
        foreach (var (key, hash) in other.hashes) hashes[key] = new(hash, StringComparer.Ordinal);
        foreach (var (key, set) in other.ranked) ranked[key] = new(set);
    }

    /// <summary>The whole content: whether it is in a sorted set, the key, the field or member.</summary>
    protected IEnumerable<(bool Ranked, string Key, string Name)> Names() =>
        hashes.SelectMany(static hash => hash.Value.Keys.Select(field => (false, hash.Key, field)))
            .Concat(ranked.SelectMany(static set => set.Value.Range(0, -1, withScores: false).Select(member => (true, set.Key, member))));

    public virtual object? Execute(string[] words) => words[0] switch
    {
        "TIME" => Now(),
        "HGET" => Hash(words[1]).GetValueOrDefault(words[2]),
        "HMGET" => Many(Hash(words[1]), words),
        "HGETALL" => Hash(words[1]).SelectMany(pair => new[] { pair.Key, pair.Value }).ToArray(),
        "HSET" => Set(Hash(words[1]), words),
        "HDEL" => Delete(Hash(words[1]), words),
        "HINCRBY" => Increment(Hash(words[1]), words[2], Integer(words[3])),
        "ZADD" => Add(Set(words[1]), words),
        "ZREM" => Set(words[1]).Remove(words[2]) ? 1L : 0L,
        "ZSCORE" => RankedSet.Text(Set(words[1]).Score(words[2])),
        "ZRANK" => Set(words[1]).Rank(words[2]),
        "ZCARD" => (long)Set(words[1]).Count,
        "ZRANGE" => Set(words[1]).Range((int)Integer(words[2]), (int)Integer(words[3]), words.Length > 4 && words[4] == "WITHSCORES"),
        "ZRANGEBYSCORE" => Set(words[1]).Between(Score(words[2]), Score(words[3]), words.Length > 4 ? (int)Integer(words[6]) : int.MaxValue, words.Length > 4 ? (int)Integer(words[5]) : 0),
        "ZREMRANGEBYSCORE" => RemoveUpTo(Set(words[1]), Score(words[3])),
        "PUBLISH" => Publish(words[1], words[2]),
        _ => throw new ArgumentException("not a command that the in-process ledger knows"),
    };

    private string[] Now()
    {
        var microseconds = (at - DateTimeOffset.UnixEpoch).Ticks / 10;
        return [Text(microseconds / 1_000_000), Text(microseconds % 1_000_000)];
    }

    private Dictionary<string, string> Hash(string key)
    {
        if (!hashes.TryGetValue(key, out var hash)) hashes[key] = hash = new(StringComparer.Ordinal);
        return hash;
    }

    private RankedSet Set(string key)
    {
        if (!ranked.TryGetValue(key, out var set)) ranked[key] = set = new();
        return set;
    }

    private static string?[] Many(Dictionary<string, string> hash, string[] words)
    {
        var values = new string?[words.Length - 2];
        for (var i = 0; i < values.Length; i++) values[i] = hash.GetValueOrDefault(words[i + 2]);
        return values;
    }

    private static long Set(Dictionary<string, string> hash, string[] words)
    {
        var added = 0L;
        for (var i = 2; i < words.Length; i += 2)
        {
            if (!hash.ContainsKey(words[i])) added++;
            hash[words[i]] = words[i + 1];
        }

        return added;
    }

    private static long Delete(Dictionary<string, string> hash, string[] words)
    {
        var deleted = 0L;
        for (var i = 2; i < words.Length; i++)
            if (hash.Remove(words[i])) deleted++;
        return deleted;
    }

    private static long Increment(Dictionary<string, string> hash, string field, long by)
    {
        var value = Integer(hash.GetValueOrDefault(field, "0")) + by;
        hash[field] = Text(value);
        return value;
    }

    private static long Add(RankedSet set, string[] words)
    {
        var added = 0L;
        for (var i = 2; i < words.Length; i += 2)
            if (set.Add(words[i + 1], Score(words[i]))) added++;
        return added;
    }

    private static long RemoveUpTo(RankedSet set, double most)
    {
        var over = set.Between(double.NegativeInfinity, most, int.MaxValue);
        foreach (var member in over) set.Remove(member);
        return over.Length;
    }

    private long Publish(string channel, string subject)
    {
        publish(channel, subject);
        return 1L;
    }

    private static long Integer(string text) => long.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);

    protected static double Score(string text) => text switch
    {
        "-inf" => double.NegativeInfinity,
        "+inf" => double.PositiveInfinity,
        _ => double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture),
    };

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
