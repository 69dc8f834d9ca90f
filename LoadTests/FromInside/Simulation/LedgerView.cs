using System.Globalization;
using Broker.Core.Ledger;
using Broker.Core.Ledger.InProcess;

namespace LoadTests.FromInside.Simulation;

/// <summary>A lease as it stands in the ledger. Times in the ledger's milliseconds.</summary>
internal sealed record LeaseView(
    string Id, string State, string Pool, string Role, string User, string Reason, long Expires, long Life, int Holders, int Connections, int Max, bool Begun, bool Renewable);

/// <summary>A holder as it stands in the ledger.</summary>
internal sealed record HolderView(string Id, string Lease, int Connections, long Till, bool Holds);

/// <summary>One database's part of the ledger, or that of all, read from outside, without a script.</summary>
internal sealed class LedgerView
{
    private static readonly int Over = Array.IndexOf(LedgerKeys.Parts, "over");
    private static readonly string[] LeaseFields = ["state", "pool", "role", "user", "why", "expires", "life", "holders", "connections", "max", "begun", "renewable"];

    private LedgerView(
        IReadOnlyDictionary<string, LeaseView> leases, IReadOnlyDictionary<string, HolderView> holders, IReadOnlyDictionary<string, string> budget, int ends, int inLine, IEnumerable<string> leftovers)
    {
        (Leases, Holders, Ends, InLine, Leftovers) = (leases, holders, ends, inLine, leftovers);
        Capacity = budget.TryGetValue("capacity", out var capacity) ? Number(capacity) : null;
        Granted = Number(budget.GetValueOrDefault("granted", "0"));
        SampledAt = long.Parse(budget.GetValueOrDefault("sampled", "0"), CultureInfo.InvariantCulture);
    }

    public IReadOnlyDictionary<string, LeaseView> Leases { get; }

    public IReadOnlyDictionary<string, HolderView> Holders { get; }

    /// <summary>Null: never counted; of all databases, nothing is said.</summary>
    public int? Capacity { get; }

    public int Granted { get; private init; }

    public long SampledAt { get; }

    public int Ends { get; }

    public int InLine { get; }

    /// <summary>Users that the broker shows as its leftovers.</summary>
    public IEnumerable<string> Leftovers { get; }

    /// <summary>The records of all databases. Ids of leases and holders are unique.</summary>
    public static LedgerView Of(IReadOnlyList<LedgerView> all) => all is [var only] ? only : new(
        all.SelectMany(view => view.Leases).ToDictionary(lease => lease.Key, lease => lease.Value, StringComparer.Ordinal),
        all.SelectMany(view => view.Holders).ToDictionary(holder => holder.Key, holder => holder.Value, StringComparer.Ordinal),
        new Dictionary<string, string>(),
        all.Sum(view => view.Ends),
        all.Sum(view => view.InLine),
        all.SelectMany(view => view.Leftovers))
    { Granted = all.Sum(view => view.Granted) };

    /// <summary>Reads it.</summary>
    /// <param name="keys">The ledger.</param>
    /// <param name="of">The names of the database's keys.</param>
    /// <param name="names">Names of fields by lease, made once and kept by the caller.</param>
    public static LedgerView Read(Keyspace keys, string[] of, Dictionary<string, string[]> names)
    {
        var fields = keys.HashAt(of[1]);
        var leases = new Dictionary<string, LeaseView>(StringComparer.Ordinal);
        foreach (var id in keys.RankedAt(of[2]).Range(0, int.MaxValue - 1, withScores: false).Concat(keys.RankedAt(of[Over]).Range(0, int.MaxValue - 1, withScores: false)))
        {
            if (!names.TryGetValue(id, out var name)) names[id] = name = Array.ConvertAll(LeaseFields, field => $"{id}:{field}");
            string Field(int at) => fields.GetValueOrDefault(name[at], "");
            if (Field(0).Length == 0) continue;
            leases[id] = new(
                id, Field(0), Field(1), Field(2), Field(3), Field(4), Long(Field(5)), Long(Field(6)), (int)Long(Field(7)), (int)Long(Field(8)), (int)Long(Field(9)),
                Field(10) == "1", Field(11) == "1");
        }

        var holders = new Dictionary<string, HolderView>(StringComparer.Ordinal);
        foreach (var (id, packed) in keys.HashAt(of[4]))
        {
            var parts = packed.Split('|', 6);
            holders[id] = new(id, parts[0], Number(parts[1]), Long(parts[2]), parts[3] == "h");
        }

        return new(leases, holders, keys.HashAt(of[0]), keys.RankedAt(of[5]).Count, keys.RankedAt(of[6]).Count, keys.HashAt(of[12]).Keys);
    }

    private static long Long(string text) => text.Length == 0 ? 0 : long.Parse(text, CultureInfo.InvariantCulture);

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
